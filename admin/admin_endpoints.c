/* GET /api/v1/pools/{pool}/endpoints and .../endpoints/{id}: the endpoint as an object. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "admin/admin_objects.h"
#include "admin/admin_policies.h"
#include "admin/admin_summary.h"
#include "base/clock.h"
#include "config/overlay.h"

struct admin_now admin_now(void)
{
    return (struct admin_now){.us = clock_monotonic_us(), .wall_us = clock_wall_us()};
}

/* Null where something has never been. */
static void set_time_ago(json_t *object, const char *key, struct admin_now now, uint64_t ago_us,
                         bool ever)
{
    admin_json_set(object, key, ever ? admin_json_time(now.wall_us - ago_us) : json_null());
}

static void set_seconds_or_null(json_t *object, const char *key, uint64_t us)
{
    admin_json_set(object, key, us > 0 ? json_real((double)us / 1000000) : json_null());
}

/* As it was registered or written, all keys of it: what is shown may be sent back (PUT). Of one
 * that leaves no configuration tells any more. */
static json_t *configured(const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);
    json_t *object;
    char *source;

    if (!backend) {
        object = json_object();
        admin_json_set_text(object, "id", endpoint->id);
        admin_json_set_text(object, "address", endpoint->address);
        return object;
    }
    object = config_backend_json(backend);
    source = admin_where_text(&backend->where);
    admin_json_set_text(object, "source", source);
    free(source);
    return object;
}

static void set_registration(json_t *object, const struct admin_target *target)
{
    const struct endpoint *endpoint = target->endpoint;

    admin_json_set_text(object, "pool", target->config->name);
    admin_json_set(object, "created_at", admin_json_time(endpoint->created_wall_us));
    admin_json_set(object, "updated_at", admin_json_time(atomic_load(&endpoint->updated_wall_us)));
    admin_json_set(object, "effective_weight", json_real(atomic_load(&endpoint->share) / 100.0));
}

static json_t *outcomes(const struct health_view *view, struct admin_now now)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < view->outcome_count; i++) {
        const struct health_outcome *outcome = &view->outcomes[i];
        json_t *object = json_object();

        admin_json_set(object, "time", admin_json_time(now.wall_us - outcome->ago_us));
        admin_json_set(object, "status",
                       outcome->status ? json_integer(outcome->status) : json_null());
        admin_json_set_text(object, "error",
                            outcome->error != EG_OK ? error_text(outcome->error) : NULL);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *breaker(const struct health_view *view, struct admin_now now)
{
    json_t *object = json_object();
    bool open = view->breaker == BREAKER_OPEN;

    admin_json_set_text(object, "state", breaker_state_name(view->breaker));
    admin_json_set(object, "since", admin_json_time(now.wall_us - view->breaker_for_us));
    admin_json_set_text(object, "why", view->breaker_why);
    admin_json_set_bool(object, "by_hand", view->tripped);
    set_seconds_or_null(object, "retry_in_seconds", open ? view->retry_in_us : 0);
    admin_json_set_number(object, "openings", view->breaker_entered[BREAKER_OPEN]);
    admin_json_set(object, "last_failures", outcomes(view, now));
    return object;
}

static json_t *outlier(const struct health_view *view)
{
    json_t *object = json_object();
    bool waits = view->ejected && view->breaker == BREAKER_CLOSED;

    admin_json_set_bool(object, "ejected", view->ejected);
    admin_json_set_text(object, "why", view->ejected ? view->ejected_why : NULL);
    set_seconds_or_null(object, "returns_in_seconds", waits ? view->retry_in_us : 0);
    admin_json_set_number(object, "ejections", view->ejections);
    return object;
}

static json_t *stall(const struct health_view *view)
{
    static const char *const names[] = {"clear", "stalled", "probing"};
    json_t *object = json_object();

    admin_json_set_text(object, "state", names[view->stall]);
    admin_json_set_number(object, "stalls", view->stalls);
    return object;
}

/* null: the pool has no checks, or not for it. */
static json_t *check(const struct admin_target *target, const struct health_view *view,
                     struct admin_now now)
{
    const struct config_backend *backend = atomic_load(&target->endpoint->backend);
    const char *address = backend ? backend->check_address : NULL;
    bool failed = view->check_failed_ago_us > 0;
    json_t *object;

    if (!target->config->health || !backend || !backend->checked)
        return json_null();
    object = json_object();
    admin_json_set_text(object, "address", address ? address : target->endpoint->address);
    set_time_ago(object, "last", now, view->checked_ago_us, view->checks > 0);
    set_seconds_or_null(object, "latency_seconds", view->check_latency_us);
    set_time_ago(object, "last_failure", now, view->check_failed_ago_us, failed);
    admin_json_set_text(object, "last_failure_why", failed ? view->check_why : NULL);
    admin_json_set_number(object, "checks", view->checks);
    admin_json_set_number(object, "failed", view->failed_checks);
    return object;
}

/* Null where too few answers have come lately. */
static json_t *latency(const struct health_view *view)
{
    json_t *object = json_object();

    set_seconds_or_null(object, "p50_seconds", view->p50_us);
    set_seconds_or_null(object, "p90_seconds", view->p90_us);
    set_seconds_or_null(object, "p99_seconds", view->p99_us);
    return object;
}

static void set_counts(json_t *object, const struct endpoint *endpoint,
                       const struct health_view *view)
{
    int active = atomic_load(&endpoint->active);

    admin_json_set_number(object, "active", active > 0 ? (uint64_t)active : 0);
    admin_json_set_number(object, "requests", atomic_load(&endpoint->picks));
    admin_json_set_number(object, "successes", view->successes);
    admin_json_set_number(object, "failures", view->failures);
    admin_json_set_number(object, "consecutive_failures", view->consecutive_failures);
    admin_json_set(object, "latency", latency(view));
}

static void set_summary(json_t *object, const struct admin_target *target,
                        const struct health_view *view, struct admin_now now)
{
    const struct endpoint *endpoint = target->endpoint;
    unsigned weight = atomic_load(&endpoint->weight);
    struct admin_facts facts = {
        .view = view,
        .config = target->config,
        .wall_us = now.wall_us,
        .weight = weight,
        .share_percent = weight > 0 ? atomic_load(&endpoint->share) / weight : 0,
        .active = atomic_load(&endpoint->active),
        .resolved = atomic_load(&endpoint->resolved),
        .panicking = atomic_load(&endpoint->panicking),
        .leaving = atomic_load(&endpoint->leaving),
    };
    char *text = admin_endpoint_summary(&facts);

    admin_json_set_text(object, "summary", text);
    free(text);
}

json_t *admin_endpoint_object(const struct admin_target *target, struct admin_now now)
{
    const struct endpoint *endpoint = target->endpoint;
    json_t *object = configured(endpoint);
    struct health_view view;

    health_view(target->health, endpoint, now.us, &view);
    if (atomic_load(&endpoint->leaving)) /* deregistered: it finishes what it holds */
        view.status = ENDPOINT_DRAINING;
    set_registration(object, target);
    admin_json_set_text(object, "status", endpoint_status_name(view.status));
    admin_json_set(object, "status_since", admin_json_time(now.wall_us - view.status_for_us));
    admin_json_set_text(object, "status_why", view.why);
    set_summary(object, target, &view, now);
    admin_json_set_bool(object, "usable", endpoint_usable(endpoint));
    admin_json_set_bool(object, "draining", view.status == ENDPOINT_DRAINING);
    admin_json_set_bool(object, "leaving", atomic_load(&endpoint->leaving));
    admin_json_set_bool(object, "resolved", atomic_load(&endpoint->resolved));
    admin_json_set(object, "breaker", breaker(&view, now));
    admin_json_set(object, "outlier", outlier(&view));
    admin_json_set(object, "stall", stall(&view));
    admin_json_set(object, "check", check(target, &view, now));
    set_counts(object, endpoint, &view);
    return object;
}

void admin_endpoints_add(struct evbuffer *out, const struct admin_target *pool,
                         struct admin_now now)
{
    struct admin_target target = *pool;
    const char *comma = "";

    evbuffer_add_printf(out, "\"endpoints\":[");
    for (unsigned i = 0; i < balancer_pool_size(pool->balancer); i++) {
        target.endpoint = balancer_pool_endpoint(pool->balancer, i);
        if (!target.endpoint)
            continue; /* a free slot */
        evbuffer_add(out, comma, strlen(comma));
        comma = ",";
        admin_json_add(out, admin_endpoint_object(&target, now));
    }
    evbuffer_add(out, "]", 1);
}

void admin_endpoints(struct admin_call *call)
{
    struct admin_target pool;
    struct evbuffer *out;

    if (!admin_call_pool(call, &pool))
        return;
    out = evbuffer_new();
    evbuffer_add(out, "{", 1);
    admin_endpoints_add(out, &pool, admin_now());
    evbuffer_add(out, "}\n", 2);
    admin_reply(call->request, 200, "application/json", out);
    evbuffer_free(out);
}

void admin_endpoint(struct admin_call *call)
{
    struct admin_target target;

    if (admin_call_endpoint(call, &target))
        admin_reply_json(call->request, 200, admin_endpoint_object(&target, admin_now()));
}
