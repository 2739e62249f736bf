/* Rules over a pool: how failures are found, and what they do. See doctor_internal.h. */
#include <string.h>

#include "cli/doctor_internal.h"

enum {
    INTERVAL_LONG_MS = 30000,
    RESPONSE_LONG_MS = 300000,
    RETRY_BUDGET_LARGE = 50, /* percent */
};

/* That may get requests as the file says it. */
static size_t count_usable(const struct config_pool *pool)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->backend_count; i++)
        count += !pool->backends[i].drain && pool->backends[i].weight > 0;
    return count;
}

/* Consul and Kubernetes tell the health of what they list. */
static bool is_judged_by_source(const struct config_pool *pool)
{
    return pool->discovery && (pool->discovery->type == CONFIG_DISCOVERY_CONSUL ||
                               pool->discovery->type == CONFIG_DISCOVERY_KUBERNETES);
}

static bool has_choice(const struct config_pool *pool)
{
    return pool->backend_count > 1 || pool->discovery;
}

static bool has_outlier(const struct config_outlier *outlier)
{
    return (outlier->consecutive_5xx > 0 || outlier->error_percent > 0) &&
           outlier->max_ejected_percent > 0;
}

static bool is_all_local(const struct config_pool *pool)
{
    for (size_t i = 0; i < pool->backend_count; i++)
        if (doctor_reach(pool->backends[i].address) != DOCTOR_REACH_HOST)
            return false;
    return !pool->discovery;
}

/* An application and the proxy beside it: when it fails there is nobody to turn to, and nobody else
 * whose load could be too much. */
static bool is_sidecar(const struct config_pool *pool)
{
    return pool->backend_count == 1 && is_all_local(pool);
}

/* ---- health ---- */

static void look_no_health(struct doctor_look *look)
{
    if (look->pool->health || !has_choice(look->pool) || is_judged_by_source(look->pool))
        return;
    doctor_found(look, "nobody checks its backends: there is no health");
    doctor_write(look, "health = { path = \"/health\"; };");
}

static void look_blind(struct doctor_look *look)
{
    if (look->pool->health || has_outlier(&look->pool->outlier) || !has_choice(look->pool) ||
        is_judged_by_source(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_OUTLIER);
    doctor_found(look, "outlier detection is off, and there are no health checks either");
    doctor_write(look, "outlier = { ... consecutive_5xx = 5; max_ejected_percent = 50; };");
}

static void look_fall(struct doctor_look *look)
{
    if (!look->pool->health || look->pool->health->fall > 1)
        return;
    doctor_at_part(look, CONFIG_PART_HEALTH);
    doctor_found(look, "health.fall is 1");
    doctor_write(look, "health = { ... fall = 3; };  with a shorter interval, if it is to be fast");
}

static void look_interval(struct doctor_look *look)
{
    const struct config_health *health = look->pool->health;

    if (!health || health->interval_ms <= INTERVAL_LONG_MS)
        return;
    doctor_at_part(look, CONFIG_PART_HEALTH);
    doctor_found(look, "health.interval is %s: a failure is found after up to %s",
                 doctor_duration(look, health->interval_ms),
                 doctor_duration(look, health->interval_ms +
                                           (health->fall - 1) * health->fast_interval_ms +
                                           health->timeout_ms));
    doctor_write(look, "health = { ... interval = \"5s\"; };");
}

static void look_timeout(struct doctor_look *look)
{
    const struct config_health *health = look->pool->health;

    if (!health || health->timeout_ms <= health->interval_ms)
        return;
    doctor_at_part(look, CONFIG_PART_HEALTH);
    doctor_found(look, "health.timeout is %s, longer than the interval of %s",
                 doctor_duration(look, health->timeout_ms),
                 doctor_duration(look, health->interval_ms));
    doctor_write(look, "health = { ... timeout = \"%s\"; };",
                 doctor_duration(look, health->interval_ms));
}

static void look_tcp(struct doctor_look *look)
{
    if (!look->pool->health || look->pool->health->type != CONFIG_HEALTH_TCP ||
        is_judged_by_source(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_HEALTH);
    doctor_found(look, "health.type = \"tcp\" asks an HTTP server only for a connection");
    doctor_write(look, "health = { ... type = \"http\"; path = \"/health\"; };");
}

/* ---- what failures do ---- */

static void look_breaker(struct doctor_look *look)
{
    const struct config_breaker *breaker = &look->pool->breaker;

    if (breaker->failure_threshold > 0 || breaker->error_percent > 0 || is_sidecar(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_BREAKER);
    doctor_found(look, "the breaker is off");
    doctor_write(look, "breaker = { ... failure_threshold = 5; error_percent = 50; };");
}

static void look_no_retry(struct doctor_look *look)
{
    if (look->pool->retry.attempts > 1 || !has_choice(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_RETRY);
    doctor_found(look, "retry.attempts is 1");
    doctor_write(look, "retry = { ... attempts = 2; };");
}

static void look_non_idempotent(struct doctor_look *look)
{
    if (!look->pool->retry.non_idempotent || look->pool->retry.attempts == 1)
        return;
    doctor_at_part(look, CONFIG_PART_RETRY);
    doctor_found(look, "retry.non_idempotent = true");
    doctor_write(look, "retry = { ... non_idempotent = false; };");
}

static void look_budget(struct doctor_look *look)
{
    const struct config_retry *retry = &look->pool->retry;

    if (retry->attempts == 1 || retry->budget_percent <= RETRY_BUDGET_LARGE ||
        is_sidecar(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_RETRY);
    doctor_found(look, "retry.budget_percent is %u", retry->budget_percent);
    doctor_write(look, "retry = { ... budget_percent = 20; };");
}

static void look_response(struct doctor_look *look)
{
    if (look->pool->timeouts.response_ms <= RESPONSE_LONG_MS)
        return;
    doctor_at_part(look, CONFIG_PART_TIMEOUTS);
    doctor_found(look, "timeouts.response is %s",
                 doctor_duration(look, look->pool->timeouts.response_ms));
    doctor_write(look, "timeouts = { ... response = \"30s\"; };");
}

/* ---- backends ---- */

static void look_none_usable(struct doctor_look *look)
{
    if (look->pool->backend_count == 0 || look->pool->discovery || count_usable(look->pool) > 0)
        return;
    doctor_at_part(look, CONFIG_PART_BACKENDS);
    doctor_found(look, "every backend is drained or has weight 0");
    doctor_write(look, "weight = 1;  and no drain, for one of them at least");
}

static void look_no_backends(struct doctor_look *look)
{
    if (look->pool->backend_count > 0 || look->pool->discovery)
        return;
    doctor_at_part(look, CONFIG_PART_BACKENDS);
    doctor_found(look, "has no backends, and nowhere to find them");
    doctor_write(look, "backends = ( { address = \"10.0.0.1:8080\"; } );  or discovery = { ... };");
}

static void look_alone(struct doctor_look *look)
{
    const struct config_pool *pool = look->pool;
    const struct config_fallback *fallback = &pool->fallback;

    if (pool->discovery || count_usable(pool) != 1 || is_sidecar(pool) || fallback->pool >= 0 ||
        fallback->body_file || fallback->stale_ms > 0)
        return;
    doctor_at_part(look, CONFIG_PART_BACKENDS);
    doctor_found(look, "one backend, and no fallback");
    doctor_write(look,
                 "fallback = { ... stale = \"10m\"; body_file = \"/etc/evergate/sorry.html\"; };"
                 "  or a second backend");
}

static void look_verify(struct doctor_look *look)
{
    if (!look->pool->tls || look->pool->tls->verify || is_all_local(look->pool))
        return;
    doctor_at_part(look, CONFIG_PART_TLS);
    doctor_found(look, "tls.verify = false");
    doctor_write(look, "tls = { ... verify = true; ca = \"/etc/evergate/ca.pem\"; };  with sni = "
                       "\"NAME\" where the address is none");
}

static void look_sticky(struct doctor_look *look)
{
    if (!look->pool->sticky || look->pool->sticky->secret_file)
        return;
    doctor_at_part(look, CONFIG_PART_STICKY);
    doctor_found(look, "sticky without secret_file");
    doctor_write(look, "sticky = { ... secret_file = \"/etc/evergate/sticky.key\"; };  made by: "
                       "openssl rand -hex 32");
}

const struct doctor_rule doctor_pool_rules[] = {
    {"no-health", DOCTOR_WARNING,
     "a dead backend is found only by requests that fail on it, and tried again with requests",
     look_no_health},
    {"blind", DOCTOR_WARNING, "a failing backend goes on getting its share of requests",
     look_blind},
    {"fall-is-one", DOCTOR_WARNING,
     "a single lost packet or slow check takes a good backend out, and its load hits the others",
     look_fall},
    {"interval-long", DOCTOR_WARNING, "requests go to a dead backend for that long", look_interval},
    {"check-timeout-long", DOCTOR_WARNING,
     "checks of a hanging backend come at the timeout's pace, not the interval's", look_timeout},
    {"tcp-check", DOCTOR_HINT,
     "a program that hangs, or answers nothing but errors, still accepts connections", look_tcp},
    {"breaker-off", DOCTOR_WARNING,
     "a backend that fails is asked at full rate, and kept from recovering", look_breaker},
    {"no-retry", DOCTOR_HINT, "clients see each failure that another backend could have hidden",
     look_no_retry},
    {"retry-unsafe", DOCTOR_WARNING,
     "a POST whose answer was lost is sent again: an order may be placed twice",
     look_non_idempotent},
    {"retry-budget-large", DOCTOR_WARNING, "in an outage retries multiply the load on what is left",
     look_budget},
    {"response-timeout-long", DOCTOR_WARNING,
     "a backend that hangs holds clients and connections for that long before it counts as failed",
     look_response},
    {"none-usable", DOCTOR_WARNING, "every request is answered 503", look_none_usable},
    {"no-backends", DOCTOR_HINT,
     "every request is answered 503 until backends are registered over the management API",
     look_no_backends},
    {"single-backend", DOCTOR_HINT, "when it fails there is nothing to answer with but an error",
     look_alone},
    {"verify-off", DOCTOR_ERROR,
     "any machine on the way can pass for the backend, and read and change what is sent",
     look_verify},
    {"sticky-secret", DOCTOR_WARNING,
     "a restart ends every session, and no other instance knows them", look_sticky},
    {.name = NULL},
};
