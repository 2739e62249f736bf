/* pools[].recovery: what is done for a backend that became unhealthy. */
#include "config/command_internal.h"
#include "config/sections_internal.h"

static void recovery_read_command(struct schema_walk *walk, const struct config_node *node,
                                  void *out)
{
    struct config_recovery *recovery = out;

    config_command_read(walk, node, &recovery->command);
}

static const struct schema_key recovery_keys[] = {
    {"command", SCHEMA_CUSTOM, .read = recovery_read_command},
    {"webhook", SCHEMA_STRING, SCHEMA_AT(struct config_recovery, webhook),
     .example = "\"http://127.0.0.1:9000/repair\""},
    {"max_attempts", SCHEMA_INTEGER, "3", SCHEMA_AT(struct config_recovery, max_attempts), .min = 1,
     .max = 1000},
    {"interval", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_recovery, interval_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"timeout", SCHEMA_DURATION, "30s", SCHEMA_AT(struct config_recovery, timeout_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_recovery_section = {
    .title = "pools.recovery",
    .struct_bytes = sizeof(struct config_recovery),
    SCHEMA_KEYS(recovery_keys),
};
