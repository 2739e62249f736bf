/*
 * Waiting for a connection: what happens when a pool, or every endpoint that could serve, is at its
 * limit.
 *
 *   exchange_try ─ EG_E_OVERLOAD ─► enter ─► (a place is free) ─► dispatch ─► attempt
 *                                     ├─► pool.pending_timeout ─► 503
 *                                     └─► the client leaves: dropped, no backend hears of it
 *
 * Each worker has a queue of its own, which belongs to its thread. Who enters one draws a ticket; a
 * place that becomes free is offered to the queue whose first ticket is the oldest. The limit on
 * waiting ones (max_pending) is over all workers.
 *
 * No wake is lost: who enters shows its ticket first and tries once more then; who frees a place
 * lowers `active` first and looks at the tickets then (both sequentially consistent). So one of the
 * two sees the other. A queue that is woken and leaves the place to others (those who waited have
 * left, or had that endpoint already) wakes the one with the next ticket: each later than the last,
 * so that this comes to an end.
 */
#include "base/check.h"
#include "proxy/exchange_internal.h"

enum { OVERLOAD_EVENT_US = 10 * 1000000 }; /* as long as it goes on, it is one event */

static struct pool_queue *queue_of(const struct exchange *x)
{
    return &x->runtime->seats[x->worker->index].queue;
}

bool exchange_queue_is_busy(const struct exchange *x)
{
    return !list_empty(&queue_of(x)->waiting);
}

/* The first of `waiting` is another one. */
static void show_ticket(struct pool_queue *queue)
{
    uint64_t ticket = 0;

    if (!list_empty(&queue->waiting))
        ticket = container_of(queue->waiting.next, struct exchange, queue_node)->queue_ticket;
    atomic_store(&queue->first_ticket, ticket);
}

static void tell_overload(struct exchange *x, int code)
{
    struct pool_runtime *runtime = x->runtime;
    uint64_t now_us = x->worker->loop.now_us;
    uint64_t last_us = atomic_exchange(&runtime->overload_us, now_us);

    /* The last one's worker may be ahead of this one. */
    if (last_us != 0 && now_us < last_us + OVERLOAD_EVENT_US)
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
    x->queue_ticket = atomic_fetch_add(&runtime->tickets, 1) + 1;
    list_push_back(&queue->waiting, &x->queue_node);
    show_ticket(queue);
    loop_timer_set(&x->worker->loop, &x->wait_timer, x->pool_config->pending_timeout_ms);
    loop_soon(&x->worker->loop, &queue->dispatch);
}

void exchange_queue_leave(struct exchange *x)
{
    struct pool_queue *queue = queue_of(x);

    list_remove(&x->queue_node);
    show_ticket(queue);
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

/* Whose first ticket is the oldest of those after `ticket`; NULL: nobody's. */
static struct pool_queue *queue_after(struct pool_runtime *runtime, uint64_t ticket)
{
    struct pool_queue *next = NULL;
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct pool_queue *queue = &runtime->seats[i].queue;
        uint64_t first = atomic_load(&queue->first_ticket);

        if (first > ticket && first < oldest) {
            oldest = first;
            next = queue;
        }
    }
    return next;
}

static void on_wake(void *arg)
{
    struct pool_queue *queue = arg;

    atomic_store(&queue->woken, false);
    exchange_queue_on_dispatch(&queue->dispatch);
}

/* Offers a place that may be free, from `worker`'s thread; NULL: from another one. */
static void wake(struct pool_queue *queue, struct worker *worker)
{
    if (queue == NULL)
        return;
    if (queue->worker == worker)
        loop_soon(&worker->loop, &queue->dispatch);
    else if (!atomic_exchange(&queue->woken, true))
        loop_post(&queue->worker->loop, on_wake, queue);
}

/* False: there is no room, for whoever comes behind it neither. (Who has had endpoints already may
 * find room only at those, which others can use.) */
static bool serve(struct exchange *x)
{
    int error = EG_E_NO_ENDPOINT;
    struct endpoint *endpoint = exchange_pick(x, &error);

    if (endpoint == NULL && error == EG_E_OVERLOAD)
        return x->tried.count > 0;
    exchange_queue_leave(x);
    if (endpoint != NULL)
        exchange_attempt_start(x, endpoint, false);
    else
        exchange_fail(x, error);
    return true;
}

void exchange_queue_on_dispatch(struct loop_task *task)
{
    struct pool_queue *queue = container_of(task, struct pool_queue, dispatch);

    list_for_each_safe(node, next, &queue->waiting)
    {
        if (!serve(container_of(node, struct exchange, queue_node)))
            return;
    }
    wake(queue_after(queue->runtime, atomic_load(&queue->first_ticket)), queue->worker);
}

void exchange_queue_kick(struct pool_runtime *runtime, struct worker *worker)
{
    if (atomic_load(&runtime->pending) > 0)
        wake(queue_after(runtime, 0), worker);
}
