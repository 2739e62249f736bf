/*
 * How a watch of Kubernetes is doing: what the source hears of it, and when the next request is
 * due. The requests themselves, and what is in their answers, are provider_kubernetes.c's, where
 * the failures that are told apart here are explained.
 *
 * On the discovery thread.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_WATCH_H
#define EVERGATE_DISCOVERY_KUBE_WATCH_H

#include "discovery/announcement.h"
#include "discovery/kube_client.h"
#include "discovery/kube_listing.h"
#include "discovery/kube_slices.h"

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
    bool hasty;               /* the last watch ended as soon as it had begun */
    unsigned expired;         /* so many versions in a row were too old */
    uint64_t began_ms;        /* the watch */
    struct announcement tell; /* what events have changed */
    struct loop_timer next;   /* the next request; the provider's */
    struct loop_timer trial;  /* armed while a watch is doubted, and runs */
    struct loop_task reap;
};

/* With `source` and `loop` filled in; `next` is for the provider to make. */
void kube_watch_init(struct kube_watch *watch);
void kube_watch_stop(struct kube_watch *watch); /* ends its timers */

/* ---- what the source hears ---- */

/* The endpoints, as they are known. */
void kube_watch_tell(struct kube_watch *watch);
/* All is well, and nothing is new. */
void kube_watch_well(struct kube_watch *watch);

/* ---- what came of a request: all of these but the first two say when the next one is due ---- */

/* By a watch: the server knows us, and our version. The source is told next. */
void kube_watch_heard(struct kube_watch *watch);
/* A list was told while the watch is doubted: the next one must show that it runs. */
void kube_watch_try(struct kube_watch *watch);
/* A list or a watch that was not answered with 200, or not to its end. */
void kube_watch_refused(struct kube_watch *watch, const struct fetch *fetch);
/* What came after our version, or the next pages of our list, is forgotten (410). */
void kube_watch_expired(struct kube_watch *watch);
/* Before fetch_stop. */
void kube_watch_failed(struct kube_watch *watch, const char *why, uint64_t at_least_ms);

void kube_watch_next(struct kube_watch *watch, uint64_t after_ms);
/* What is known stands, but a list is next. */
void kube_watch_drop_version(struct kube_watch *watch);

#endif
