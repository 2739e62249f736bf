/*
 * The server's phases: waiting for names, serving, leaving, draining, stopped. See server.h.
 *
 * Every way out goes through loop_stop of the control loop; what stops the workers is after the
 * loop, in server_run, so that it happens once and in one order.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "discovery/discovery.h"
#include "net/address.h"
#include "net/tls.h"
#include "proxy/listen_activation.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"
#include "proxy/server_watch.h"
#include "proxy/service_manager.h"
#include "proxy/shared_listener.h"
#include "proxy/upgrade.h"

void server_set_phase(struct server *server, enum server_phase phase)
{
    atomic_store_explicit(&server->phase, phase, memory_order_release);
}

static double seconds_of_ms(uint64_t ms)
{
    return (double)ms / 1000;
}

static void log_listeners(const struct server *server)
{
    char text[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < server->config->listener_count; i++)
        log_info("listener \"%s\" is listening on %s", server->config->listeners[i].name,
                 address_format(&server->listeners[i]->set.address, text));
}

void server_watch_doors(struct server *server, void (*on_doors)(void *arg, bool open), void *arg)
{
    server->on_doors = on_doors;
    server->doors_arg = arg;
}

void server_open_doors(struct server *server, bool open)
{
    if (server->on_doors)
        server->on_doors(server->doors_arg, open);
}

static void give_up(struct server *server)
{
    server->exit_code = 1;
    server_stop_loop(server);
}

/* A thread that cannot be started at all leaves nothing to serve with. */
static void begin_serving(struct server *server)
{
    char *why = NULL;

    server_set_phase(server, SERVER_SERVING);
    if (listen_begin(&why) != EG_OK) {
        log_error("%s", why);
        free(why);
        give_up(server);
        return;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (worker_start(&server->workers[i]) == EG_OK)
            continue;
        log_error("cannot start worker %u: the system's limit on threads or memory is reached", i);
        give_up(server);
        return;
    }
    log_listeners(server);
    listen_activation_tell_unused();
    log_info("serving \"%s\": workers %u, routes %zu, pools %zu", server->config->file,
             server->worker_count, server->config->route_count, server->config->pool_count);
    server_open_doors(server, true);
    if (server->discovery != NULL)
        discovery_serve(server->discovery);
    upgrade_serving(server);
    server_watch_start(server);
    server_idle(server); /* changes that were asked for meanwhile */
}

static void on_named(void *arg)
{
    upgrade_await_verdicts(arg, begin_serving);
}

static void on_tickets_timer(struct loop_timer *timer)
{
    struct server *server = container_of(timer, struct server, tickets_timer);

    tls_tickets_rotate();
    loop_timer_set(&server->loop, timer, SERVER_TICKETS_MS);
}

static void start_tickets(struct server *server)
{
    uint64_t rotate_ms = SERVER_TICKETS_MS;

    if (!upgrade_inherit_tickets(&rotate_ms))
        tls_tickets_rotate();
    loop_timer_set(&server->loop, &server->tickets_timer, rotate_ms);
}

static void on_drain_timer(struct loop_timer *timer)
{
    struct server *server = container_of(timer, struct server, drain_timer);
    struct server_totals totals = server_totals(server);

    log_warn("drain: the limit of %g s has passed: cutting %llu connections with %llu requests in "
             "flight",
             seconds_of_ms(server->config->drain_timeout_ms),
             (unsigned long long)totals.connections, (unsigned long long)totals.requests_active);
    server_stop_loop(server);
}

/* What sends connections here hears of the end from /health/ready or at the same time as we do, and
 * passes it on in its own time. Closed sockets would refuse what comes until then. */
static void on_leave_timer(struct loop_timer *timer)
{
    server_drain(container_of(timer, struct server, leave_timer), "drain_delay is over");
}

void server_timers_init(struct server *server)
{
    loop_timer_init(&server->leave_timer, on_leave_timer);
    loop_timer_init(&server->drain_timer, on_drain_timer);
    loop_timer_init(&server->tickets_timer, on_tickets_timer);
}

static void service_ends(struct server *server, const char *how)
{
    service_manager_stopping(how);
    if (server->discovery != NULL)
        discovery_leave(server->discovery);
}

void server_leave(struct server *server, const char *why)
{
    /* Before it serves there may be no configuration yet. */
    bool serves = server_phase(server) == SERVER_SERVING;
    uint64_t delay_ms = serves ? server->config->drain_delay_ms : 0;

    if (delay_ms == 0) {
        server_drain(server, why);
        return;
    }
    log_info("%s: leaving: not ready any more, drains in %g s and serves until then; again to exit "
             "at once",
             why, seconds_of_ms(delay_ms));
    server_set_phase(server, SERVER_LEAVING);
    service_ends(server, "leaving");
    loop_timer_set(&server->loop, &server->leave_timer, delay_ms);
}

void server_drain(struct server *server, const char *why)
{
    struct server_totals totals = server_totals(server);
    uint64_t limit_ms;

    if (server_phase(server) == SERVER_RESOLVING) {
        log_info("%s: stopping before anything was served", why);
        server_stop_loop(server);
        return;
    }
    limit_ms = server->config->drain_timeout_ms;
    log_info("%s: draining: %llu connections, %llu requests in flight, limit %g s; again to exit "
             "at once",
             why, (unsigned long long)totals.connections,
             (unsigned long long)totals.requests_active, seconds_of_ms(limit_ms));
    server_set_phase(server, SERVER_DRAINING);
    server_orders_close(server);
    if (!upgrade_done(server)) /* else it is not the service that ends */
        service_ends(server, "draining");
    for (size_t i = 0; i < server->config->listener_count; i++)
        listen_stop(&server->listeners[i]->set);
    server->drain_started_us = clock_monotonic_us();
    loop_timer_set(&server->loop, &server->drain_timer, limit_ms);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain(&server->workers[i]);
}

void server_exit_now(struct server *server, const char *why)
{
    struct server_totals totals = server_totals(server);

    log_warn("%s again: exiting now, cutting %llu connections with %llu requests in flight", why,
             (unsigned long long)totals.connections, (unsigned long long)totals.requests_active);
    server_stop_loop(server);
}

static void on_worker_drained(void *arg)
{
    struct server *server = arg;

    if (++server->drained_workers < server->worker_count)
        return;
    log_info("drained after %.1f s",
             (double)(clock_monotonic_us() - server->drain_started_us) / 1000000);
    server_stop_loop(server);
}

void server_worker_drained(struct server *server)
{
    loop_post(&server->loop, on_worker_drained, server);
}

static void on_stop(void *arg)
{
    struct server *server = arg;

    if (server_phase(server) < SERVER_LEAVING)
        server_leave(server, "stop");
}

void server_stop(struct server *server)
{
    loop_post(&server->loop, on_stop, server);
}

int server_run(struct server *server)
{
    struct server_totals totals;

    if (server_health_start(server) != EG_OK) {
        log_error("cannot start the health thread: the system's limit on threads is reached");
        return 1;
    }
    loop_enter(&server->loop);
    server_spawner_watch(server);
    start_tickets(server);
    server_names_follow(server);
    server_names_await(server, on_named, server);
    loop_leave(&server->loop);

    if (server->exit_code == 0)
        loop_run(&server->loop);

    server_orders_close(server);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_stop(&server->workers[i]);
    server_health_stop(server);
    server_set_phase(server, SERVER_STOPPED);
    loop_run_posts(&server->loop); /* what came back in the meantime */
    totals = server_totals(server);
    log_info("stopped after %llu requests on %llu connections",
             (unsigned long long)totals.requests_total,
             (unsigned long long)totals.connections_total);
    return server->exit_code;
}
