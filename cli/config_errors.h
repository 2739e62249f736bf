/* Loading a configuration with its mistakes printed: what `check`, `run` and `demo` have in common.
 */
#ifndef EVERGATE_CLI_CONFIG_ERRORS_H
#define EVERGATE_CLI_CONFIG_ERRORS_H

#include "config/config.h"

/* One reference, or NULL after every mistake was printed to standard error. */
struct config *cli_config_load(const char *path);        /* for what stands in it only */
struct config *cli_config_load_served(const char *path); /* as it is served (server_config.h) */
struct config *cli_config_load_text(const char *name, const char *text);

#endif
