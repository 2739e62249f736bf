/*
 * Discovery from Kubernetes: the EndpointSlices of a service, listed once and watched from then on.
 *
 *   timer ─► account ─► list, page by page ─► slices ─► source_found
 *     ▲                   ▲                     │
 *     │                   │ 410: forgotten      ▼ from the list's resourceVersion on
 *     │                   └───────────────── watch ─► event ─► slices ─► (soon) source_found
 *     │                                        │ ▲
 *     │  it ended, or broke off once           └─┘ from the last resourceVersion on
 *     └─ anything else: source_failed, back-off, and a list
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 *
 * Happy path: a list, then watches that the server ends every few minutes; each begins where the
 * one before ended, so that nothing is lost or told twice.
 *
 * Failures:
 *   - a list that is not whole is no answer: what was known stands until the last page is in;
 *   - a watch that breaks off is resumed at once, and only if that fails too the source has failed:
 *     load balancers before API servers cut what is silent for long;
 *   - after a failure there is a list, since its answer is also what says that all is well again;
 *     not so after a watch that was refused (RBAC knows lists and watches apart): the list is
 * taken, but if it brings nothing new, all is well only when a watch has run for a while;
 *   - 401: the token may have been exchanged; it is read anew, and the request made once more;
 *   - silence for longer than bookmarks take (kube_client.c): the connection may be half open, and
 *     the watch is resumed on another one.
 *
 * On the discovery thread; one request at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "discovery/kube_client.h"
#include "discovery/kube_slices.h"
#include "discovery/providers.h"

enum {
    WATCH_SHORTEST_MS = 1000,  /* a server that ends each at once is not asked in a circle */
    WATCH_LONG_MS = 60 * 1000, /* it was answered: to connect and be answered takes less */
    TELL_MS = 10,              /* events come in bursts: a rollout, a node that goes */
    TELL_APART_MS = 100,       /* while they go on, the full set is made so often */
    DOUBT_MS = 3 * 1000,       /* a watch that is refused is so within that time */
    PAGES = 1000,              /* of a list */
    EXPIRED_PAUSE_MS = 1000,   /* for each version in a row that is too old */
    EXPIRED_PAUSE_MAX_MS = 30 * 1000,
};

struct kube_watch {
    struct discovery_source *source;
    struct loop *loop;
    struct kube_selection selection;
    struct kube_client client;
    struct fetch *fetch; /* NULL: none is under way */

    struct kube_slices *slices;  /* as listed, and watched since; NULL: never yet */
    char *version;               /* theirs; NULL: a list is next */
    struct kube_slices *listing; /* the pages so far; NULL: no list is under way */
    char *next_page;             /* NULL: the first one */
    unsigned pages;

    bool renewed;      /* the token was read anew for a 401, and nothing was answered since */
    bool resumed;      /* a watch broke off, and nothing was heard since */
    bool doubted;      /* the last watch was refused, and none has run since */
    unsigned expired;  /* so many versions in a row were too old */
    uint64_t began_ms; /* the watch */
    uint64_t told_ms;  /* source_found */
    bool telling;      /* `tell` is armed: the source has not heard of all events yet */
    struct loop_timer next, tell;
    struct loop_task reap;
};

/* ---- what the source hears ---- */

static void on_refused(void *arg, const char *sentence)
{
    struct kube_watch *watch = arg;

    source_refused(watch->source, "%s", sentence);
}

static void watch_tell(struct kube_watch *watch)
{
    loop_timer_cancel(&watch->tell);
    watch->telling = false;
    watch->told_ms = watch->loop->now_ms;
    kube_slices_refused(watch->slices, on_refused, watch);
    source_found(watch->source, kube_slices_endpoints(watch->slices));
}

static void watch_on_tell(struct loop_timer *timer)
{
    struct kube_watch *watch = container_of(timer, struct kube_watch, tell);

    watch->doubted = false;
    watch_tell(watch);
}

static void watch_tell_after(struct kube_watch *watch, uint64_t after_ms)
{
    watch->telling = true;
    loop_timer_set(watch->loop, &watch->tell, after_ms);
}

static void watch_tell_soon(struct kube_watch *watch)
{
    uint64_t passed_ms = watch->loop->now_ms - watch->told_ms;

    if (!watch->telling)
        watch_tell_after(watch,
                         passed_ms + TELL_MS < TELL_APART_MS ? TELL_APART_MS - passed_ms : TELL_MS);
}

/* ---- what is next ---- */

static void watch_next(struct kube_watch *watch, uint64_t after_ms)
{
    loop_timer_set(watch->loop, &watch->next, after_ms);
}

static void drop_listing(struct kube_watch *watch)
{
    kube_slices_free(watch->listing);
    watch->listing = NULL;
    free(watch->next_page);
    watch->next_page = NULL;
    watch->pages = 0;
}

/* What is known stands, but a list is next. */
static void drop_version(struct kube_watch *watch)
{
    drop_listing(watch);
    free(watch->version);
    watch->version = NULL;
}

/* What was heard before it is told first: told later, it would say that all is well. So would what
 * is doubted, and it is nothing new. */
static void watch_failed(struct kube_watch *watch, const char *why, uint64_t at_least_ms)
{
    if (watch->telling && !watch->doubted)
        watch_tell(watch);
    loop_timer_cancel(&watch->tell);
    watch->telling = false;
    drop_version(watch);
    watch->resumed = watch->renewed = false;
    uint64_t delay_ms = source_failed(watch->source, "%s", why);
    watch_next(watch, delay_ms > at_least_ms ? delay_ms : at_least_ms);
}

/* What came after our version, or the next pages of our list, is forgotten. Once is no failure. */
static void watch_expired(struct kube_watch *watch)
{
    uint64_t pause_ms = (uint64_t)watch->expired * EXPIRED_PAUSE_MS;

    drop_version(watch);
    if (watch->expired++ == 0)
        watch_next(watch, 0);
    else
        watch_failed(watch, "status 410 once more: the API server forgets what it has just listed",
                     pause_ms < EXPIRED_PAUSE_MAX_MS ? pause_ms : EXPIRED_PAUSE_MAX_MS);
}

/* The server knows us, and our version. */
static void watch_heard(struct kube_watch *watch)
{
    if (watch->doubted && watch->telling)
        watch_tell(watch);
    watch->doubted = false;
    watch->resumed = watch->renewed = false;
    watch->expired = 0;
}

/* A list or a watch that was not answered with 200, or not to its end. */
static void watch_refused(struct kube_watch *watch, const struct fetch *fetch)
{
    bool watched = watch->version != NULL;
    char why[KUBE_PROBLEM_BYTES];

    if (fetch->status == 401 && !watch->renewed) {
        watch->client.renew = watch->renewed = true;
        drop_listing(watch);
        watch_next(watch, 0);
    } else if (fetch->status == 410) {
        watch_expired(watch);
    } else if (fetch->status == 0 || fetch->status == 200) {
        watch_failed(watch, fetch->why, 0);
    } else {
        kube_client_problem(&watch->client, why, watched ? "watch" : "list", fetch->status,
                            fetch->json);
        watch_failed(watch, why, kube_client_pause_ms(fetch));
        watch->doubted = watched;
    }
}

/* ---- the list ---- */

static bool is_known(const struct kube_watch *watch)
{
    json_t *before = kube_slices_endpoints(watch->slices);
    json_t *now = kube_slices_endpoints(watch->listing);
    bool known = json_equal(before, now);

    json_decref(before);
    json_decref(now);
    return known;
}

/* The last page is in. */
static void take_list(struct kube_watch *watch, const char *version)
{
    bool nothing_new = watch->doubted && is_known(watch);

    kube_slices_free(watch->slices);
    watch->slices = watch->listing;
    watch->listing = NULL;
    drop_version(watch);
    watch->version = xstrdup(version);
    watch->renewed = watch->resumed = false;
    if (nothing_new)
        watch_tell_after(watch, DOUBT_MS);
    else
        watch_tell(watch);
    watch_next(watch, 0);
}

static void take_page(struct kube_watch *watch, const json_t *list)
{
    const json_t *items = json_object_get(list, "items");
    const char *version = kube_version_of(list), *next_page = kube_continue_of(list);
    const json_t *item;
    size_t i;

    /* "items": null is how Go writes that there are none. */
    if ((!json_is_array(items) && !json_is_null(items)) || !version) {
        watch_failed(watch, "the answer to the list is no EndpointSliceList", 0);
        return;
    }
    json_array_foreach(items, i, item) kube_slices_put(watch->listing, item);
    if (!next_page) {
        take_list(watch, version);
    } else if (++watch->pages >= PAGES) {
        watch_failed(watch, "the list does not end", 0);
    } else {
        free(watch->next_page);
        watch->next_page = xstrdup(next_page);
        watch_next(watch, 0);
    }
}

static void list_on_end(struct fetch *fetch)
{
    struct kube_watch *watch = fetch->arg;

    if (fetch->status == 200 && fetch->json)
        take_page(watch, fetch->json);
    else
        watch_refused(watch, fetch);
    fetch_stop(&watch->fetch);
}

static const struct fetch_ops list_ops = {.on_end = list_on_end};

/* ---- the watch ---- */

/* In order, so the last one heard is where to go on; a bookmark is one too. */
static void take_version(struct kube_watch *watch, const json_t *object)
{
    const char *version = kube_version_of(object);

    watch_heard(watch);
    if (!version)
        return;
    free(watch->version);
    watch->version = xstrdup(version);
}

static void take_change(struct kube_watch *watch, const struct kube_event *event)
{
    bool changed = false;

    if (event->type == KUBE_EVENT_PUT)
        changed = kube_slices_put(watch->slices, event->object);
    else if (event->type == KUBE_EVENT_DELETED)
        changed = kube_slices_remove(watch->slices, event->object);
    take_version(watch, event->object);
    if (changed)
        watch_tell_soon(watch);
    else if (!watch->telling)
        source_unchanged(watch->source);
}

static void take_error(struct kube_watch *watch, const json_t *status)
{
    int code = (int)json_integer_value(json_object_get(status, "code"));
    char why[KUBE_PROBLEM_BYTES];

    kube_client_problem(&watch->client, why, "watch", code, status);
    watch_failed(watch, why, 0);
}

static void watch_on_json(struct fetch *fetch, json_t *json)
{
    struct kube_watch *watch = fetch->arg;
    const struct kube_event event = kube_event_read(json);

    switch (event.type) {
    case KUBE_EVENT_UNKNOWN: /* a client of this version need not know it */
        break;
    case KUBE_EVENT_PUT:
    case KUBE_EVENT_DELETED:
    case KUBE_EVENT_BOOKMARK:
        take_change(watch, &event);
        break;
    case KUBE_EVENT_EXPIRED:
        fetch_stop(&watch->fetch);
        watch_expired(watch);
        break;
    case KUBE_EVENT_ERROR:
        fetch_stop(&watch->fetch);
        take_error(watch, event.object);
        break;
    }
}

static void watch_on_end(struct fetch *fetch)
{
    struct kube_watch *watch = fetch->arg;
    uint64_t lasted_ms = watch->loop->now_ms - watch->began_ms;
    uint64_t pause_ms = lasted_ms < WATCH_SHORTEST_MS ? WATCH_SHORTEST_MS - lasted_ms : 0;

    if (fetch->status == 200) {
        watch_heard(watch);
        if (!watch->telling)
            source_unchanged(watch->source);
        watch_next(watch, pause_ms);
    } else if (fetch->status == 0 && (!watch->resumed || lasted_ms >= WATCH_LONG_MS)) {
        watch->resumed = true;
        watch_next(watch, pause_ms);
    } else {
        watch_refused(watch, fetch);
    }
    fetch_stop(&watch->fetch);
}

static const struct fetch_ops watch_ops = {.on_json = watch_on_json, .on_end = watch_on_end};

/* ---- requests ---- */

static void watch_ask(struct kube_watch *watch)
{
    struct kube_client *client = &watch->client;

    if (watch->version) {
        watch->began_ms = watch->loop->now_ms;
        watch->fetch = kube_client_watch(client, watch->version, &watch_ops, watch);
        return;
    }
    if (!watch->listing)
        watch->listing = kube_slices_new(&watch->selection);
    watch->fetch = kube_client_list(client, watch->next_page, &list_ops, watch);
}

static void watch_on_next(struct loop_timer *timer)
{
    struct kube_watch *watch = container_of(timer, struct kube_watch, next);
    bool moved;
    char *why;

    CHECK(watch->fetch == NULL);
    if (kube_client_open(&watch->client, &moved, &why) != EG_OK) {
        watch_failed(watch, why, 0);
        free(why);
        return;
    }
    if (moved)
        drop_version(watch);
    watch_ask(watch);
}

/* ---- the provider ---- */

static void watch_on_reap(struct loop_task *task)
{
    struct kube_watch *watch = container_of(task, struct kube_watch, reap);

    drop_version(watch);
    kube_slices_free(watch->slices);
    kube_client_fini(&watch->client);
    free(watch);
}

static void *provider_kubernetes_start(struct discovery_source *source,
                                       const struct discovery_context *context)
{
    struct kube_watch *watch = xcalloc(1, sizeof(*watch));

    watch->source = source;
    watch->loop = context->loop;
    watch->selection = (struct kube_selection){
        .port = context->config->port_name,
        .zone = context->place.zone ? context->place.zone : "",
        .region = context->place.region ? context->place.region : "",
    };
    kube_client_init(&watch->client, context);
    loop_timer_init(&watch->next, watch_on_next);
    loop_timer_init(&watch->tell, watch_on_tell);
    loop_task_init(&watch->reap, watch_on_reap);
    watch_next(watch, 0);
    return watch;
}

static void provider_kubernetes_stop(void *arg)
{
    struct kube_watch *watch = arg;

    loop_timer_cancel(&watch->next);
    loop_timer_cancel(&watch->tell);
    fetch_stop(&watch->fetch);
    kube_client_stop(&watch->client);
    loop_reap(watch->loop, &watch->reap);
}

const struct discovery_provider discovery_kubernetes = {
    .name = "kubernetes",
    .start = provider_kubernetes_start,
    .stop = provider_kubernetes_stop,
};
