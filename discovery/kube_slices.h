/*
 * The slices of a service, by name, and the full set of endpoints that they make together.
 *
 * A service has many slices, and while the control plane moves pods between them, the same pod
 * stands in two: it is taken once, as ready as it is said to be anywhere. A pod that is in an IPv4
 * and an IPv6 slice is taken once too, by its IPv4 address: it is one instance. Pure.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_SLICES_H
#define EVERGATE_DISCOVERY_KUBE_SLICES_H

#include <jansson.h>
#include <stdbool.h>

#include "discovery/kube_slice.h"

enum {
    KUBE_SLICES = 16384, /* that are kept; what comes after them is refused */
    /* Endpoints and refusals of all of them, before what is the same counts once. */
    KUBE_SLICES_ITEMS = 131072,
};

struct kube_slices;

/* `selection` must outlive it. */
struct kube_slices *kube_slices_new(const struct kube_selection *selection);
void kube_slices_free(struct kube_slices *slices); /* NULL is fine */

/* A slice that is there (now): an item of a list, ADDED, MODIFIED. `object` is not kept. True: it
 * says something else than before. */
bool kube_slices_put(struct kube_slices *slices, const json_t *object);
/* DELETED. True: there was one of its name. */
bool kube_slices_remove(struct kube_slices *slices, const json_t *object);

size_t kube_slices_size(const struct kube_slices *slices); /* in items */
/* An array for source_found, sorted by id; the caller's reference. */
json_t *kube_slices_endpoints(const struct kube_slices *slices);
/* A sentence for each thing that is left out. */
void kube_slices_refused(const struct kube_slices *slices,
                         void (*tell)(void *arg, const char *sentence), void *arg);

#endif
