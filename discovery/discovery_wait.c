/* Waiting until every source has answered, or failed, once. */
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

static bool all_settled(struct discovery *discovery)
{
    bool all = true;

    pthread_mutex_lock(&discovery->context.lock);
    list_for_each(node, &discovery->sources) all = all && source_of(node)->settled;
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
