/* pools[].outlier and pools[].breaker: what traffic itself tells about a backend. Both are on by
 * default. */
#include "config/sections_internal.h"

enum { WINDOW_SHORTEST_MS = 100, WINDOW_LONGEST_MS = 3600 * 1000, COUNT_MAX = 1000000 };

/* ---- outlier ---- */

static void outlier_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_outlier *outlier = out;

    config_check_order(walk, group, "base_ejection", &outlier->base_ejection_ms, "max_ejection",
                       &outlier->max_ejection_ms);
}

static const struct schema_key outlier_keys[] = {
    {"consecutive_5xx", SCHEMA_INTEGER, "5", SCHEMA_AT(struct config_outlier, consecutive_5xx),
     .min = 0, .max = COUNT_MAX},
    {"error_percent", SCHEMA_INTEGER, "30", SCHEMA_AT(struct config_outlier, error_percent),
     .min = 0, .max = 100},
    {"min_requests", SCHEMA_INTEGER, "20", SCHEMA_AT(struct config_outlier, min_requests), .min = 1,
     .max = COUNT_MAX},
    {"window", SCHEMA_DURATION, "10s", SCHEMA_AT(struct config_outlier, window_ms),
     .min = WINDOW_SHORTEST_MS, .max = WINDOW_LONGEST_MS},
    {"base_ejection", SCHEMA_DURATION, "30s", SCHEMA_AT(struct config_outlier, base_ejection_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"max_ejection", SCHEMA_DURATION, "5m", SCHEMA_AT(struct config_outlier, max_ejection_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"max_ejected_percent", SCHEMA_INTEGER, "50",
     SCHEMA_AT(struct config_outlier, max_ejected_percent), .min = 0, .max = 100},
    {"stall_factor", SCHEMA_INTEGER, "4", SCHEMA_AT(struct config_outlier, stall_factor), .min = 0,
     .max = 1000},
    {"stall_min", SCHEMA_DURATION, "50ms", SCHEMA_AT(struct config_outlier, stall_min_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_outlier_section = {
    .title = "pools.outlier",
    .struct_bytes = sizeof(struct config_outlier),
    SCHEMA_KEYS(outlier_keys),
    .check = outlier_check,
};

/* ---- breaker ---- */

static void breaker_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_breaker *breaker = out;

    config_check_order(walk, group, "recovery_timeout", &breaker->recovery_timeout_ms,
                       "max_recovery_timeout", &breaker->max_recovery_timeout_ms);
}

static const struct schema_key breaker_keys[] = {
    {"failure_threshold", SCHEMA_INTEGER, "5", SCHEMA_AT(struct config_breaker, failure_threshold),
     .min = 0, .max = COUNT_MAX},
    {"error_percent", SCHEMA_INTEGER, "50", SCHEMA_AT(struct config_breaker, error_percent),
     .min = 0, .max = 100},
    {"window", SCHEMA_DURATION, "10s", SCHEMA_AT(struct config_breaker, window_ms),
     .min = WINDOW_SHORTEST_MS, .max = WINDOW_LONGEST_MS},
    {"min_requests", SCHEMA_INTEGER, "20", SCHEMA_AT(struct config_breaker, min_requests), .min = 1,
     .max = COUNT_MAX},
    {"recovery_timeout", SCHEMA_DURATION, "10s",
     SCHEMA_AT(struct config_breaker, recovery_timeout_ms), .min = CONFIG_DURATION_SHORTEST_MS,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"max_recovery_timeout", SCHEMA_DURATION, "60s",
     SCHEMA_AT(struct config_breaker, max_recovery_timeout_ms), .min = CONFIG_DURATION_SHORTEST_MS,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"half_open_max", SCHEMA_INTEGER, "3", SCHEMA_AT(struct config_breaker, half_open_max),
     .min = 1, .max = 1000},
    {"success_threshold", SCHEMA_INTEGER, "2", SCHEMA_AT(struct config_breaker, success_threshold),
     .min = 1, .max = 1000},
};

const struct schema_section config_breaker_section = {
    .title = "pools.breaker",
    .struct_bytes = sizeof(struct config_breaker),
    SCHEMA_KEYS(breaker_keys),
    .check = breaker_check,
};
