/* What a watch of Kubernetes makes of what it heard. See kube_watch.h. */
#include "discovery/kube_watch.h"

#include <stdlib.h>

enum {
    TRIAL_MS = 500,          /* a watch that is of no use fails as soon as it has begun */
    EXPIRED_PAUSE_MS = 1000, /* for each version in a row that is too old */
    EXPIRED_PAUSE_MAX_MS = 30 * 1000,
};

/* ---- what the source hears ---- */

static void on_refused(void *arg, const char *sentence)
{
    struct kube_watch *watch = arg;

    source_refused(watch->source, "%s", sentence);
}

void kube_watch_tell(struct kube_watch *watch)
{
    announcement_made(&watch->tell);
    kube_slices_refused(watch->slices, on_refused, watch);
    if (watch->doubted)
        source_found_while_failing(watch->source, kube_slices_endpoints(watch->slices));
    else
        source_found(watch->source, kube_slices_endpoints(watch->slices));
}

static void on_tell(struct announcement *tell)
{
    kube_watch_tell(container_of(tell, struct kube_watch, tell));
}

/* Nothing that the source had not heard, or will hear in a moment. */
void kube_watch_well(struct kube_watch *watch)
{
    if (!watch->tell.due)
        source_unchanged(watch->source);
}

/* ---- what is next ---- */

void kube_watch_next(struct kube_watch *watch, uint64_t after_ms)
{
    loop_timer_set(watch->loop, &watch->next, after_ms);
}

/* What is known stands, but a list is next. */
void kube_watch_drop_version(struct kube_watch *watch)
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
void kube_watch_failed(struct kube_watch *watch, const char *why, uint64_t at_least_ms)
{
    if (watch->tell.due)
        kube_watch_tell(watch);
    loop_timer_cancel(&watch->trial);
    if (watch_was_answered(watch))
        watch->doubted = true;
    kube_watch_drop_version(watch);
    watch->resumed = watch->renewed = false;
    uint64_t delay_ms = source_failed(watch->source, "%s", why);
    kube_watch_next(watch, delay_ms > at_least_ms ? delay_ms : at_least_ms);
}

/* What came after our version, or the next pages of our list, is forgotten. Once is no failure. */
void kube_watch_expired(struct kube_watch *watch)
{
    uint64_t pause_ms = (uint64_t)watch->expired * EXPIRED_PAUSE_MS;

    if (watch->expired++ > 0) {
        kube_watch_failed(watch,
                          "status 410 once more: the API server forgets what it has just listed",
                          pause_ms < EXPIRED_PAUSE_MAX_MS ? pause_ms : EXPIRED_PAUSE_MAX_MS);
        return;
    }
    kube_watch_drop_version(watch);
    kube_watch_next(watch, 0);
}

/* The server knows us, and our version. The source hears of it next. */
void kube_watch_heard(struct kube_watch *watch)
{
    loop_timer_cancel(&watch->trial);
    watch->doubted = watch->resumed = watch->renewed = false;
    watch->expired = 0;
}

static void on_trial(struct loop_timer *timer)
{
    struct kube_watch *watch = container_of(timer, struct kube_watch, trial);

    if (!watch->fetch || !watch->fetch->begun) {
        loop_timer_set(watch->loop, &watch->trial, TRIAL_MS);
        return;
    }
    watch->doubted = false;
    kube_watch_well(watch);
}

/* A list or a watch that was not answered with 200, or not to its end. */
void kube_watch_refused(struct kube_watch *watch, const struct fetch *fetch)
{
    const char *verb = watch->version ? "watch" : "list";
    char why[KUBE_PROBLEM_BYTES];

    if (fetch->status == 401 && !watch->renewed) {
        watch->client.renew = watch->renewed = true;
        kube_listing_drop(&watch->listing);
        kube_watch_next(watch, 0);
    } else if (fetch->status == 410) {
        kube_watch_expired(watch);
    } else if (fetch->status == 0 || fetch->status == 200) {
        kube_watch_failed(watch, fetch->why, 0);
    } else {
        kube_client_problem(&watch->client, why, verb, fetch->status, fetch->json);
        kube_watch_failed(watch, why, kube_client_pause_ms(fetch));
    }
}

/* ---- life ---- */

void kube_watch_try(struct kube_watch *watch)
{
    if (watch->doubted)
        loop_timer_set(watch->loop, &watch->trial, TRIAL_MS);
}

void kube_watch_init(struct kube_watch *watch)
{
    loop_timer_init(&watch->trial, on_trial);
    announcement_init(&watch->tell, watch->loop, on_tell);
}

void kube_watch_stop(struct kube_watch *watch)
{
    loop_timer_cancel(&watch->next);
    loop_timer_cancel(&watch->trial);
    announcement_cancel(&watch->tell);
}
