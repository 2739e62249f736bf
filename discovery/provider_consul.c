/*
 * Discovery from Consul: what its health endpoint says of a service, by blocking queries, so that
 * a change is heard when it happens and not when somebody looks.
 *
 *   timer ─► token, target ─► fetch ── 200 ─► consul_index_take ─► the same: source_unchanged
 *     ▲                         │                    └─► consul_answer_read ─► source_found
 *     │                         └── else ─► source_failed, from index 0 again
 *     └──── pause (rare answers: none) or back-off ◄───┘
 *
 * One query at a time. Without a leader Consul answers 500, so that an answer can be believed;
 * X-Consul-KnownLeader is not asked, since some versions say "false" wrongly (consul issue 9776),
 * and an answer that servers gave without a leader is still the last that they agreed on.
 *
 * On the discovery thread.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/list.h"
#include "discovery/consul_answer.h"
#include "discovery/consul_index.h"
#include "discovery/consul_query.h"
#include "discovery/consul_registration.h"
#include "discovery/fetch.h"
#include "discovery/providers.h"

struct consul_watch {
    struct discovery_source *source;
    const struct config_discovery *config;
    struct loop *loop;
    struct fetch_server *server;
    struct consul_token token;
    struct consul_index index;
    struct consul_names names;
    struct fetch *fetch; /* NULL: none is under way */
    struct loop_timer timer;
    struct loop_task reap;
    struct consul_registration *registration; /* NULL: none */
};

/* ---- what comes of a query ---- */

static void watch_wait(struct consul_watch *watch, uint64_t after_ms)
{
    loop_timer_set(watch->loop, &watch->timer, after_ms);
}

static void watch_failed(struct consul_watch *watch, const char *why)
{
    consul_index_reset(&watch->index);
    watch_wait(watch, source_failed(watch->source, "%s", why));
}

static void watch_on_refused(void *arg, const char *why)
{
    struct consul_watch *watch = arg;

    source_refused(watch->source, "%s", why);
}

/* A token that may read nothing gets an empty list and no error, but for a header that says so
 * (since Consul 1.11). That is no set. */
static bool answer_is_withheld(const struct fetch *fetch)
{
    return json_array_size(fetch->json) == 0 && strcasecmp(fetch->second, "true") == 0;
}

/* An answer that cannot be read leaves the index as it was: it is failed, and asked for again. */
static bool watch_take(struct consul_watch *watch, const struct fetch *fetch)
{
    struct consul_index index = watch->index;
    json_t *endpoints;

    if (answer_is_withheld(fetch))
        return false;
    if (json_is_array(fetch->json) && !consul_index_take(&index, fetch->header)) {
        source_unchanged(watch->source);
        return true;
    }
    endpoints = consul_answer_read(fetch->json, &watch->names, watch_on_refused, watch);
    if (endpoints == NULL)
        return false;
    watch->index = index;
    source_found(watch->source, endpoints);
    return true;
}

/* Consul's own words for it do not say what is needed. */
static const char *status_hint(int status)
{
    return status == 403 ? "; its token needs service:read and node:read" : "";
}

/* What went wrong with `fetch`, without the token (heap). */
static char *watch_problem(struct consul_watch *watch, const struct fetch *fetch)
{
    char problem[FETCH_WHY_BYTES];

    if (fetch->status == 200 && json_is_array(fetch->json))
        return xasprintf("its ACLs withhold every service%s", status_hint(403));
    if (fetch->status == 200 && fetch->json != NULL)
        return xstrdup("the answer is no list of services");
    fetch_problem(fetch, problem, sizeof(problem));
    consul_token_redact(&watch->token, problem);
    return xasprintf("%s%s", problem, status_hint(fetch->status));
}

static void watch_on_end(struct fetch *fetch)
{
    struct consul_watch *watch = fetch->arg;
    char *why = NULL;

    if (fetch->status != 200 || !watch_take(watch, fetch))
        why = watch_problem(watch, fetch);
    fetch_stop(&watch->fetch);
    if (why != NULL)
        watch_failed(watch, why);
    else
        watch_wait(watch, consul_index_pause_ms(&watch->index, watch->loop->now_ms));
    free(why);
}

static const struct fetch_ops watch_ops = {.on_end = watch_on_end};

/* ---- queries ---- */

static void watch_ask(struct consul_watch *watch)
{
    struct http_header_edit header;
    struct fetch_request request = {
        .method = "GET",
        .headers = &header,
        .answer_ms = consul_index_limit_ms(&watch->index, watch->config->wait_ms),
        .max_bytes = watch->config->max_bytes,
        .wanted_header = "X-Consul-Index",
        .second_header = "X-Consul-Results-Filtered-By-ACLs",
    };
    char *why = NULL, *target;

    if (consul_token_read(&watch->token, &header, &request.header_count, &why) != 0) {
        watch_failed(watch, why);
        free(why);
        return;
    }
    target = consul_query_health(watch->config, watch->index.index);
    request.target = target;
    watch->fetch = fetch_start(watch->server, &request, &watch_ops, watch);
    free(target);
}

static void watch_on_timer(struct loop_timer *timer)
{
    watch_ask(container_of(timer, struct consul_watch, timer));
}

/* ---- the provider ---- */

static void *provider_consul_start(struct discovery_source *source,
                                   const struct discovery_context *context)
{
    struct consul_watch *watch = xcalloc(1, sizeof(*watch));
    const struct config_discovery *config = context->config;

    watch->source = source;
    watch->config = config;
    watch->loop = context->loop;
    watch->server = fetch_server_new(
        context->loop, context->resolver,
        &(struct fetch_server_params){.addresses = config->addresses, .tls = config->tls});
    consul_token_init(&watch->token, config);
    consul_names_init(&watch->names);
    consul_index_init(&watch->index, (uint64_t)(uintptr_t)watch ^ context->loop->now_us);
    loop_timer_init(&watch->timer, watch_on_timer);
    watch_wait(watch, 0);
    if (config->registration != NULL)
        watch->registration = consul_registration_new(
            &(struct consul_registration_params){.source = source,
                                                 .config = config->registration,
                                                 .loop = context->loop,
                                                 .server = watch->server,
                                                 .token = &watch->token});
    return watch;
}

static void watch_reap(struct loop_task *task)
{
    free(container_of(task, struct consul_watch, reap));
}

static void provider_consul_stop(void *arg)
{
    struct consul_watch *watch = arg;

    consul_registration_free(&watch->registration);
    fetch_stop(&watch->fetch);
    loop_timer_cancel(&watch->timer);
    fetch_server_free(&watch->server);
    consul_names_fini(&watch->names);
    consul_token_fini(&watch->token);
    loop_task_init(&watch->reap, watch_reap);
    loop_reap(watch->loop, &watch->reap);
}

static void provider_consul_serve(void *arg)
{
    struct consul_watch *watch = arg;

    if (watch->registration != NULL)
        consul_registration_begin(watch->registration);
}

static void provider_consul_leave(void *arg)
{
    struct consul_watch *watch = arg;

    if (watch->registration != NULL)
        consul_registration_leave(watch->registration);
}

static bool provider_consul_is_leaving(const void *arg)
{
    const struct consul_watch *watch = arg;

    return watch->registration != NULL && consul_registration_is_leaving(watch->registration);
}

const struct discovery_provider discovery_consul = {
    .start = provider_consul_start,
    .stop = provider_consul_stop,
    .serve = provider_consul_serve,
    .leave = provider_consul_leave,
    .is_leaving = provider_consul_is_leaving,
};
