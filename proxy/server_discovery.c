/* Discovery as the server sees it: see server_discovery.h. */
#include "proxy/server_discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "discovery/discovery.h"
#include "proxy/server_internal.h"

struct server_discovery {
    struct server *server;
    _Atomic bool told; /* that something was found; the control thread has not looked yet */
    bool paused;       /* an order was entered a moment ago */
    bool again;        /* something was found since */
    struct loop_timer timer;
    void (*then)(void *arg); /* of server_discovery_try; NULL: nobody waits */
    void *arg;
};

static bool has_discovery(const struct config *config)
{
    for (size_t i = 0; i < config->pool_count; i++)
        if (config->pools[i].discovery != NULL)
            return true;
    return false;
}

/* ---- Found ---- */

/* The first is served at once; what comes in a burst is served ten times a second, for every change
 * takes a round over all workers. */
static void enter(struct server_discovery *d, uint64_t pause_ms)
{
    d->paused = true;
    d->again = false;
    loop_timer_set(&d->server->loop, &d->timer, pause_ms);
    server_discovery_soon(d->server);
}

static void on_timer(struct loop_timer *timer)
{
    struct server_discovery *d = container_of(timer, struct server_discovery, timer);

    d->paused = false;
    if (d->again)
        enter(d, DISCOVERY_PACE_MS);
}

static void on_found(void *arg)
{
    struct server_discovery *d = arg;

    atomic_store(&d->told, false);
    if (d->paused)
        d->again = true;
    else
        enter(d, DISCOVERY_PACE_MS);
}

void server_discovery_retry(struct server *server)
{
    struct server_discovery *d = server->discoverer;

    d->paused = d->again = true;
    loop_timer_set(&server->loop, &d->timer, DISCOVERY_RETRY_MS);
}

/* On the discovery thread. One post is enough, however fast it finds. */
static void on_changed(void *arg)
{
    struct server_discovery *d = arg;

    if (!atomic_exchange(&d->told, true))
        loop_post(&d->server->loop, on_found, d);
}

/* ---- Events ---- */

static void text_set(char *out, size_t capacity, const char *text)
{
    snprintf(out, capacity, "%s", text != NULL ? text : "");
}

/* The source's words may be in any language. */
static void why_set(char *out, size_t capacity, const struct discovery_event *event)
{
    int n = snprintf(out, capacity, "%s: %s", event->source, event->why);

    if ((size_t)n >= capacity)
        out[utf8_whole(out, capacity - 1)] = '\0';
}

/* On the discovery thread. A pool's name makes it an event of that pool. */
static void on_event(void *arg, const struct discovery_event *event)
{
    static const struct {
        enum event_severity severity;
        const char *oddity; /* of a source that is as well as before */
    } kinds[] = {
        [DISCOVERY_LOST] = {EVENT_WARN, NULL},
        [DISCOVERY_BACK] = {EVENT_INFO, NULL},
        [DISCOVERY_EMPTY] = {EVENT_WARN, "empty"},
        [DISCOVERY_REFUSED] = {EVENT_WARN, "refused"},
        [DISCOVERY_REGISTERED] = {EVENT_INFO, "registered"},
        [DISCOVERY_UNREGISTERED] = {EVENT_WARN, "unregistered"},
    };
    struct server_discovery *d = arg;
    const char *oddity = kinds[event->what].oddity;
    struct health_event told = {
        .type = EVENT_DISCOVERY,
        .severity = kinds[event->what].severity,
        .was_us = oddity == NULL ? event->was_us : 0,
    };

    text_set(told.pool, sizeof(told.pool), event->pool);
    text_set(told.from, sizeof(told.from), oddity == NULL ? event->from : "");
    text_set(told.to, sizeof(told.to), oddity == NULL ? event->to : oddity);
    text_set(told.next, sizeof(told.next), event->next);
    why_set(told.why, sizeof(told.why), event);
    events_add(health_events(d->server->health), &told);
}

/* ---- There is some ---- */

static int make(struct server *server, char **ret_why)
{
    const struct discovery_params params = {
        .on_changed = on_changed,
        .on_event = on_event,
        .arg = server->discoverer,
    };
    struct discovery *discovery;
    int rc;

    if (server->discovery != NULL)
        return EG_OK;
    rc = discovery_new(&discovery, &params, ret_why);
    if (rc != EG_OK)
        return rc;
    if (server_phase(server) == SERVER_SERVING)
        discovery_serve(discovery);
    pthread_rwlock_wrlock(&server->structure);
    server->discovery = discovery;
    pthread_rwlock_unlock(&server->structure);
    return EG_OK;
}

int server_discovery_collect(struct server *server, const struct config *base,
                             const struct config *served, struct config_discovered **ret_discovered,
                             char **ret_why)
{
    int rc;

    *ret_discovered = NULL;
    if (!has_discovery(base))
        return EG_OK;
    rc = make(server, ret_why);
    if (rc == EG_OK)
        *ret_discovered = discovery_collect(server->discovery, base, served);
    return rc;
}

/* ---- Asking and waiting ---- */

static void call_back(void *arg)
{
    struct server_discovery *d = arg;
    void (*then)(void *arg) = d->then;

    d->then = NULL;
    then(d->arg);
}

/* On the discovery thread. */
static void on_answered(void *arg)
{
    struct server_discovery *d = arg;

    loop_post(&d->server->loop, call_back, d);
}

/* The sources of server->base, and those of a candidate (NULL: there is none). */
static int ask(struct server *server, struct config *candidate, uint64_t at_most_ms,
               void (*then)(void *arg), void *arg, char **ret_why)
{
    struct server_discovery *d = server->discoverer;
    int rc = make(server, ret_why);

    if (rc != EG_OK)
        return rc;
    d->then = then;
    d->arg = arg;
    discovery_follow(server->discovery, server->base, candidate);
    discovery_await(server->discovery, at_most_ms, on_answered, d);
    return EG_OK;
}

static void end_waiting(void *arg)
{
    loop_stop(arg);
}

/* The loop runs meanwhile, so that a signal to stop is heard. */
int server_discovery_start(struct server *server, char **ret_why)
{
    int rc;

    if (!has_discovery(server->base))
        return EG_OK;
    rc = ask(server, NULL, DISCOVERY_START_MS, end_waiting, &server->loop, ret_why);
    if (rc != EG_OK)
        return rc;
    loop_run(&server->loop);
    return server_is_told_to_stop(server) ? EG_E_DRAINING : EG_OK;
}

int server_discovery_try(struct server *server, struct config *candidate, void (*then)(void *arg),
                         void *arg, char **ret_why)
{
    if (has_discovery(candidate))
        return ask(server, candidate, DISCOVERY_RELOAD_MS, then, arg, ret_why);
    then(arg);
    return EG_OK;
}

void server_discovery_settle(struct server *server)
{
    if (server->discovery != NULL)
        discovery_follow(server->discovery, server->base, NULL);
}

static void on_nobody(void *arg)
{
}

/* Another await ends the one before. */
void server_discovery_hurry(struct server *server)
{
    if (server->discoverer->then != NULL)
        discovery_await(server->discovery, 0, on_nobody, NULL);
}

/* ---- Beginning and end ---- */

void server_discovery_init(struct server *server)
{
    struct server_discovery *d = xcalloc(1, sizeof(*d));

    d->server = server;
    loop_timer_init(&d->timer, on_timer);
    server->discoverer = d;
}

void server_discovery_free(struct server *server)
{
    struct server_discovery *d = server->discoverer;

    if (d == NULL)
        return;
    discovery_free(&server->discovery);
    loop_timer_cancel(&d->timer);
    free(d);
    server->discoverer = NULL;
}
