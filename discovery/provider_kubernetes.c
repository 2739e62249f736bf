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
 *   - after a failure there is a list. Where it was a watch that failed, though the server could be
 *     asked (RBAC knows lists and watches apart), the list is taken, but all is well only when the
 *     next watch has run for a moment: else each round would be an end and a beginning;
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
#include "discovery/announcement.h"
#include "discovery/kube_client.h"
#include "discovery/kube_listing.h"
#include "discovery/kube_slices.h"
#include "discovery/providers.h"

enum {
    WATCH_SHORTEST_MS = 1000,  /* a server that ends each at once is not asked in a circle */
    WATCH_LONG_MS = 10 * 1000, /* load balancers cut what was silent for 30 s, and some sooner */
    TRIAL_MS = 500,            /* a watch that is of no use fails as soon as it has begun */
    EXPIRED_PAUSE_MS = 1000,   /* for each version in a row that is too old */
    EXPIRED_PAUSE_MAX_MS = 30 * 1000,
};

struct kube_watch {
    struct discovery_source *source;
    struct loop *loop;
    struct kube_selection selection;
    struct kube_client client;
    struct fetch *fetch; /* NULL: none is under way */

    struct kube_slices *slices; /* as listed, and watched since; NULL: never yet */
    char *version;              /* theirs; NULL: a list is next */
    struct kube_listing listing;

    bool renewed;             /* the token was read anew for a 401, nothing was answered since */
    bool resumed;             /* a watch broke off, and nothing was heard since */
    bool doubted;             /* the last watch failed, and none has run since */
    unsigned expired;         /* so many versions in a row were too old */
    uint64_t began_ms;        /* the watch */
    struct announcement tell; /* what events have changed */
    struct loop_timer next;   /* the next request */
    struct loop_timer trial;  /* armed while a watch is doubted, and runs */
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
    announcement_made(&watch->tell);
    kube_slices_refused(watch->slices, on_refused, watch);
    if (watch->doubted)
        source_found_while_failing(watch->source, kube_slices_endpoints(watch->slices));
    else
        source_found(watch->source, kube_slices_endpoints(watch->slices));
}

static void watch_on_tell(struct announcement *tell)
{
    watch_tell(container_of(tell, struct kube_watch, tell));
}

/* Nothing that the source had not heard, or will hear in a moment. */
static void watch_well(struct kube_watch *watch)
{
    if (!watch->tell.due)
        source_unchanged(watch->source);
}

/* ---- what is next ---- */

static void watch_next(struct kube_watch *watch, uint64_t after_ms)
{
    loop_timer_set(watch->loop, &watch->next, after_ms);
}

/* What is known stands, but a list is next. */
static void drop_version(struct kube_watch *watch)
{
    kube_listing_drop(&watch->listing);
    free(watch->version);
    watch->version = NULL;
}

/* It was a watch, and the server was there. */
static bool watch_was_answered(const struct kube_watch *watch)
{
    return watch->version && watch->fetch && (watch->fetch->begun || watch->fetch->status != 0);
}

/* Before fetch_stop. What was heard before it is told first: told later, it would say that all is
 * well. */
static void watch_failed(struct kube_watch *watch, const char *why, uint64_t at_least_ms)
{
    if (watch->tell.due)
        watch_tell(watch);
    loop_timer_cancel(&watch->trial);
    if (watch_was_answered(watch))
        watch->doubted = true;
    drop_version(watch);
    watch->resumed = watch->renewed = false;
    uint64_t delay_ms = source_failed(watch->source, "%s", why);
    watch_next(watch, delay_ms > at_least_ms ? delay_ms : at_least_ms);
}

/* What came after our version, or the next pages of our list, is forgotten. Once is no failure. */
static void watch_expired(struct kube_watch *watch)
{
    uint64_t pause_ms = (uint64_t)watch->expired * EXPIRED_PAUSE_MS;

    if (watch->expired++ > 0) {
        watch_failed(watch, "status 410 once more: the API server forgets what it has just listed",
                     pause_ms < EXPIRED_PAUSE_MAX_MS ? pause_ms : EXPIRED_PAUSE_MAX_MS);
        return;
    }
    drop_version(watch);
    watch_next(watch, 0);
}

/* The server knows us, and our version. The source hears of it next. */
static void watch_heard(struct kube_watch *watch)
{
    loop_timer_cancel(&watch->trial);
    watch->doubted = watch->resumed = watch->renewed = false;
    watch->expired = 0;
}

static void watch_on_trial(struct loop_timer *timer)
{
    struct kube_watch *watch = container_of(timer, struct kube_watch, trial);

    if (!watch->fetch || !watch->fetch->begun) {
        loop_timer_set(watch->loop, &watch->trial, TRIAL_MS);
        return;
    }
    watch->doubted = false;
    watch_well(watch);
}

/* A list or a watch that was not answered with 200, or not to its end. */
static void watch_refused(struct kube_watch *watch, const struct fetch *fetch)
{
    const char *verb = watch->version ? "watch" : "list";
    char why[KUBE_PROBLEM_BYTES];

    if (fetch->status == 401 && !watch->renewed) {
        watch->client.renew = watch->renewed = true;
        kube_listing_drop(&watch->listing);
        watch_next(watch, 0);
    } else if (fetch->status == 410) {
        watch_expired(watch);
    } else if (fetch->status == 0 || fetch->status == 200) {
        watch_failed(watch, fetch->why, 0);
    } else {
        kube_client_problem(&watch->client, why, verb, fetch->status, fetch->json);
        watch_failed(watch, why, kube_client_pause_ms(fetch));
    }
}

/* ---- the list ---- */

/* The last page is in. */
static void take_list(struct kube_watch *watch, const char *version)
{
    kube_slices_free(watch->slices);
    watch->slices = kube_listing_finish(&watch->listing);
    watch->version = xstrdup(version);
    watch->renewed = watch->resumed = false;
    watch_tell(watch);
    if (watch->doubted)
        loop_timer_set(watch->loop, &watch->trial, TRIAL_MS);
}

static void take_page(struct kube_watch *watch, const json_t *list)
{
    const char *version, *why = kube_listing_take(&watch->listing, list, &version);

    if (why) {
        watch_failed(watch, why, 0);
        return;
    }
    if (version)
        take_list(watch, version);
    watch_next(watch, 0);
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
        announcement_soon(&watch->tell, kube_slices_size(watch->slices));
    watch_well(watch);
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
        watch_expired(watch);
        fetch_stop(&watch->fetch);
        break;
    case KUBE_EVENT_ERROR:
        take_error(watch, event.object);
        fetch_stop(&watch->fetch);
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
        watch_well(watch);
        watch_next(watch, pause_ms);
    } else if (fetch->status == 0 &&
               (!watch->resumed || (fetch->begun && lasted_ms >= WATCH_LONG_MS))) {
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
    kube_listing_begin(&watch->listing, &watch->selection);
    watch->fetch = kube_client_list(client, watch->listing.next_page, &list_ops, watch);
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
    loop_timer_init(&watch->trial, watch_on_trial);
    announcement_init(&watch->tell, watch->loop, watch_on_tell);
    loop_task_init(&watch->reap, watch_on_reap);
    watch_next(watch, 0);
    return watch;
}

static void provider_kubernetes_stop(void *arg)
{
    struct kube_watch *watch = arg;

    loop_timer_cancel(&watch->next);
    loop_timer_cancel(&watch->trial);
    announcement_cancel(&watch->tell);
    fetch_stop(&watch->fetch);
    kube_client_stop(&watch->client);
    loop_reap(watch->loop, &watch->reap);
}

const struct discovery_provider discovery_kubernetes = {
    .start = provider_kubernetes_start,
    .stop = provider_kubernetes_stop,
};
