/* A source's states and its last good set: see source.h. */
#include "discovery/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"

/* ---- making and ending ---- */

static void source_on_absent(struct loop_task *task)
{
    struct discovery_source *source = container_of(task, struct discovery_source, absent);

    source_failed(source, "this evergate was built without discovery by %s",
                  config_discovery_type_name(source->block->type));
}

struct discovery_source *source_new(struct source_context *context, struct config *config,
                                    const struct config_discovery *block)
{
    struct discovery_source *source = xcalloc(1, sizeof(*source));
    uint64_t seed = clock_monotonic_us();

    /* Instances that begin at the same moment shall not try again at the same moments. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed ^= (uint64_t)(uintptr_t)source;
    list_init(&source->node);
    list_init(&source->running_node);
    source->context = context;
    source->config = config_ref(config);
    source->block = block;
    source->title = source_title(block);
    source_label(block, 1, source->label, sizeof(source->label));
    backoff_init(&source->backoff, seed);
    loop_task_init(&source->absent, source_on_absent);
    source->since_wall_us = clock_wall_us();
    return source;
}

/* Takes the reference. False: it is what it was, and as fresh: an answer counts for more than a
 * cache that held the same. */
static bool source_publish(struct discovery_source *source, struct config_found *found,
                           bool from_cache)
{
    struct source_context *context = source->context;
    struct config_found *before = source->found, *filled_before = NULL;
    bool changed =
        before == NULL || source->from_cache != from_cache || !config_found_equal(before, found);

    pthread_mutex_lock(&context->lock);
    source->found = found;
    source->from_cache = from_cache;
    if (config_found_count(found) > 0) {
        filled_before = source->filled;
        source->filled = config_found_ref(found);
    }
    pthread_mutex_unlock(&context->lock);
    config_found_unref(&before);
    config_found_unref(&filled_before);
    if (changed)
        context->on_changed(context->arg);
    return changed;
}

static void source_load_cache(struct discovery_source *source)
{
    json_t *endpoints =
        source_cache_load(source->cache, SOURCE_CACHE_TIMES * source->block->max_bytes);
    struct config_refused refused;

    if (endpoints == NULL)
        return;
    source_publish(source, config_found_new(endpoints, NULL, &refused), true);
    config_refused_fini(&refused); /* it holds what was not refused then */
    json_decref(endpoints);
}

void source_start(struct discovery_source *source, const struct discovery_provider *provider)
{
    const struct discovery_context context = {
        .loop = source->context->loop,
        .resolver = source->context->resolver,
        .config = source->block,
        .place = source->config->place,
    };

    source->started = true;
    if (source->block->cache != NULL) {
        source->cache = source_cache_new(context.loop, source->block->cache);
        source_load_cache(source);
    }
    source->provider = provider;
    if (provider == NULL)
        loop_soon(context.loop, &source->absent);
    else
        source->watch = provider->start(source, &context);
}

void source_serve(struct discovery_source *source)
{
    if (source->watch != NULL && source->provider->serve != NULL)
        source->provider->serve(source->watch);
}

void source_leave(struct discovery_source *source)
{
    if (source->watch != NULL && source->provider->leave != NULL)
        source->provider->leave(source->watch);
}

bool source_is_leaving(const struct discovery_source *source)
{
    return source->watch != NULL && source->provider->is_leaving != NULL &&
           source->provider->is_leaving(source->watch);
}

void source_stop(struct discovery_source *source)
{
    loop_task_cancel(&source->absent);
    if (source->watch != NULL)
        source->provider->stop(source->watch);
    source->watch = NULL;
    source_cache_free(&source->cache);
}

void source_free(struct discovery_source *source)
{
    CHECK(source->watch == NULL && source->cache == NULL);
    source_forget_pools_locked(source); /* nobody else has it any more */
    free(source->pools);
    config_found_unref(&source->found);
    config_found_unref(&source->filled);
    config_refused_fini(&source->refused);
    config_refused_fini(&source->premature);
    config_unref(&source->config);
    free(source->title);
    free(source);
}

/* ---- what it fills ---- */

void source_forget_pools_locked(struct discovery_source *source)
{
    for (size_t i = 0; i < source->pool_count; i++)
        free(source->pools[i]);
    source->pool_count = source->allowing = 0;
}

void source_add_pool_locked(struct discovery_source *source, const char *name, bool allow_empty)
{
    for (size_t i = 0; i < source->pool_count; i++) {
        if (strcmp(source->pools[i], name) == 0)
            return; /* of a candidate: what is served counts */
    }
    source->pools = xrealloc(source->pools, (source->pool_count + 1) * sizeof(*source->pools));
    source->pools[source->pool_count++] = xstrdup(name);
    source->allowing += allow_empty;
}

/* ---- states ---- */

/* Returns how long it had been in the state that it leaves. */
static uint64_t source_enter_locked(struct discovery_source *source, enum source_state state)
{
    uint64_t wall_us = clock_wall_us();
    uint64_t was_us = wall_us > source->since_wall_us ? wall_us - source->since_wall_us : 0;

    source->state = state;
    source->since_wall_us = wall_us;
    return was_us;
}

/* Hooks last: what they tell has happened by then. */
static void source_settle(struct discovery_source *source)
{
    struct source_context *context = source->context;
    bool first;

    pthread_mutex_lock(&context->lock);
    first = !source->settled;
    source->settled = true;
    pthread_mutex_unlock(&context->lock);
    if (first)
        context->on_settled(context->arg);
}

/* It was answered, and so its set is fresh. `well`: the row of failures is over too. */
static void source_answered(struct discovery_source *source, bool well)
{
    enum source_state from = source->state;
    uint64_t was_us = 0;

    pthread_mutex_lock(&source->context->lock);
    source->syncs++;
    source->synced_wall_us = clock_wall_us();
    if (well)
        source->next_try_us = 0;
    if (well && from != SOURCE_SYNCED)
        was_us = source_enter_locked(source, SOURCE_SYNCED);
    pthread_mutex_unlock(&source->context->lock);
    if (!well)
        return;
    backoff_reset(&source->backoff);
    if (from == SOURCE_FAILING)
        source_tell_back(source, from, was_us);
}

/* ---- what the provider says ---- */

static void source_add_refused(struct config_refused *refused, char *reason)
{
    refused->count++;
    if (refused->reason_count < CONFIG_FOUND_REASONS)
        refused->reasons[refused->reason_count++] = reason;
    else
        free(reason);
}

void source_refused(struct discovery_source *source, const char *format, ...)
{
    va_list args;
    char reason[SOURCE_ERROR_BYTES];

    va_start(args, format);
    source_text(reason, format, args);
    va_end(args);
    source_add_refused(&source->premature, xstrdup(reason));
}

/* What the provider could not say comes first, then what config/ refused. */
static void source_take_refused(struct discovery_source *source, struct config_refused *later)
{
    struct config_refused whole = source->premature, before;

    source->premature = (struct config_refused){0};
    for (unsigned i = 0; i < later->reason_count; i++) {
        source_add_refused(&whole, xstrdup(later->reasons[i]));
        whole.count--;
    }
    whole.count += later->count;
    config_refused_fini(later);
    pthread_mutex_lock(&source->context->lock);
    before = source->refused;
    source->refused = whole;
    source->refusals += whole.count;
    pthread_mutex_unlock(&source->context->lock);
    config_refused_fini(&before);
}

/* An empty set is only worth keeping where every pool allows it: else a restart would begin with
 * less than they had. */
static void source_keep(struct discovery_source *source)
{
    bool allowed;

    if (source->cache == NULL)
        return;
    pthread_mutex_lock(&source->context->lock);
    allowed = source->allowing == source->pool_count;
    pthread_mutex_unlock(&source->context->lock);
    if (allowed || config_found_count(source->found) > 0)
        source_cache_store(source->cache, source->found);
}

static void source_take(struct discovery_source *source, json_t *endpoints, bool well)
{
    struct config_refused refused;
    struct config_found *found = config_found_new(endpoints, source->filled, &refused);
    size_t kept = source->found != NULL ? config_found_count(source->found) : 0;
    bool had_refused = source->refused.count > 0, was_empty = source->empty, changed = false;

    json_decref(endpoints);
    source_take_refused(source, &refused);
    source->empty = config_found_count(found) == 0 && source->refused.count == 0;
    /* An answer in which nothing can be used does not say that there are none: what was known
     * stands, even where pools may be empty. */
    if (config_found_count(found) > 0 || source->empty)
        changed = source_publish(source, found, false);
    else
        config_found_unref(&found);
    source_answered(source, well);
    if (changed)
        source_keep(source);
    if (source->empty && !was_empty)
        source_tell_empty(source, kept);
    if (source->refused.count > 0 && !had_refused)
        source_tell_refused(source);
    source_settle(source);
}

void source_found(struct discovery_source *source, json_t *endpoints)
{
    source_take(source, endpoints, true);
}

void source_found_while_failing(struct discovery_source *source, json_t *endpoints)
{
    CHECK(source->state == SOURCE_FAILING);
    source_take(source, endpoints, false);
}

void source_unchanged(struct discovery_source *source)
{
    source_answered(source, true);
    source_settle(source);
}

uint64_t source_failed(struct discovery_source *source, const char *format, ...)
{
    enum source_state from = source->state;
    uint64_t delay_ms = backoff_next_ms(&source->backoff), was_us = 0;
    char text[SOURCE_ERROR_BYTES];
    va_list args;

    va_start(args, format);
    source_text(text, format, args);
    va_end(args);
    config_refused_fini(&source->premature); /* of an answer that is not one */
    source->premature = (struct config_refused){0};
    pthread_mutex_lock(&source->context->lock);
    snprintf(source->last_error, sizeof(source->last_error), "%s", text);
    source->failures++;
    source->failed_wall_us = clock_wall_us();
    source->next_try_us = clock_monotonic_us() + delay_ms * 1000;
    if (from != SOURCE_FAILING)
        was_us = source_enter_locked(source, SOURCE_FAILING);
    pthread_mutex_unlock(&source->context->lock);
    if (from != SOURCE_FAILING)
        source_tell_lost(source, from, was_us, delay_ms);
    source_settle(source);
    return delay_ms;
}
