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
 * What is made of them is in kube_watch.c. On the discovery thread; one request at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/kube_watch.h"
#include "discovery/providers.h"

enum {
    WATCH_SHORT_MS = 1000,     /* a server that ends each at once is not asked in a circle */
    WATCH_LONG_MS = 10 * 1000, /* load balancers cut what was silent for 30 s, and some sooner */
};

/* ---- the list ---- */

/* The last page is in. */
static void take_list(struct kube_watch *watch, const char *version)
{
    kube_slices_free(watch->slices);
    watch->slices = kube_listing_finish(&watch->listing);
    watch->version = xstrdup(version);
    watch->renewed = watch->resumed = false;
    kube_watch_tell(watch);
    kube_watch_try(watch);
}

static void take_page(struct kube_watch *watch, const json_t *list)
{
    const char *version, *why = kube_listing_take(&watch->listing, list, &version);

    if (why) {
        kube_watch_failed(watch, why, 0);
        return;
    }
    if (version)
        take_list(watch, version);
    kube_watch_next(watch, 0);
}

static void list_on_end(struct fetch *fetch)
{
    struct kube_watch *watch = fetch->arg;

    if (fetch->status == 200 && fetch->json)
        take_page(watch, fetch->json);
    else
        kube_watch_refused(watch, fetch);
    fetch_stop(&watch->fetch);
}

static const struct fetch_ops list_ops = {.on_end = list_on_end};

/* ---- the watch ---- */

/* In order, so the last one heard is where to go on; a bookmark is one too. */
static void take_version(struct kube_watch *watch, const json_t *object)
{
    const char *version = kube_version_of(object);

    kube_watch_heard(watch);
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
    kube_watch_well(watch);
}

static void take_error(struct kube_watch *watch, const struct kube_event *event)
{
    int code = (int)json_integer_value(json_object_get(event->object, "code"));
    char why[KUBE_PROBLEM_BYTES];

    if (event->type == KUBE_EVENT_EXPIRED)
        kube_watch_expired(watch);
    else
        kube_watch_failed(
            watch, kube_client_problem(&watch->client, why, "watch", code, event->object), 0);
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
    case KUBE_EVENT_ERROR:
        take_error(watch, &event);
        fetch_stop(&watch->fetch);
        break;
    }
}

/* Once it may happen: a server is restarted. */
static uint64_t pause_after_ms(struct kube_watch *watch, uint64_t lasted_ms)
{
    bool was_hasty = watch->hasty;

    watch->hasty = lasted_ms < WATCH_SHORT_MS;
    return was_hasty && watch->hasty ? WATCH_SHORT_MS - lasted_ms : 0;
}

static void watch_on_end(struct fetch *fetch)
{
    struct kube_watch *watch = fetch->arg;
    uint64_t lasted_ms = watch->loop->now_ms - watch->began_ms;
    uint64_t pause_ms = pause_after_ms(watch, lasted_ms);

    if (fetch->status == 200) {
        kube_watch_heard(watch);
        kube_watch_well(watch);
        kube_watch_next(watch, pause_ms);
    } else if (fetch->status == 0 &&
               (!watch->resumed || (fetch->begun && lasted_ms >= WATCH_LONG_MS))) {
        watch->resumed = true;
        kube_watch_next(watch, pause_ms);
    } else {
        kube_watch_refused(watch, fetch);
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
        kube_watch_failed(watch, why, 0);
        free(why);
        return;
    }
    if (moved)
        kube_watch_drop_version(watch);
    watch_ask(watch);
}

/* ---- the provider ---- */

static void watch_on_reap(struct loop_task *task)
{
    struct kube_watch *watch = container_of(task, struct kube_watch, reap);

    kube_watch_drop_version(watch);
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
    kube_watch_init(watch);
    loop_task_init(&watch->reap, watch_on_reap);
    kube_watch_next(watch, 0);
    return watch;
}

static void provider_kubernetes_stop(void *arg)
{
    struct kube_watch *watch = arg;

    kube_watch_stop(watch);
    fetch_stop(&watch->fetch);
    kube_client_stop(&watch->client);
    loop_reap(watch->loop, &watch->reap);
}

const struct discovery_provider discovery_kubernetes = {
    .start = provider_kubernetes_start,
    .stop = provider_kubernetes_stop,
};
