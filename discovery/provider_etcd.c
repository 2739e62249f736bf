/*
 * Discovery from etcd: the keys under a prefix, by the JSON gateway that etcd 3.4 and later have
 * beside gRPC.
 *
 *   begin ─► login ─► list, page by page ─► source_found ─► watch ─► events ─► source_found
 *     ▲       (user)       ▲                                  ├─ compacted: list again
 *     │                    └──── they do not agree ───────────┤  now and then: check
 *     └── back-off ◄── source_failed ◄── whatever fails ──────┘
 *
 * A watch says nothing while nothing changes, so a connection that only seems to be alive, and a
 * member that has lost the others, look like peace. The check asks how many keys there are and
 * whether one was modified since; it is answered by a majority (a linearizable range).
 *
 * On the discovery thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/announcement.h"
#include "discovery/backoff.h"
#include "discovery/etcd_ask.h"
#include "discovery/etcd_store.h"
#include "discovery/etcd_token.h"
#include "discovery/fetch.h"
#include "discovery/provider_etcd.h"
#include "discovery/providers.h"

enum {
    CHECK_MS = 15 * 1000,
    ANSWER_MS = 10 * 1000, /* etcd itself gives up after about 7 s */
    WATCH_IDLE_MS = 24 * 3600 * 1000,
    WATCH_LIVED_MS = 10 * 1000, /* one that ends earlier was no use */
};

struct etcd_watch {
    struct discovery_source *source;
    const struct config_discovery *config;
    struct loop *loop;
    struct fetch_server *server;
    struct etcd_store store;
    struct etcd_token token;
    struct fetch *asking;   /* a login, a page, or a check; NULL: none */
    struct fetch *watching; /* NULL: not yet */
    uint64_t watching_since_ms, check_ms;
    struct loop_timer timer;     /* to begin (again), or to check */
    struct announcement publish; /* what events have changed */
    struct backoff endings;      /* of watches, in a row */
    struct loop_task reap;
};

static void begin(struct etcd_watch *watch);

/* ---- what the source hears ---- */

static void on_refused(void *arg, const char *why)
{
    struct etcd_watch *watch = arg;

    source_refused(watch->source, "%s", why);
}

static void publish(struct etcd_watch *watch)
{
    announcement_made(&watch->publish);
    source_found(watch->source, etcd_store_endpoints(&watch->store, on_refused, watch));
}

static void publish_on_change(struct announcement *announcement)
{
    publish(container_of(announcement, struct etcd_watch, publish));
}

/* What is known already is told, and then nothing is under way any more. */
static void quiet(struct etcd_watch *watch)
{
    if (watch->publish.due)
        publish(watch);
    fetch_stop(&watch->asking);
    fetch_stop(&watch->watching);
    loop_timer_cancel(&watch->timer);
}

static void failed(struct etcd_watch *watch, const char *why)
{
    quiet(watch);
    etcd_token_doubt(&watch->token);
    loop_timer_set(watch->loop, &watch->timer, source_failed(watch->source, "%s", why));
}

/* ---- asking ---- */

/* Takes `body`. */
static struct fetch *ask(struct etcd_watch *watch, const char *target, char *body,
                         const struct fetch_ops *ops, bool lines)
{
    const struct http_header_edit token = {SLICE_LIT("Authorization"),
                                           slice_str(watch->token.text)};
    const struct fetch_request request = {
        .method = "POST",
        .target = target,
        .headers = &token,
        .header_count = watch->token.text ? 1 : 0,
        .body = body,
        .content_type = "application/json",
        .answer_ms = ANSWER_MS,
        .idle_ms = lines ? WATCH_IDLE_MS : 0,
        .max_bytes = watch->config->max_bytes,
        .lines = lines,
    };
    struct fetch *fetch = fetch_start(watch->server, &request, ops, watch);

    free(body);
    return fetch;
}

static void login_again(struct etcd_watch *watch)
{
    quiet(watch);
    etcd_token_forget(&watch->token);
    begin(watch);
}

/* A list, a check or a watch was refused. */
static void refused(struct etcd_watch *watch, const struct fetch *fetch)
{
    char problem[FETCH_WHY_BYTES];

    if (etcd_token_is_refused(&watch->token, fetch))
        login_again(watch);
    else
        failed(watch, fetch_problem(fetch, problem, sizeof(problem)));
}

/* ---- the check ---- */

static void arm_check(struct etcd_watch *watch)
{
    loop_timer_set(watch->loop, &watch->timer, watch->check_ms);
}

static void check_on_end(struct fetch *fetch)
{
    struct etcd_watch *watch = fetch->arg;

    if (fetch->status != 200 || !fetch->json) {
        refused(watch, fetch);
        return;
    }
    if (!etcd_store_agrees(&watch->store, fetch->json)) {
        quiet(watch);
        begin(watch);
        return;
    }
    fetch_stop(&watch->asking);
    if (!watch->publish.due)
        source_unchanged(watch->source);
    arm_check(watch);
}

static const struct fetch_ops check_ops = {.on_end = check_on_end};

static void check(struct etcd_watch *watch)
{
    watch->asking = ask(watch, "/v3/kv/range", etcd_ask_check(&watch->store), &check_ops, false);
}

/* ---- the watch ---- */

/* One that lived ends the row of those that did not. */
static bool watch_lived(struct etcd_watch *watch)
{
    bool lived = watch->loop->now_ms - watch->watching_since_ms >= WATCH_LIVED_MS;

    if (lived)
        backoff_reset(&watch->endings);
    return lived;
}

/* At once, but not in a row: what is listed now cannot have been compacted, unless etcd compacts
 * faster than we ask, or is none. */
static void watch_compacted(struct etcd_watch *watch)
{
    bool first = watch_lived(watch) || watch->endings.failures == 0;
    uint64_t delay_ms = backoff_next_ms(&watch->endings);

    quiet(watch);
    if (first)
        begin(watch);
    else
        loop_timer_set(watch->loop, &watch->timer, delay_ms);
}

static void watch_on_json(struct fetch *fetch, json_t *json)
{
    struct etcd_watch *watch = fetch->arg;
    char why[ETCD_WHY_BYTES];

    switch (etcd_store_take_event(&watch->store, json, why)) {
    case ETCD_NOTHING:
        break;
    case ETCD_CHANGED:
        announcement_soon(&watch->publish, json_object_size(watch->store.entries));
        break;
    case ETCD_COMPACTED:
        watch_compacted(watch);
        break;
    case ETCD_CANCELED:
        failed(watch, why);
        break;
    case ETCD_NONSENSE:
        failed(watch, "the watch answers nonsense");
        break;
    }
}

/* A member that is restarted, or a proxy that does not like long answers, is no failure: whether
 * etcd can be asked will be seen in a moment. Unless watches end as soon as they began. */
static void watch_ended(struct etcd_watch *watch, const struct fetch *fetch)
{
    char why[FETCH_WHY_BYTES + 32];

    snprintf(why, sizeof(why), "the watch ended at once%s%s", fetch->status == 0 ? ": " : "",
             fetch->status == 0 ? fetch->why : "");
    if (watch_lived(watch))
        quiet(watch);
    else
        failed(watch, why);
    loop_timer_set(watch->loop, &watch->timer, backoff_next_ms(&watch->endings));
}

static void watch_on_end(struct fetch *fetch)
{
    struct etcd_watch *watch = fetch->arg;

    if (fetch->status == 0 || fetch->status == 200)
        watch_ended(watch, fetch);
    else
        refused(watch, fetch);
}

static const struct fetch_ops watch_ops = {.on_json = watch_on_json, .on_end = watch_on_end};

static void watch_start(struct etcd_watch *watch)
{
    watch->watching_since_ms = watch->loop->now_ms;
    watch->watching = ask(watch, "/v3/watch", etcd_ask_watch(&watch->store), &watch_ops, true);
    arm_check(watch);
}

/* ---- the list ---- */

static void page_on_end(struct fetch *fetch);

static const struct fetch_ops page_ops = {.on_end = page_on_end};

static void ask_page(struct etcd_watch *watch)
{
    watch->asking = ask(watch, "/v3/kv/range", etcd_ask_page(&watch->store), &page_ops, false);
}

static void page_on_end(struct fetch *fetch)
{
    struct etcd_watch *watch = fetch->arg;
    bool more;

    if (fetch->status != 200 || !fetch->json) {
        refused(watch, fetch);
        return;
    }
    etcd_token_prove(&watch->token);
    if (etcd_store_take_page(&watch->store, fetch->json, &more) != EG_OK) {
        failed(watch, "the answer is no list of keys");
        return;
    }
    fetch_stop(&watch->asking);
    if (more) {
        ask_page(watch);
        return;
    }
    publish(watch);
    watch_start(watch);
}

static void list(struct etcd_watch *watch)
{
    etcd_store_clear(&watch->store);
    ask_page(watch);
}

/* ---- the token ---- */

static void login_on_end(struct fetch *fetch)
{
    struct etcd_watch *watch = fetch->arg;
    char why[ETCD_WHY_BYTES];

    if (!etcd_token_take(&watch->token, fetch, why)) {
        failed(watch, why);
        return;
    }
    fetch_stop(&watch->asking);
    list(watch);
}

static const struct fetch_ops login_ops = {.on_end = login_on_end};

static void login(struct etcd_watch *watch)
{
    char *why = NULL, *body = etcd_token_ask(&watch->token, &why);

    if (body)
        watch->asking = ask(watch, "/v3/auth/authenticate", body, &login_ops, false);
    else
        failed(watch, why);
    free(why);
}

/* ---- life ---- */

static void begin(struct etcd_watch *watch)
{
    if (etcd_token_is_due(&watch->token))
        login(watch);
    else
        list(watch);
}

static void on_timer(struct loop_timer *timer)
{
    struct etcd_watch *watch = container_of(timer, struct etcd_watch, timer);

    if (watch->watching)
        check(watch);
    else
        begin(watch);
}

void *provider_etcd_start(struct discovery_source *source, const struct discovery_context *context,
                          uint64_t check_ms)
{
    struct etcd_watch *watch = xcalloc(1, sizeof(*watch));
    const struct config_discovery *config = context->config;

    watch->source = source;
    watch->config = config;
    watch->loop = context->loop;
    watch->check_ms = check_ms;
    watch->server = fetch_server_new(
        context->loop, context->resolver,
        &(struct fetch_server_params){.addresses = config->addresses, .tls = config->tls});
    etcd_token_init(&watch->token, config->user, config->password_file);
    etcd_store_init(&watch->store, config->prefix, config->max_bytes);
    backoff_init(&watch->endings, (uint64_t)(uintptr_t)watch ^ context->loop->now_us);
    loop_timer_init(&watch->timer, on_timer);
    announcement_init(&watch->publish, watch->loop, publish_on_change);
    loop_timer_set(watch->loop, &watch->timer, 0);
    return watch;
}

static void watch_reap(struct loop_task *task)
{
    free(container_of(task, struct etcd_watch, reap));
}

static void *start(struct discovery_source *source, const struct discovery_context *context)
{
    return provider_etcd_start(source, context, CHECK_MS);
}

static void stop(void *arg)
{
    struct etcd_watch *watch = arg;

    fetch_stop(&watch->asking);
    fetch_stop(&watch->watching);
    loop_timer_cancel(&watch->timer);
    announcement_cancel(&watch->publish);
    fetch_server_free(&watch->server);
    etcd_store_fini(&watch->store);
    etcd_token_fini(&watch->token);
    loop_task_init(&watch->reap, watch_reap);
    loop_reap(watch->loop, &watch->reap);
}

const struct discovery_provider discovery_etcd = {
    .start = start,
    .stop = stop,
};
