/* A pool's policies in short: what its configuration asks for. See admin_objects.h. */
#include "admin/admin_objects.h"

static json_t *health(const struct config_health *health)
{
    json_t *object;

    if (!health)
        return json_null();
    object = json_object();
    admin_json_set_text(object, "type", config_health_type_name(health->type));
    admin_json_set_ms(object, "interval_seconds", health->interval_ms);
    admin_json_set_ms(object, "fast_interval_seconds", health->fast_interval_ms);
    admin_json_set_ms(object, "timeout_seconds", health->timeout_ms);
    admin_json_set_number(object, "rise", health->rise);
    admin_json_set_number(object, "fall", health->fall);
    return object;
}

static json_t *outlier(const struct config_outlier *outlier)
{
    json_t *object = json_object();

    admin_json_set_number(object, "consecutive_5xx", outlier->consecutive_5xx);
    admin_json_set_number(object, "error_percent", outlier->error_percent);
    admin_json_set_ms(object, "base_ejection_seconds", outlier->base_ejection_ms);
    admin_json_set_number(object, "max_ejected_percent", outlier->max_ejected_percent);
    return object;
}

static json_t *breaker(const struct config_breaker *breaker)
{
    json_t *object = json_object();

    admin_json_set_number(object, "failure_threshold", breaker->failure_threshold);
    admin_json_set_number(object, "error_percent", breaker->error_percent);
    admin_json_set_ms(object, "window_seconds", breaker->window_ms);
    admin_json_set_number(object, "min_requests", breaker->min_requests);
    admin_json_set_ms(object, "recovery_timeout_seconds", breaker->recovery_timeout_ms);
    admin_json_set_number(object, "half_open_max", breaker->half_open_max);
    admin_json_set_number(object, "success_threshold", breaker->success_threshold);
    return object;
}

static json_t *retry(const struct config_retry *retry)
{
    json_t *object = json_object();

    admin_json_set_number(object, "attempts", retry->attempts);
    admin_json_set_ms(object, "backoff_seconds", retry->backoff_ms);
    admin_json_set_ms(object, "max_backoff_seconds", retry->max_backoff_ms);
    admin_json_set_number(object, "budget_percent", retry->budget_percent);
    admin_json_set_bool(object, "non_idempotent", retry->non_idempotent);
    admin_json_set_number(object, "hedge_percentile", retry->hedge_percentile);
    return object;
}

static json_t *failover(const struct config_pool *pool)
{
    json_t *object = json_object();

    admin_json_set_number(object, "min_healthy_percent", pool->failover.min_healthy_percent);
    admin_json_set_number(object, "panic_percent", pool->failover.panic_percent);
    return object;
}

static json_t *failback(const struct config_failback *failback)
{
    json_t *object = json_object();

    admin_json_set_text(object, "mode", config_failback_mode_name(failback->mode));
    admin_json_set_ms(object, "after_seconds", failback->after_ms);
    admin_json_set_number(object, "step_percent", failback->step_percent);
    return object;
}

static json_t *fallback(const struct config *config, const struct config_fallback *fallback)
{
    json_t *object = json_object();

    admin_json_set_ms(object, "stale_seconds", fallback->stale_ms);
    admin_json_set_text(object, "pool",
                        fallback->pool >= 0 ? config->pools[fallback->pool].name : NULL);
    admin_json_set_text(object, "body_file", fallback->body_file);
    return object;
}

json_t *admin_policy_object(const struct config *config, const struct config_pool *pool)
{
    json_t *object = json_object();

    admin_json_set_text(object, "algorithm", config_algorithm_name(pool->algorithm));
    admin_json_set_bool(object, "sticky", pool->sticky != NULL);
    admin_json_set_text(object, "locality",
                        pool->locality == CONFIG_LOCALITY_PREFER ? "prefer" : "off");
    admin_json_set_ms(object, "slow_start_seconds", pool->slow_start_ms);
    admin_json_set_number(object, "max_connections", pool->max_connections);
    admin_json_set_number(object, "max_pending", pool->max_pending);
    admin_json_set_ms(object, "pending_timeout_seconds", pool->pending_timeout_ms);
    admin_json_set(object, "health", health(pool->health));
    admin_json_set(object, "outlier", outlier(&pool->outlier));
    admin_json_set(object, "breaker", breaker(&pool->breaker));
    admin_json_set(object, "retry", retry(&pool->retry));
    admin_json_set(object, "failover", failover(pool));
    admin_json_set(object, "failback", failback(&pool->failback));
    admin_json_set(object, "fallback", fallback(config, &pool->fallback));
    admin_json_set_bool(object, "recovery", pool->recovery != NULL);
    return object;
}
