/*
 * Waiting for a connection: what happens when a pool, or every endpoint that could serve, is at its
 * limit.
 *
 *   exchange_try ─ EG_E_OVERLOAD ─► enter ─► (a place is free) ─► dispatch ─► attempt
 *                                     ├─► pool.pending_timeout ─► 503
 *                                     └─► the client leaves: dropped, no backend hears of it
 *
 * A worker's queue is first come, first served, and belongs to its thread. A place that becomes
 * free goes to the own queue first, else some other worker that has somebody waiting is woken. The
 * limit on waiting ones (max_pending) is over all workers.
 *
 * No wake is lost: who enters counts itself first and tries once more then; who frees a place
 * lowers `active` first and looks at the count then (both sequentially consistent). So one of the
 * two sees the other.
 */
#include "base/check.h"
#include "proxy/exchange_internal.h"

enum { OVERLOAD_EVENT_US = 10 * 1000000 }; /* as long as it goes on, it is one event */

static struct pool_queue *queue_of(const struct exchange *x)
{
    return &x->runtime->queues[x->worker->index];
}

bool exchange_queue_is_busy(const struct exchange *x)
{
    return !list_empty(&queue_of(x)->waiting);
}

static void tell_overload(struct exchange *x, int code)
{
    struct pool_runtime *runtime = x->runtime;
    uint64_t now_us = x->worker->loop.now_us;
    uint64_t last_us = atomic_exchange(&runtime->overload_us, now_us);

    if (last_us != 0 && now_us - last_us < OVERLOAD_EVENT_US)
        return;
    health_tell(runtime->health, NULL, EVENT_OVERLOAD, EVENT_WARN, "serving", "refusing",
                error_text(code), "requests over the limits get 503 until connections are free");
}

static void refuse(struct exchange *x, int code)
{
    tell_overload(x, code);
    exchange_fail(x, code);
}

void exchange_queue_enter(struct exchange *x)
{
    struct pool_queue *queue = queue_of(x);
    struct pool_runtime *runtime = x->runtime;

    CHECK(x->waiting == EXCHANGE_WAITS_FOR_NOTHING);
    if (atomic_fetch_add(&runtime->pending, 1) >= x->pool_config->max_pending) {
        atomic_fetch_sub(&runtime->pending, 1);
        refuse(x, x->pool_config->max_pending > 0 ? EG_E_PENDING_FULL : EG_E_OVERLOAD);
        return;
    }
    x->waiting = EXCHANGE_WAITS_IN_QUEUE;
    atomic_fetch_add(&queue->count, 1);
    list_push_back(&queue->waiting, &x->queue_node);
    loop_timer_set(&x->worker->loop, &x->wait_timer, x->pool_config->pending_timeout_ms);
    loop_soon(&x->worker->loop, &queue->dispatch);
}

void exchange_queue_leave(struct exchange *x)
{
    struct pool_queue *queue = queue_of(x);

    list_remove(&x->queue_node);
    atomic_fetch_sub(&queue->count, 1);
    atomic_fetch_sub(&x->runtime->pending, 1);
    x->waiting = EXCHANGE_WAITS_FOR_NOTHING;
    loop_timer_cancel(&x->wait_timer);
}

void exchange_queue_timed_out(struct exchange *x)
{
    exchange_queue_leave(x);
    stat_add(&x->worker->stats.pending_timeouts, 1);
    refuse(x, EG_E_PENDING_TIMEOUT);
}

void exchange_queue_on_dispatch(struct loop_task *task)
{
    struct pool_queue *queue = container_of(task, struct pool_queue, dispatch);

    while (!list_empty(&queue->waiting)) {
        struct exchange *x = container_of(queue->waiting.next, struct exchange, queue_node);
        int error = EG_E_NO_ENDPOINT;
        struct endpoint *endpoint = exchange_pick(x, &error);

        if (endpoint == NULL && error == EG_E_OVERLOAD)
            return;
        exchange_queue_leave(x);
        if (endpoint != NULL)
            exchange_attempt_start(x, endpoint, false);
        else
            exchange_fail(x, error);
    }
}

static void on_wake(void *arg)
{
    struct pool_queue *queue = arg;

    atomic_store(&queue->woken, false);
    exchange_queue_on_dispatch(&queue->dispatch);
}

/* From the next worker on, so that none is always the last. */
static void wake_another(struct pool_runtime *runtime, unsigned own)
{
    for (unsigned i = 1; i < runtime->worker_count; i++) {
        struct pool_queue *queue = &runtime->queues[(own + i) % runtime->worker_count];

        if (atomic_load(&queue->count) == 0 || atomic_exchange(&queue->woken, true))
            continue;
        loop_post(&queue->worker->loop, on_wake, queue);
        return;
    }
}

void exchange_queue_kick(struct pool_runtime *runtime, struct worker *worker)
{
    struct pool_queue *own = &runtime->queues[worker->index];

    if (atomic_load(&runtime->pending) == 0)
        return;
    if (!list_empty(&own->waiting))
        loop_soon(&worker->loop, &own->dispatch);
    else
        wake_another(runtime, worker->index);
}
