/*
 * A worker: a thread, its loop and what runs on it. See worker.h.
 *
 * Life of a worker (threads in brackets):
 *
 *   worker_init [control] ─► worker_start [control] ─► loop_run [worker]
 *        worker_adopt, as often as something changes [worker]
 *        worker_drain [any] ─► on_drain [worker] ─► ... ─► worker_note_gone [worker]
 *        worker_stop [control] ─► on_stop [worker], joined ─► worker_fini [control]
 *
 * Nobody touches a running worker from outside but by loop_post and by reading its counters.
 */
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/timestamp.h"
#include "proxy/front_http1.h"
#include "proxy/server.h"
#include "proxy/worker_listener.h"

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

int worker_init(struct worker *worker, struct server *server, unsigned index, char **ret_why)
{
    int rc = loop_init(&worker->loop);

    if (rc != EG_OK) {
        *ret_why = xasprintf("worker %u: cannot set up its event loop", index);
        return rc;
    }
    worker->server = server;
    worker->index = index;
    list_init(&worker->connections);
    traffic_init(&worker->traffic);
    list_init(&worker->listeners);
    list_init(&worker->retiring);
    random_seed(worker);
    return EG_OK;
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
    worker_listener_free_all(worker);
    if (worker->view != NULL)
        worker_view_unref(worker->view);
    worker->view = NULL;
    settle(worker);
    traffic_fini(&worker->traffic);
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

void worker_note_gone(struct worker *worker)
{
    if (!worker->draining || worker->drained || !list_empty(&worker->connections) ||
        !list_empty(&worker->retiring))
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

struct worker_order {
    struct worker *worker;
    void (*act)(struct worker *worker, void *arg);
    void *arg;
};

static void on_order(void *arg)
{
    struct worker_order order = *(struct worker_order *)arg;

    free(arg);
    order.act(order.worker, order.arg);
}

void worker_do(struct worker *worker, void (*act)(struct worker *worker, void *arg), void *arg)
{
    struct worker_order *order;

    if (!worker->running) {
        loop_enter(&worker->loop);
        act(worker, arg); /* no race: the thread is not there yet, and starts after us */
        loop_leave(&worker->loop);
        return;
    }
    order = xmalloc(sizeof(*order));
    *order = (struct worker_order){.worker = worker, .act = act, .arg = arg};
    loop_post(&worker->loop, on_order, order);
}
