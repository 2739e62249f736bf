/* The health thread: see server_health.h. */
#include "proxy/server_health.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/thread.h"
#include "proxy/upgrade.h"

struct server_health {
    struct server *server;
    struct loop loop;
    pthread_t thread;
    bool running;
    struct checks *checks; /* NULL before server_health_open_checks */
    struct loop_timer keep_timer;
};

/* ---- Keeping time ---- */

static void keep(struct server_health *keeper)
{
    struct server *server = keeper->server;
    uint64_t now_us = keeper->loop.now_us;
    uint64_t next_us = health_keep(server->health, now_us);

    for (size_t i = 0; i < server->config->pool_count; i++)
        exchange_queue_kick(server->runtimes[i], NULL);
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

    if (keeper->checks != NULL)
        checks_on_status(keeper->checks, pool, endpoint, from, to);
}

/* ---- Making and ending ---- */

static void make_pools(struct server *server)
{
    const struct config *config = server->config;
    struct slice secret = slice_from((const char *)server->sticky_secret, SERVER_SECRET_BYTES);

    server->runtimes = xcalloc(config->pool_count, sizeof(struct pool_runtime *));
    for (size_t i = 0; i < config->pool_count; i++)
        server->runtimes[i] = pool_runtime_new(&config->pools[i], &config->place, server->health,
                                               secret, server->started_us);
}

/* Sessions outlive the binary. */
static bool make_secret(struct server *server)
{
    return upgrade_inherit_secret(server->sticky_secret, SERVER_SECRET_BYTES) ||
           getrandom(server->sticky_secret, SERVER_SECRET_BYTES, 0) == SERVER_SECRET_BYTES;
}

int server_health_new(struct server *server, char **ret_why)
{
    struct server_health *keeper = xcalloc(1, sizeof(*keeper));
    const struct health_params params = {
        .events = server->config->supervision.events,
        .wake = wake,
        .on_status = on_status,
        .arg = keeper,
    };
    int rc = loop_init(&keeper->loop);

    if (rc != EG_OK || !make_secret(server)) {
        *ret_why = xstrdup("cannot set up the health thread's event loop or read random bytes");
        if (rc == EG_OK)
            loop_fini(&keeper->loop);
        free(keeper);
        return EG_E_INTERNAL;
    }
    keeper->server = server;
    loop_timer_init(&keeper->keep_timer, on_keep_timer);
    server->keeper = keeper;
    server->health = health_new(&params);
    make_pools(server);
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
    health_free(server->health);
    for (size_t i = 0; i < server->config->pool_count; i++)
        pool_runtime_free(server->runtimes[i]);
    free(server->runtimes);
    free(keeper);
    server->keeper = NULL;
}

int server_health_open_checks(struct server *server, char **ret_why)
{
    struct server_health *keeper = server->keeper;
    size_t count = server->config->pool_count;
    struct health_pool **pools = xcalloc(count, sizeof(struct health_pool *));
    int rc;

    for (size_t i = 0; i < count; i++)
        pools[i] = server->runtimes[i]->health;
    rc = checks_new(&keeper->checks, &keeper->loop, server->config, pools, ret_why);
    free(pools);
    return rc;
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

struct health_order {
    struct server_health *keeper;
    unsigned pool, endpoint;
    size_t count;
    struct address addresses[];
};

static struct health_order *order_new(struct server *server, unsigned pool, unsigned endpoint,
                                      const struct address *addresses, size_t count)
{
    size_t size = count * sizeof(*addresses);
    struct health_order *order = xmalloc(sizeof(*order) + size);

    order->keeper = server->keeper;
    order->pool = pool;
    order->endpoint = endpoint;
    order->count = count;
    if (count > 0)
        memcpy(order->addresses, addresses, size);
    return order;
}

static void on_addresses(void *arg)
{
    struct health_order *order = arg;

    if (order->keeper->checks != NULL)
        checks_set_addresses(order->keeper->checks, order->pool, order->endpoint, order->addresses,
                             order->count);
    free(order);
}

void server_health_set_addresses(struct server *server, unsigned pool, unsigned endpoint,
                                 const struct address *addresses, size_t count)
{
    loop_post(&server->keeper->loop, on_addresses,
              order_new(server, pool, endpoint, addresses, count));
}

static void on_check_now(void *arg)
{
    struct health_order *order = arg;

    if (order->keeper->checks != NULL)
        checks_now(order->keeper->checks, order->pool, order->endpoint);
    free(order);
}

void server_check_now(struct server *server, unsigned pool, unsigned endpoint)
{
    loop_post(&server->keeper->loop, on_check_now, order_new(server, pool, endpoint, NULL, 0));
}

void server_fail_back(struct server *server, unsigned pool)
{
    balancer_pool_fail_back(server->runtimes[pool]->balancer);
    health_changed(server->runtimes[pool]->health);
}

struct checks_stats server_checks_stats(const struct server *server)
{
    const struct checks *checks = server->keeper->checks;

    return checks != NULL ? checks_stats(checks) : (struct checks_stats){0};
}
