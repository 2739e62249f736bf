/* pools[].health: active checks. What its keys must be together is in health_check.c. */
#include "config/command_internal.h"
#include "config/health_internal.h"

static const char *const type_words[] = {
    [CONFIG_HEALTH_HTTP] = "http",   [CONFIG_HEALTH_TCP] = "tcp",
    [CONFIG_HEALTH_EXEC] = "exec",   [CONFIG_HEALTH_POSTGRES] = "postgres",
    [CONFIG_HEALTH_REDIS] = "redis", NULL};
static const char *const role_words[] = {[CONFIG_ROLE_ANY] = "any",
                                         [CONFIG_ROLE_PRIMARY] = "primary",
                                         [CONFIG_ROLE_STANDBY] = "standby",
                                         NULL};

const char *config_health_type_name(enum config_health_type type)
{
    return type_words[type];
}

static void health_read_command(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_health *health = out;

    config_command_read(walk, node, CONFIG_VARIABLES_OF_CHECKS, &health->command);
}

static json_t *health_show_command(const struct config *config, const void *in)
{
    const struct config_health *health = in;

    return config_command_show(&health->command);
}

enum { HEALTH_INTERVAL_SHORTEST_MS = 10 };

static const struct schema_key health_keys[] = {
    {"type", SCHEMA_CHOICE, "http", SCHEMA_AT(struct config_health, type), .choices = type_words},
    {"interval", SCHEMA_DURATION, "5s", SCHEMA_AT(struct config_health, interval_ms),
     .min = HEALTH_INTERVAL_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"timeout", SCHEMA_DURATION, "2s", SCHEMA_AT(struct config_health, timeout_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"fast_interval", SCHEMA_DURATION, SCHEMA_AT(struct config_health, fast_interval_ms),
     .min = HEALTH_INTERVAL_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS, .example = "\"1s\""},
    {"jitter", SCHEMA_PERCENT, "10%", SCHEMA_AT(struct config_health, jitter_percent), .min = 0,
     .max = 50},
    {"rise", SCHEMA_INTEGER, "2", SCHEMA_AT(struct config_health, rise), .min = 1, .max = 1000},
    {"fall", SCHEMA_INTEGER, "3", SCHEMA_AT(struct config_health, fall), .min = 1, .max = 1000},
    {"degraded_latency", SCHEMA_DURATION, "0", SCHEMA_AT(struct config_health, degraded_latency_ms),
     .min = 0, .max = CONFIG_DURATION_LONGEST_MS},
    {"path", SCHEMA_STRING, "/", SCHEMA_AT(struct config_health, path), .example = "\"/health\""},
    {"method", SCHEMA_STRING, "GET", SCHEMA_AT(struct config_health, method), .example = "\"GET\""},
    {"headers", SCHEMA_LIST, SCHEMA_AT(struct config_health, headers),
     SCHEMA_COUNT(struct config_health, header_count), .max = 32,
     .section = &config_header_edit_section},
    {"body", SCHEMA_STRING, "", SCHEMA_AT(struct config_health, body)},
    {"expect_status", SCHEMA_STATUSES, "200-299", SCHEMA_AT(struct config_health, expect_status)},
    {"expect_body", SCHEMA_STRING, "", SCHEMA_AT(struct config_health, expect_body)},
    {"degraded_status", SCHEMA_STATUSES, "", SCHEMA_AT(struct config_health, degraded_status)},
    {"command", SCHEMA_CUSTOM, .read = health_read_command, .show = health_show_command},
    {"role", SCHEMA_CHOICE, "any", SCHEMA_AT(struct config_health, role), .choices = role_words},
    {"user", SCHEMA_STRING, SCHEMA_AT(struct config_health, user), .example = "\"evergate\""},
    {"database", SCHEMA_STRING, "postgres", SCHEMA_AT(struct config_health, database),
     .example = "\"postgres\""},
    {"password_file", SCHEMA_PATH, SCHEMA_AT(struct config_health, password_file),
     SCHEMA_DIGEST(struct config_health, password_digest),
     .example = "\"/etc/evergate/db.password\""},
    {"max_lag", SCHEMA_DURATION, "0", SCHEMA_AT(struct config_health, max_lag_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"sentinels", SCHEMA_STRINGS, SCHEMA_AT(struct config_health, sentinels),
     .example = "[ \"10.0.0.1:26379\" ]"},
    {"master", SCHEMA_STRING, SCHEMA_AT(struct config_health, master_name),
     .example = "\"mymaster\""},
};

const struct schema_section config_health_section = {
    .title = "pools.health",
    .struct_bytes = sizeof(struct config_health),
    SCHEMA_KEYS(health_keys),
    .check = config_health_check,
};
