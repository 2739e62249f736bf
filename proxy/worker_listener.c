/* See worker_listener.h. */
#include "proxy/worker_listener.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/front_http1.h"
#include "proxy/worker.h"

enum { RETIRE_TICKS = 25 }; /* of the loop: half a second for what keeps coming */

static void on_retire_timer(struct loop_timer *timer);

static int accept_on(struct worker_listener *listener, const int *fds, size_t count)
{
    int rc = EG_OK;

    for (size_t i = 0; i < count; i++) {
        if (rc != EG_OK)
            close(fds[i]);
        else if (i == 0)
            rc = front_http1_listen(listener, fds[i]);
        else
            rc = front_http1_listen_also(listener, fds[i]);
    }
    return rc;
}

struct worker_listener *worker_listener_new(struct worker *worker, struct shared_listener *shared,
                                            struct config *snapshot,
                                            const struct config_listener *config,
                                            struct tls_context *tls, const int *listen_fds,
                                            size_t count)
{
    struct worker_listener *listener = xcalloc(1, sizeof(*listener));

    listener->refs = 1;
    listener->worker = worker;
    listener->shared = shared_listener_ref(shared);
    listener->snapshot = config_ref(snapshot);
    listener->config = config;
    listener->tls = tls;
    listener->reserve_fd = -1;
    list_init(&listener->node);
    loop_timer_init(&listener->retire_timer, on_retire_timer);
    if (accept_on(listener, listen_fds, count) != EG_OK) {
        worker_listener_unref(listener);
        return NULL;
    }
    list_push_back(&worker->listeners, &listener->node);
    return listener;
}

struct worker_listener *worker_listener_find(struct worker *worker,
                                             const struct shared_listener *shared)
{
    list_for_each(node, &worker->listeners)
    {
        struct worker_listener *listener = container_of(node, struct worker_listener, node);

        if (listener->shared == shared)
            return listener;
    }
    return NULL;
}

void worker_listener_move(struct worker_listener *listener, struct config *snapshot,
                          const struct config_listener *config)
{
    struct config *old = listener->snapshot;

    listener->snapshot = config_ref(snapshot);
    listener->config = config;
    config_unref(&old);
}

void worker_listener_change(struct worker_listener *listener, struct config *snapshot,
                            const struct config_listener *config, struct tls_context *tls)
{
    worker_listener_move(listener, snapshot, config);
    tls_context_free(listener->tls);
    listener->tls = tls;
}

/* ---- The end ---- */

static void leave_list(struct worker_listener *listener)
{
    struct worker *worker = listener->worker;

    list_remove(&listener->node);
    worker_listener_unref(listener);
    worker_note_gone(worker);
}

/*
 * A socket that closes resets the connections that the kernel has queued for it. So those are
 * accepted first: for as long as there are any, within reason. What comes between the last look and
 * the close is still lost; a listener whose address is given up has no better answer.
 */
static void retire_look(struct worker_listener *listener)
{
    if (front_http1_has_pending(listener) && listener->retire_ticks++ < RETIRE_TICKS) {
        loop_timer_set(&listener->worker->loop, &listener->retire_timer, LOOP_TICK_MS);
        return;
    }
    front_http1_stop_accepting(listener);
    leave_list(listener);
}

static void on_retire_timer(struct loop_timer *timer)
{
    retire_look(container_of(timer, struct worker_listener, retire_timer));
}

void worker_listener_retire(struct worker_listener *listener)
{
    CHECK(!listener->retired);
    listener->retired = true;
    list_remove(&listener->node);
    list_push_back(&listener->worker->retiring, &listener->node);
    retire_look(listener);
}

static void free_list(struct list *list)
{
    list_for_each_safe(node, next, list)
    {
        struct worker_listener *listener = container_of(node, struct worker_listener, node);

        CHECK(listener->refs == 1);
        leave_list(listener);
    }
}

void worker_listener_free_all(struct worker *worker)
{
    free_list(&worker->listeners);
    free_list(&worker->retiring);
}

struct worker_listener *worker_listener_ref(struct worker_listener *listener)
{
    CHECK(listener->refs > 0);
    listener->refs++;
    return listener;
}

void worker_listener_unref(struct worker_listener *listener)
{
    CHECK(listener->refs > 0);
    if (--listener->refs > 0)
        return;
    loop_timer_cancel(&listener->retire_timer);
    front_http1_unlisten(listener);
    tls_context_free(listener->tls);
    config_unref(&listener->snapshot);
    shared_listener_unref(listener->shared);
    free(listener);
}
