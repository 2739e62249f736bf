/*
 * Stalls: an endpoint that holds requests and answers none of them.
 *
 * Each attempt waits in its endpoint's list, the oldest first, from the end of its request (before,
 * it may be the client who is slow) to its answer's head. While anybody waits, the cluster looks at
 * the heads of these lists once per tick of the loop: no timer per request. An endpoint has stalled
 * when neither this worker's oldest request nor anybody else's (health_answered_us is over all
 * workers) was answered for so long as health allows; or when active checks have found it
 * unhealthy.
 *
 *   attempt ─ enter ─► endpoint->waiting ─ leave ─►        endpoint ─► cluster->holding
 *                                                          (while its list is not empty)
 */
#include "health/health.h"
#include "upstream/upstream_internal.h"

enum { STALL_LOOK_MS = LOOP_TICK_MS };

void upstream_stall_enter(struct upstream_attempt *a)
{
    struct upstream_cluster *cluster = a->cluster;
    struct upstream_endpoint *endpoint = upstream_cluster_find(cluster, a->endpoint);

    a->asked_us = cluster->loop->now_us;
    if (cluster->health == NULL || a->answered)
        return;
    if (endpoint->waiting_count++ == 0)
        list_push_back(&cluster->holding, &endpoint->holding_node);
    list_push_back(&endpoint->waiting, &a->waiting_node);
    a->waiting = true;
    if (!cluster->stall_armed) {
        cluster->stall_armed = true;
        loop_timer_set(cluster->loop, &cluster->stall_timer, STALL_LOOK_MS);
    }
}

void upstream_stall_leave(struct upstream_attempt *a)
{
    struct upstream_endpoint *endpoint;

    if (!a->waiting)
        return;
    a->waiting = false;
    endpoint = upstream_cluster_find(a->cluster, a->endpoint);
    list_remove(&a->waiting_node);
    if (--endpoint->waiting_count == 0)
        list_remove(&endpoint->holding_node);
}

/* Those who wait longer than they should hear of it, again at each look until they leave: the
 * caller may not be able to do something about it at once. It may start other attempts and end
 * other ones from within, so each look begins at the front again. */
static void tell_waiting(struct upstream_endpoint *endpoint, uint64_t limit_us, uint64_t now_us)
{
    struct list told;

    list_init(&told);
    while (!list_empty(&endpoint->waiting)) {
        struct upstream_attempt *a =
            container_of(endpoint->waiting.next, struct upstream_attempt, waiting_node);

        if (now_us - a->asked_us <= limit_us)
            break;
        list_remove(&a->waiting_node);
        list_push_back(&told, &a->waiting_node);
        if (a->ops->on_stalled != NULL)
            a->ops->on_stalled(a);
    }
    list_splice(&told, &endpoint->waiting);
    list_splice(&endpoint->waiting, &told);
}

static void look_at(struct upstream_cluster *cluster, struct upstream_endpoint *endpoint)
{
    uint64_t now_us = cluster->loop->now_us, since_us, answered_us, limit_us;
    struct upstream_attempt *oldest =
        container_of(endpoint->waiting.next, struct upstream_attempt, waiting_node);
    struct endpoint *shared = oldest->endpoint;

    limit_us = health_stall_limit_us(cluster->health, shared);
    if (limit_us == 0)
        return;
    /* Checks have found it dead meanwhile: what it still holds need not find out for itself. */
    if (atomic_load_explicit(&shared->status, memory_order_relaxed) == ENDPOINT_UNHEALTHY) {
        tell_waiting(endpoint, cluster->config->outlier.stall_min_ms * 1000, now_us);
        return;
    }
    answered_us = health_answered_us(cluster->health, shared);
    since_us = answered_us > oldest->asked_us ? answered_us : oldest->asked_us;
    if (now_us <= since_us || now_us - since_us <= limit_us)
        return;
    health_stalled(cluster->health, shared, oldest->asked_us, now_us);
    tell_waiting(endpoint, limit_us, now_us);
}

/* A callback may make endpoints join the list (at its end) or leave it; each is seen once. */
void upstream_stall_on_timer(struct loop_timer *timer)
{
    struct upstream_cluster *cluster = container_of(timer, struct upstream_cluster, stall_timer);
    struct list seen;

    list_init(&seen);
    while (!list_empty(&cluster->holding)) {
        struct upstream_endpoint *endpoint =
            container_of(cluster->holding.next, struct upstream_endpoint, holding_node);

        list_remove(&endpoint->holding_node);
        list_push_back(&seen, &endpoint->holding_node);
        look_at(cluster, endpoint);
    }
    list_splice(&cluster->holding, &seen);
    cluster->stall_armed = !list_empty(&cluster->holding);
    if (cluster->stall_armed)
        loop_timer_set(cluster->loop, timer, STALL_LOOK_MS);
}
