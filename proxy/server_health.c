/* The health thread: see server_health.h. */
#include "proxy/server_health.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/thread.h"

struct server_health {
    struct server *server;
    struct loop loop;
    pthread_t thread;
    bool running;
    struct checks *checks;
    struct list runtimes; /* pool_runtime.node: those that no configuration has any more, too */
    struct loop_timer keep_timer;
};

/* ---- Keeping time ---- */

static void keep(struct server_health *keeper)
{
    uint64_t now_us = keeper->loop.now_us;
    uint64_t next_us = health_keep(keeper->server->health, now_us);

    list_for_each(node, &keeper->runtimes)
        exchange_queue_kick(container_of(node, struct pool_runtime, node), NULL);
    if (next_us == 0)
        loop_timer_cancel(&keeper->keep_timer);
    else
        loop_timer_set(&keeper->loop, &keeper->keep_timer,
                       next_us > now_us ? (next_us - now_us + 999) / 1000 : 1);
}

static void on_keep_timer(struct loop_timer *timer)
{
    keep(container_of(timer, struct server_health, keep_timer));
}

static void on_wake(void *arg)
{
    keep(arg);
}

static void wake(void *arg)
{
    struct server_health *keeper = arg;

    loop_post(&keeper->loop, on_wake, keeper);
}

static void on_status(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct server_health *keeper = arg;

    checks_on_status(keeper->checks, pool, endpoint, from, to);
}

/* ---- Making and ending ---- */

int server_health_new(struct server *server, unsigned events, char **ret_why)
{
    struct server_health *keeper = xcalloc(1, sizeof(*keeper));
    const struct health_params params = {
        .events = events,
        .wake = wake,
        .on_status = on_status,
        .arg = keeper,
    };
    int rc = loop_init(&keeper->loop);

    if (rc != EG_OK) {
        *ret_why = xstrdup("cannot set up the health thread's event loop");
        free(keeper);
        return EG_E_INTERNAL;
    }
    keeper->server = server;
    list_init(&keeper->runtimes);
    loop_timer_init(&keeper->keep_timer, on_keep_timer);
    rc = checks_new(&keeper->checks, &keeper->loop, ret_why);
    if (rc != EG_OK) {
        loop_fini(&keeper->loop);
        free(keeper);
        return rc;
    }
    server->keeper = keeper;
    server->health = health_new(&params);
    return EG_OK;
}

void server_health_free(struct server *server)
{
    struct server_health *keeper = server->keeper;

    if (keeper == NULL)
        return;
    CHECK(!keeper->running);
    loop_enter(&keeper->loop);
    checks_free(keeper->checks);
    loop_leave(&keeper->loop);
    loop_timer_cancel(&keeper->keep_timer);
    loop_fini(&keeper->loop);
    list_for_each_safe(node, next, &keeper->runtimes)
        pool_runtime_free(container_of(node, struct pool_runtime, node), server->health);
    health_free(server->health);
    free(keeper);
    server->keeper = NULL;
}

void server_health_keep_pool(struct server *server, struct pool_runtime *runtime)
{
    list_push_back(&server->keeper->runtimes, &runtime->node);
}

struct checks *server_health_checks(struct server *server)
{
    return server->keeper->checks;
}

/* ---- The thread ---- */

static void *health_main(void *arg)
{
    struct server_health *keeper = arg;

    loop_enter(&keeper->loop);
    keep(keeper);
    loop_leave(&keeper->loop);
    loop_run(&keeper->loop);
    return NULL;
}

int server_health_start(struct server *server)
{
    struct server_health *keeper = server->keeper;
    int rc = thread_start(&keeper->thread, "health", health_main, keeper);

    keeper->running = rc == EG_OK;
    return rc;
}

static void on_stop(void *arg)
{
    struct server_health *keeper = arg;

    loop_stop(&keeper->loop);
}

void server_health_stop(struct server *server)
{
    struct server_health *keeper = server->keeper;

    if (keeper == NULL || !keeper->running)
        return;
    loop_post(&keeper->loop, on_stop, keeper);
    pthread_join(keeper->thread, NULL);
    keeper->running = false;
}

/* ---- From other threads ---- */

struct health_errand {
    struct server_health *keeper;
    void (*act)(void *arg, uint64_t now_us);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t came_back;
    bool done;
};

static void on_errand(void *arg)
{
    struct health_errand *errand = arg;

    errand->act(errand->arg, errand->keeper->loop.now_us);
    pthread_mutex_lock(&errand->lock);
    errand->done = true;
    pthread_cond_signal(&errand->came_back);
    pthread_mutex_unlock(&errand->lock);
}

static void errand_run(struct server_health *keeper, void (*act)(void *arg, uint64_t now_us),
                       void *arg)
{
    struct health_errand errand = {.keeper = keeper, .act = act, .arg = arg};

    pthread_mutex_init(&errand.lock, NULL);
    pthread_cond_init(&errand.came_back, NULL);
    loop_post(&keeper->loop, on_errand, &errand);
    pthread_mutex_lock(&errand.lock);
    while (!errand.done)
        pthread_cond_wait(&errand.came_back, &errand.lock);
    pthread_mutex_unlock(&errand.lock);
    pthread_cond_destroy(&errand.came_back);
    pthread_mutex_destroy(&errand.lock);
}

void server_health_do(struct server *server, void (*act)(void *arg, uint64_t now_us), void *arg)
{
    struct server_health *keeper = server->keeper;

    if (keeper->running) {
        errand_run(keeper, act, arg);
        return;
    }
    loop_enter(&keeper->loop);
    act(arg, keeper->loop.now_us);
    loop_leave(&keeper->loop);
}

void server_health_do_unseen(struct server *server, void (*act)(void *arg, uint64_t now_us),
                             void *arg)
{
    pthread_rwlock_wrlock(&server->structure);
    server_health_do(server, act, arg);
    pthread_rwlock_unlock(&server->structure);
}

/* Endpoint and pool are there until what is posted now has run: who frees them comes after it. */
struct health_order {
    struct server_health *keeper;
    struct health_pool *pool;
    struct endpoint *endpoint;
    size_t count;
    struct address addresses[];
};

static struct health_order *order_new(struct server *server, struct pool_runtime *pool,
                                      struct endpoint *endpoint, const struct address *addresses,
                                      size_t count)
{
    size_t size = count * sizeof(*addresses);
    struct health_order *order = xmalloc(sizeof(*order) + size);

    order->keeper = server->keeper;
    order->pool = pool->health;
    order->endpoint = endpoint;
    order->count = count;
    if (count > 0)
        memcpy(order->addresses, addresses, size);
    return order;
}

static void on_addresses(void *arg)
{
    struct health_order *order = arg;

    checks_set_addresses(order->keeper->checks, order->pool, order->endpoint, order->addresses,
                         order->count);
    free(order);
}

void server_health_set_addresses(struct server *server, struct pool_runtime *pool,
                                 struct endpoint *endpoint, const struct address *addresses,
                                 size_t count)
{
    loop_post(&server->keeper->loop, on_addresses,
              order_new(server, pool, endpoint, addresses, count));
}

static void on_check_now(void *arg)
{
    struct health_order *order = arg;

    checks_now(order->keeper->checks, order->pool, order->endpoint);
    free(order);
}

void server_check_now(struct server *server, struct pool_runtime *pool, struct endpoint *endpoint)
{
    loop_post(&server->keeper->loop, on_check_now, order_new(server, pool, endpoint, NULL, 0));
}

void server_fail_back(struct server *server, struct pool_runtime *pool)
{
    balancer_pool_fail_back(pool->balancer);
    health_changed(pool->health);
}

struct checks_stats server_checks_stats(const struct server *server)
{
    return checks_stats(server->keeper->checks);
}
