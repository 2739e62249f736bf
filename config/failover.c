/* pools[].failover and pools[].failback: when load moves to a later tier, and how it returns. */
#include "config/sections_internal.h"

static const struct schema_key failover_keys[] = {
    {"min_healthy_percent", SCHEMA_INTEGER, "70",
     SCHEMA_AT(struct config_failover, min_healthy_percent), .min = 1, .max = 100},
    {"panic_percent", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config_failover, panic_percent),
     .min = 0, .max = 100},
};

const struct schema_section config_failover_section = {
    .title = "pools.failover",
    .struct_bytes = sizeof(struct config_failover),
    SCHEMA_KEYS(failover_keys),
};

static const char *const mode_words[] = {[CONFIG_FAILBACK_AUTO] = "auto",
                                         [CONFIG_FAILBACK_DELAYED] = "delayed",
                                         [CONFIG_FAILBACK_GRADUAL] = "gradual",
                                         [CONFIG_FAILBACK_MANUAL] = "manual",
                                         NULL};

const char *config_failback_mode_name(enum config_failback_mode mode)
{
    return mode_words[mode];
}

static const struct schema_key failback_keys[] = {
    {"mode", SCHEMA_CHOICE, "auto", SCHEMA_AT(struct config_failback, mode), .choices = mode_words},
    {"after", SCHEMA_DURATION, "1m", SCHEMA_AT(struct config_failback, after_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"step", SCHEMA_PERCENT, "10%", SCHEMA_AT(struct config_failback, step_percent), .min = 1,
     .max = 100},
};

const struct schema_section config_failback_section = {
    .title = "pools.failback",
    .struct_bytes = sizeof(struct config_failback),
    SCHEMA_KEYS(failback_keys),
};
