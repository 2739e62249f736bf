/*
 * The words of the Kubernetes API, as far as lists and watches of EndpointSlices need them: targets
 * of requests, events of a watch, what a refusal means.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 *
 * Pure.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_API_H
#define EVERGATE_DISCOVERY_KUBE_API_H

#include <jansson.h>
#include <stdbool.h>

enum { KUBE_PAGE_ITEMS = 500, KUBE_PROBLEM_BYTES = 400 };

/* Which slices, and where. `path`: what every target begins with (kube_account.h). */
struct kube_scope {
    const char *path, *namespace, *service;
};

/* Heap. `continue_token` is the page's before; NULL: the first page. */
char *kube_list_target(const struct kube_scope *scope, const char *continue_token);
/* Heap. From `version` on; the server ends it after `seconds`. */
char *kube_watch_target(const struct kube_scope *scope, const char *version, unsigned seconds);

/* metadata.resourceVersion and metadata.continue: opaque, but they go back into a target. NULL:
 * there is none. Valid as long as `object`. */
const char *kube_version_of(const json_t *object);
const char *kube_continue_of(const json_t *list);

enum kube_event_type {
    KUBE_EVENT_UNKNOWN, /* of a later API, or nonsense: to be passed over */
    KUBE_EVENT_PUT,     /* ADDED, MODIFIED */
    KUBE_EVENT_DELETED,
    KUBE_EVENT_BOOKMARK, /* nothing but a resourceVersion */
    KUBE_EVENT_EXPIRED,  /* ERROR 410: what came after our version is forgotten; list again */
    KUBE_EVENT_ERROR,    /* any other ERROR */
};
struct kube_event {
    enum kube_event_type type;
    const json_t *object; /* the event's */
};
struct kube_event kube_event_read(const json_t *json);

/* What somebody sent as a text, fit for a sentence: ASCII without control characters, into `out`
 * (WORDS_QUOTE_BYTES); returns it. "": it is none. */
const char *kube_quote(char *out, const json_t *text);

/* What an answer's status means to an operator, into `out` (KUBE_PROBLEM_BYTES); returns it.
 * `body`: a Status, or NULL. */
struct kube_asker {
    const char *verb; /* "list", "watch" */
    const struct kube_scope *scope;
    bool in_cluster, withheld; /* kube_account.h */
    const char *unread;        /* why there are no newer credentials; NULL: there are none */
};
const char *kube_problem(char out[KUBE_PROBLEM_BYTES], int status, const json_t *body,
                         const struct kube_asker *asker);

#endif
