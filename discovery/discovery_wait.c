/*
 * Waiting until every source has answered, or failed, once: with a thread that blocks (at start),
 * or with a call when it is so (a reload).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "discovery/discovery_internal.h"

struct discovery_awaited {
    struct discovery *discovery;
    uint64_t until_us; /* monotonic */
    void (*then)(void *arg);
    void *arg;
};

static bool all_settled_locked(const struct discovery *discovery)
{
    list_for_each(node, &discovery->sources)
    {
        if (!source_of(node)->settled)
            return false;
    }
    return true;
}

static bool all_settled(struct discovery *discovery)
{
    bool all;

    pthread_mutex_lock(&discovery->context.lock);
    all = all_settled_locked(discovery);
    pthread_mutex_unlock(&discovery->context.lock);
    return all;
}

void discovery_await_end(struct discovery *discovery)
{
    struct discovery_awaited *awaited = discovery->awaited;

    discovery->awaited = NULL;
    loop_timer_cancel(&discovery->await_timer);
    if (awaited == NULL)
        return;
    awaited->then(awaited->arg);
    free(awaited);
}

static void on_await_timer(struct loop_timer *timer)
{
    discovery_await_end(container_of(timer, struct discovery, await_timer));
}

static void on_await_check(struct loop_task *task)
{
    struct discovery *discovery = container_of(task, struct discovery, await_check);

    if (discovery->awaited != NULL && all_settled(discovery))
        discovery_await_end(discovery);
}

/* Not at once: a source is on the stack, and `then` is the server's. */
void discovery_await_look(struct discovery *discovery)
{
    pthread_mutex_lock(&discovery->context.lock);
    pthread_cond_broadcast(&discovery->settled);
    pthread_mutex_unlock(&discovery->context.lock);
    if (discovery->awaited != NULL)
        loop_soon(&discovery->loop, &discovery->await_check);
}

static void on_await(void *arg)
{
    struct discovery_awaited *awaited = arg;
    struct discovery *discovery = awaited->discovery;
    uint64_t now_us = discovery->loop.now_us;

    discovery_await_end(discovery);
    discovery->awaited = awaited;
    if (discovery->ending || all_settled(discovery) || awaited->until_us <= now_us)
        discovery_await_end(discovery);
    else
        loop_timer_set(&discovery->loop, &discovery->await_timer,
                       (awaited->until_us - now_us + 999) / 1000);
}

void discovery_await_init(struct discovery *discovery)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&discovery->settled, &attributes);
    pthread_condattr_destroy(&attributes);
    loop_timer_init(&discovery->await_timer, on_await_timer);
    loop_task_init(&discovery->await_check, on_await_check);
}

void discovery_await(struct discovery *discovery, uint64_t at_most_ms, void (*then)(void *arg),
                     void *arg)
{
    struct discovery_awaited *awaited = xmalloc(sizeof(*awaited));

    *awaited = (struct discovery_awaited){.discovery = discovery,
                                          .until_us = clock_monotonic_us() + at_most_ms * 1000,
                                          .then = then,
                                          .arg = arg};
    loop_post(&discovery->loop, on_await, awaited);
}

void discovery_wait(struct discovery *discovery, uint64_t at_most_ms)
{
    uint64_t until_us = clock_monotonic_us() + at_most_ms * 1000;
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                             .tv_nsec = (long)(until_us % 1000000 * 1000)};
    int rc = 0;

    pthread_mutex_lock(&discovery->context.lock);
    while (rc != ETIMEDOUT && !all_settled_locked(discovery))
        rc = pthread_cond_timedwait(&discovery->settled, &discovery->context.lock, &until);
    pthread_mutex_unlock(&discovery->context.lock);
}
