/*
 * A worker: a thread, its loop and what runs on it. See worker.h.
 *
 * Life of a worker (threads in brackets):
 *
 *   worker_init [control] ─► worker_start [control] ─► loop_run [worker]
 *        worker_drain [any] ─► on_drain [worker] ─► ... ─► worker_connections_gone [worker]
 *        worker_stop [control] ─► on_stop [worker], joined ─► worker_fini [control]
 *
 * Nobody touches a running worker from outside but by loop_post and by reading its counters.
 */
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/timestamp.h"
#include "proxy/front_http1.h"
#include "proxy/server.h"
#include "proxy/worker_internal.h"

static uint64_t rotate_left(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

/* xoroshiro128+ (Blackman and Vigna, 2018): two words of state, a few instructions. */
uint64_t worker_random(struct worker *worker)
{
    uint64_t a = worker->random_state[0], b = worker->random_state[1];
    uint64_t result = a + b;

    b ^= a;
    worker->random_state[0] = rotate_left(a, 24) ^ b ^ (b << 16);
    worker->random_state[1] = rotate_left(b, 37);
    return result;
}

static void random_seed(struct worker *worker)
{
    if (getrandom(worker->random_state, sizeof(worker->random_state), 0) !=
        (ssize_t)sizeof(worker->random_state))
        worker->random_state[0] = clock_wall_us() ^ ((uint64_t)worker->index << 48);
    worker->random_state[1] |= 1; /* all zeroes would stay zeroes */
}

struct slice worker_date(struct worker *worker)
{
    struct timespec ts;

    /* The coarse clock is a read of shared memory; its 4 ms do not show in a date of seconds. */
    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    if ((uint64_t)ts.tv_sec != worker->date_s) {
        worker->date_s = (uint64_t)ts.tv_sec;
        timestamp_http(worker->date, worker->date_s);
    }
    return slice_from(worker->date, TIMESTAMP_HTTP_BYTES);
}

/* Listens from each descriptor in turn; those after a failure are closed, for all are ours. */
static int listen_all(struct worker *worker, const int *listen_fds, size_t count, char **ret_why)
{
    int rc = EG_OK;

    for (size_t i = 0; i < count; i++) {
        if (rc != EG_OK) {
            close(listen_fds[i]);
            continue;
        }
        rc = front_http1_listen(&worker->view->listeners[i], listen_fds[i]);
        if (rc != EG_OK)
            *ret_why = xasprintf("listener \"%s\": cannot accept connections",
                                 worker->view->listeners[i].config->name);
    }
    return rc;
}

int worker_listen_also(struct worker *worker, size_t listener, int listen_fd)
{
    CHECK(!worker->running);
    return front_http1_listen_also(&worker->view->listeners[listener], listen_fd);
}

static void unlisten_all(struct worker *worker)
{
    for (size_t i = 0; i < worker->view->config->listener_count; i++)
        if (worker->view->listeners[i].nursery)
            front_http1_unlisten(&worker->view->listeners[i]);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

int worker_init(struct worker *worker, struct server *server, unsigned index, const int *listen_fds,
                char **ret_why)
{
    size_t listeners = server->config->listener_count;
    int rc;

    worker->server = server;
    worker->index = index;
    worker->access_log = server->access_log ? access_log_ring(server->access_log, index) : NULL;
    list_init(&worker->connections);
    random_seed(worker);
    rc = loop_init(&worker->loop);
    if (rc != EG_OK) {
        close_all(listen_fds, listeners);
        *ret_why = xasprintf("worker %u: cannot set up its event loop", index);
        return rc;
    }
    rc = worker_view_new(&worker->view, worker, server->config, server->runtimes,
                         server->listener_connections, ret_why);
    if (rc != EG_OK) {
        close_all(listen_fds, listeners);
        loop_fini(&worker->loop);
        return rc;
    }
    rc = listen_all(worker, listen_fds, listeners, ret_why);
    if (rc != EG_OK)
        worker_fini(worker);
    return rc;
}

/* What was closed is reaped when a turn ends, and what that releases in the turn after it. */
static void settle(struct worker *worker)
{
    for (int turn = 0; turn < 3; turn++) {
        loop_enter(&worker->loop);
        loop_leave(&worker->loop);
    }
}

void worker_fini(struct worker *worker)
{
    unlisten_all(worker);
    worker_view_unref(worker->view);
    worker->view = NULL;
    settle(worker);
    loop_fini(&worker->loop);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    loop_run(&worker->loop);
    loop_enter(&worker->loop);
    front_http1_close_all(worker);
    loop_leave(&worker->loop);
    settle(worker);
    return NULL;
}

int worker_start(struct worker *worker)
{
    char name[16];
    int rc;

    snprintf(name, sizeof(name), "worker-%u", worker->index);
    rc = thread_start(&worker->thread, name, worker_main, worker);
    worker->running = rc == EG_OK;
    return rc;
}

void worker_connections_gone(struct worker *worker)
{
    CHECK(worker->draining);
    if (worker->drained)
        return;
    worker->drained = true;
    server_worker_drained(worker->server);
}

static void on_drain(void *arg)
{
    struct worker *worker = arg;

    if (worker->draining)
        return;
    worker->draining = true;
    front_http1_drain(worker);
    if (list_empty(&worker->connections))
        worker_connections_gone(worker);
}

void worker_drain(struct worker *worker)
{
    loop_post(&worker->loop, on_drain, worker);
}

static void on_stop(void *arg)
{
    struct worker *worker = arg;

    loop_stop(&worker->loop);
}

void worker_stop(struct worker *worker)
{
    if (!worker->running)
        return;
    loop_post(&worker->loop, on_stop, worker);
    pthread_join(worker->thread, NULL);
    worker->running = false;
}

struct address_update {
    struct worker *worker;
    unsigned pool, endpoint;
    size_t count;
    void (*on_applied)(void *arg);
    void *arg;
    struct address addresses[];
};

static void on_addresses(void *arg)
{
    struct address_update *update = arg;

    upstream_cluster_set_addresses(update->worker->view->clusters[update->pool], update->endpoint,
                                   update->addresses, update->count);
    if (update->on_applied)
        update->on_applied(update->arg);
    free(update);
}

void worker_set_addresses(struct worker *worker, unsigned pool, unsigned endpoint,
                          const struct address *addresses, size_t count,
                          void (*on_applied)(void *arg), void *arg)
{
    size_t size = count * sizeof(*addresses);
    struct address_update *update = xmalloc(sizeof(*update) + size);

    update->worker = worker;
    update->pool = pool;
    update->endpoint = endpoint;
    update->count = count;
    update->on_applied = on_applied;
    update->arg = arg;
    memcpy(update->addresses, addresses, size);
    if (worker->running)
        loop_post(&worker->loop, on_addresses, update);
    else
        on_addresses(update); /* no race: the thread is not there yet, and starts after us */
}
