/* See kube_listing.h. */
#include "discovery/kube_listing.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/kube_api.h"

void kube_listing_begin(struct kube_listing *listing, const struct kube_selection *selection)
{
    if (!listing->slices)
        listing->slices = kube_slices_new(selection);
}

void kube_listing_drop(struct kube_listing *listing)
{
    kube_slices_free(listing->slices);
    free(listing->next_page);
    *listing = (struct kube_listing){0};
}

const char *kube_listing_take(struct kube_listing *listing, const json_t *list,
                              const char **ret_version)
{
    const json_t *items = json_object_get(list, "items"), *item;
    const char *version = kube_version_of(list), *next_page = kube_continue_of(list);
    size_t i;

    *ret_version = NULL;
    /* "items": null is how Go writes that there are none. */
    if ((!json_is_array(items) && !json_is_null(items)) || !version)
        return "the answer to the list is no EndpointSliceList";
    json_array_foreach(items, i, item) kube_slices_put(listing->slices, item);
    if (!next_page) {
        *ret_version = version;
        return NULL;
    }
    if (++listing->pages >= KUBE_LISTING_PAGES)
        return "the list does not end";
    free(listing->next_page);
    listing->next_page = xstrdup(next_page);
    return NULL;
}

struct kube_slices *kube_listing_finish(struct kube_listing *listing)
{
    struct kube_slices *slices = listing->slices;

    listing->slices = NULL;
    kube_listing_drop(listing);
    return slices;
}
