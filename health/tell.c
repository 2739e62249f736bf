/*
 * Events on their way from under a pool's mutex to the ring. They are queued, because handing them
 * on writes to the log, and a worker that reports an outcome must not wait for that.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "health/events_internal.h"
#include "health/health_internal.h"

static void tell_queue_locked(struct health_pool *pool, const struct record *r,
                              struct health_event *event)
{
    snprintf(event->pool, sizeof(event->pool), "%s", pool->name);
    if (r != NULL) {
        snprintf(event->endpoint, sizeof(event->endpoint), "%s", r->endpoint->id);
        snprintf(event->address, sizeof(event->address), "%s", r->endpoint->address);
    }
    if (pool->pending_count == HEALTH_PENDING_EVENTS) {
        pool->pending_lost++;
        return;
    }
    if (pool->pending_count == pool->pending_room) {
        pool->pending_room = pool->pending_room == 0 ? 4 : pool->pending_room * 2;
        pool->pending = xrealloc(pool->pending, pool->pending_room * sizeof(*pool->pending));
    }
    pool->pending[pool->pending_count++] = *event;
}

void tell_locked(struct health_pool *pool, const struct record *r, struct health_event *event)
{
    if (r == NULL || !r->leaving)
        tell_queue_locked(pool, r, event);
}

void tell_gone_locked(struct health_pool *pool, const struct record *r)
{
    struct health_event event = {
        .type = EVENT_ENDPOINT,
        .severity = EVENT_INFO,
        .from = "draining",
        .to = "gone",
        .why = "its last request has ended",
        .was_us = pool->now_us - r->status_since_us,
    };

    tell_queue_locked(pool, r, &event);
}

static void tell_lost(struct health_pool *pool, unsigned lost, uint64_t now_us)
{
    struct health_event event = {.type = EVENT_HEALTH, .severity = EVENT_WARN};

    snprintf(event.pool, sizeof(event.pool), "%s", pool->name);
    snprintf(event.why, sizeof(event.why), "%u changes came too fast to be told", lost);
    events_add_at(pool->health->events, &event, clock_wall_us(), now_us);
}

void tell_pending(struct health_pool *pool, uint64_t now_us)
{
    struct health_event *pending;
    unsigned count, lost;

    pthread_mutex_lock(&pool->telling);
    pthread_mutex_lock(&pool->mutex);
    pending = pool->pending;
    count = pool->pending_count;
    lost = pool->pending_lost;
    pool->pending = NULL;
    pool->pending_count = pool->pending_room = pool->pending_lost = 0;
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < count; i++)
        events_add_at(pool->health->events, &pending[i], clock_wall_us(), now_us);
    if (lost > 0)
        tell_lost(pool, lost, now_us);
    pthread_mutex_unlock(&pool->telling);
    free(pending);
}

static void event_fill(struct health_event *event, const char *from, const char *to,
                       const char *why, const char *next)
{
    snprintf(event->from, sizeof(event->from), "%s", from != NULL ? from : "");
    snprintf(event->to, sizeof(event->to), "%s", to != NULL ? to : "");
    snprintf(event->why, sizeof(event->why), "%s", why != NULL ? why : "");
    snprintf(event->next, sizeof(event->next), "%s", next != NULL ? next : "");
}

void health_tell_process(struct health *health, enum event_type type, enum event_severity severity,
                         const char *from, const char *to, const char *why, const char *next)
{
    struct health_event event = {.type = type, .severity = severity};

    event_fill(&event, from, to, why, next);
    events_add(health->events, &event);
}

void health_tell(struct health_pool *pool, const struct endpoint *endpoint, enum event_type type,
                 enum event_severity severity, const char *from, const char *to, const char *why,
                 const char *next)
{
    struct health_event event = {.type = type, .severity = severity};

    snprintf(event.pool, sizeof(event.pool), "%s", pool->name);
    if (endpoint != NULL) {
        snprintf(event.endpoint, sizeof(event.endpoint), "%s", endpoint->id);
        snprintf(event.address, sizeof(event.address), "%s", endpoint->address);
    }
    event_fill(&event, from, to, why, next);
    events_add(pool->health->events, &event);
}
