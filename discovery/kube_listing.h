/*
 * A list that is under way: the slices of its pages so far, and where the next one begins. What is
 * not whole is no answer, so nothing of it counts before the last page is in. Pure.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
#ifndef EVERGATE_DISCOVERY_KUBE_LISTING_H
#define EVERGATE_DISCOVERY_KUBE_LISTING_H

#include "base/error.h"
#include "discovery/kube_slices.h"

enum { KUBE_LISTING_PAGES = 1000 };

struct kube_listing {
    struct kube_slices *slices; /* NULL: none is under way */
    char *next_page;            /* NULL: the first one */
    unsigned pages;
};

/* Unless it has begun. `selection` must outlive the slices. */
void kube_listing_begin(struct kube_listing *listing, const struct kube_selection *selection);
void kube_listing_drop(struct kube_listing *listing);

/* An answer. NULL, or a sentence: it is no page, or one too many. *ret_version: the list's, of the
 * last page, and NULL before; valid as long as `list`. */
const char *kube_listing_take(struct kube_listing *listing, const json_t *list,
                              const char **ret_version) WARN_UNUSED;

/* After the last page: the slices, the caller's; then there is no list under way any more. */
struct kube_slices *kube_listing_finish(struct kube_listing *listing);

#endif
