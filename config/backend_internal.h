/* What the two ways to write a backend share: the file's (backend.c) and the API's (endpoint.c).
 * Insiders of config/ only. */
#ifndef EVERGATE_CONFIG_BACKEND_INTERNAL_H
#define EVERGATE_CONFIG_BACKEND_INTERNAL_H

#include "config/sections_internal.h"

/* Takes backend->address apart; adds what is wrong with it. */
void config_backend_check_address(struct schema_walk *walk, const struct config_node *group,
                                  struct config_backend *backend);

void config_backend_read_metadata(struct schema_walk *walk, const struct config_node *node,
                                  void *out);
json_t *config_backend_show_metadata(const struct config *config, const void *in);

/* The keys that are written the same in both; the API's struct begins with the backend. A table,
 * which the formatter would take apart here. */
/* clang-format off */
#define CONFIG_BACKEND_KEYS                                                                        \
    {"name", SCHEMA_STRING, "", SCHEMA_AT(struct config_backend, name),                            \
     .example = "\"the old rack\""},                                                               \
    {"weight", SCHEMA_INTEGER, "1", SCHEMA_AT(struct config_backend, weight), .min = 0,            \
     .max = 65535},                                                                                \
    {"priority", SCHEMA_INTEGER, "1", SCHEMA_AT(struct config_backend, priority), .min = 1,        \
     .max = 100},                                                                                  \
    {"backup", SCHEMA_BOOL, "false", SCHEMA_AT(struct config_backend, backup)},                    \
    {"max_connections", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config_backend, max_connections),    \
     .min = 0, .max = CONFIG_MAX_CONNECTIONS},                                                     \
    {"region", SCHEMA_STRING, "", SCHEMA_AT(struct config_backend, place.region),                  \
     .example = "\"us-east-1\""},                                                                  \
    {"zone", SCHEMA_STRING, "", SCHEMA_AT(struct config_backend, place.zone),                      \
     .example = "\"us-east-1a\""},                                                                 \
    {"drain", SCHEMA_BOOL, "false", SCHEMA_AT(struct config_backend, drain)},                      \
    {"tags", SCHEMA_STRINGS, SCHEMA_AT(struct config_backend, tags), .example = "[ \"blue\" ]"},   \
    {"metadata", SCHEMA_CUSTOM, .read = config_backend_read_metadata,                              \
     .show = config_backend_show_metadata}
/* clang-format on */

#endif
