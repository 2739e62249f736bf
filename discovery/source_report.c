/* What a source tells: its object in GET /api/v1/providers, its figures, its events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/plural.h"
#include "base/timestamp.h"
#include "discovery/source.h"

const char *source_state_name(enum source_state state)
{
    static const char *const names[] = {
        [SOURCE_CONNECTING] = "connecting",
        [SOURCE_SYNCED] = "synced",
        [SOURCE_FAILING] = "failing",
    };

    return names[state];
}

static size_t endpoint_count(const struct discovery_source *source)
{
    return source->found != NULL ? config_found_count(source->found) : 0;
}

/* ---- JSON ---- */

static void report_set(json_t *object, const char *key, json_t *value)
{
    CHECK(json_object_set_new(object, key, value) == 0);
}

json_t *source_time_json(uint64_t wall_us)
{
    char text[TIMESTAMP_LOG_BYTES];

    if (wall_us == 0)
        return json_null();
    timestamp_log(text, wall_us);
    return json_stringn(text, sizeof(text));
}

static json_t *report_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* A configuration may be in any encoding, JSON is UTF-8. */
static json_t *report_text(const char *text)
{
    json_t *string = json_string(text);

    return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *report_pools(const struct discovery_source *source)
{
    json_t *pools = json_array();

    for (size_t i = 0; i < source->pool_count; i++)
        CHECK(json_array_append_new(pools, report_text(source->pools[i])) == 0);
    return pools;
}

static json_t *report_refused(const struct config_refused *refused)
{
    json_t *object = json_object(), *reasons = json_array();

    for (unsigned i = 0; i < refused->reason_count; i++)
        CHECK(json_array_append_new(reasons, report_text(refused->reasons[i])) == 0);
    report_set(object, "count", report_number(refused->count));
    report_set(object, "reasons", reasons);
    return object;
}

static void report_ages(const struct discovery_source *source, json_t *object)
{
    uint64_t wall_us = clock_wall_us(), now_us = clock_monotonic_us();

    report_set(object, "last_sync", source_time_json(source->synced_wall_us));
    if (source->synced_wall_us != 0)
        report_set(object, "last_sync_ago_s",
                   json_real(wall_us > source->synced_wall_us
                                 ? (double)(wall_us - source->synced_wall_us) / 1000000
                                 : 0));
    report_set(object, "last_error",
               source->failed_wall_us != 0 ? report_text(source->last_error) : json_null());
    report_set(object, "last_error_at", source_time_json(source->failed_wall_us));
    report_set(object, "next_try_in_s",
               source->next_try_us == 0
                   ? json_null()
                   : json_real(source->next_try_us > now_us
                                   ? (double)(source->next_try_us - now_us) / 1000000
                                   : 0));
}

json_t *source_json_locked(const struct discovery_source *source)
{
    json_t *object = json_object();

    report_set(object, "type", json_string(config_discovery_type_name(source->block->type)));
    report_set(object, "source", report_text(source->label));
    report_set(object, "pools", report_pools(source));
    report_set(object, "state", json_string(source_state_name(source->state)));
    report_set(object, "since", source_time_json(source->since_wall_us));
    report_set(object, "endpoints", report_number(endpoint_count(source)));
    report_ages(source, object);
    report_set(object, "syncs", report_number(source->syncs));
    report_set(object, "failures", report_number(source->failures));
    report_set(object, "refused", report_refused(&source->refused));
    report_set(object, "registration", source_registration_json_locked(source));
    report_set(object, "from_cache", json_boolean(source->from_cache));
    return object;
}

void source_stats_locked(const struct discovery_source *source,
                         struct discovery_source_stats *ret_stats)
{
    *ret_stats = (struct discovery_source_stats){
        .up = source->state == SOURCE_SYNCED,
        .endpoints = endpoint_count(source),
        .syncs = source->syncs,
        .failures = source->failures,
        .refused = source->refusals,
        .synced_wall_us = source->synced_wall_us,
    };
    snprintf(ret_stats->type, sizeof(ret_stats->type), "%s",
             config_discovery_type_name(source->block->type));
    snprintf(ret_stats->source, sizeof(ret_stats->source), "%s", source->label);
}

/* ---- events ---- */

/* The pools' names are another thread's to change. */
void source_tell(const struct discovery_source *source, struct discovery_event *event)
{
    struct source_context *context = source->context;
    char *pool;

    pthread_mutex_lock(&context->lock);
    pool = xstrdup(source->pool_count == 1 ? source->pools[0] : "");
    pthread_mutex_unlock(&context->lock);
    event->source = source->title;
    event->pool = pool;
    event->to = source_state_name(source->state);
    if (event->from == NULL)
        event->from = event->to;
    context->on_event(context->arg, event);
    free(pool);
}

void source_tell_lost(const struct discovery_source *source, enum source_state from,
                      uint64_t was_us, uint64_t delay_ms)
{
    size_t count = endpoint_count(source);
    struct discovery_event event = {.what = DISCOVERY_LOST,
                                    .from = source_state_name(from),
                                    .why = source->last_error,
                                    .was_us = was_us};
    char next[128];

    if (count == 0)
        snprintf(next, sizeof(next), "it had told of no endpoints; next try in %.1f s",
                 (double)delay_ms / 1000);
    else
        snprintf(next, sizeof(next), "the last %zu endpoint%s stay%s; next try in %.1f s", count,
                 plural(count), count == 1 ? "s" : "", (double)delay_ms / 1000);
    event.next = next;
    source_tell(source, &event);
}

void source_tell_back(const struct discovery_source *source, enum source_state from,
                      uint64_t was_us)
{
    size_t count = endpoint_count(source);
    struct discovery_event event = {
        .what = DISCOVERY_BACK, .from = source_state_name(from), .was_us = was_us};
    char why[SOURCE_ERROR_BYTES + 64], next[64];

    snprintf(why, sizeof(why), "it answered again; before: %s", source->last_error);
    snprintf(next, sizeof(next), "its %zu endpoint%s count%s", count, plural(count),
             count == 1 ? "s" : "");
    event.why = why;
    event.next = next;
    source_tell(source, &event);
}

void source_tell_empty(const struct discovery_source *source, size_t kept)
{
    struct source_context *context = source->context;
    struct discovery_event event = {.what = DISCOVERY_EMPTY,
                                    .why = "it answers that there are no endpoints"};
    size_t allowing, pools;
    char next[160];

    pthread_mutex_lock(&context->lock);
    allowing = source->allowing;
    pools = source->pool_count;
    pthread_mutex_unlock(&context->lock);
    if (kept == 0)
        snprintf(next, sizeof(next), "it had told of none before");
    else if (allowing == pools)
        snprintf(next, sizeof(next), "nothing is left of the last %zu (allow_empty = true)", kept);
    else
        snprintf(next, sizeof(next), "the last %zu endpoint%s stay%s%s", kept, plural(kept),
                 kept == 1 ? "s" : "",
                 allowing == 0 ? "; allow_empty = true would let them go"
                               : " but in pools with allow_empty = true");
    event.next = next;
    source_tell(source, &event);
}

void source_tell_refused(const struct discovery_source *source)
{
    size_t count = endpoint_count(source);
    struct discovery_event event = {.what = DISCOVERY_REFUSED};
    char *why = xasprintf("%u of its endpoints %s left out: %s", source->refused.count,
                          source->refused.count == 1 ? "is" : "are",
                          source->refused.reason_count > 0 ? source->refused.reasons[0] : "");
    char next[64];

    snprintf(next, sizeof(next), "%zu endpoint%s count%s", count, plural(count),
             count == 1 ? "s" : "");
    event.why = why;
    event.next = next;
    source_tell(source, &event);
    free(why);
}
