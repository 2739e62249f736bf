/* Loading a configuration with its mistakes printed: what `check`, `run` and `demo` have in common.
 */
#ifndef EVERGATE_CLI_CONFIG_ERRORS_H
#define EVERGATE_CLI_CONFIG_ERRORS_H

#include "config/config.h"

/* One reference, or NULL after every mistake was printed to standard error. */
struct config *cli_config_load(const char *path);
struct config *cli_config_load_text(const char *name, const char *text);

#endif
