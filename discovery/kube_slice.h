/*
 * One EndpointSlice (discovery.k8s.io/v1), read: which endpoint objects it makes, and what of it
 * is refused.
 *
 * https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
 *
 *   ready                        healthy     (not said: ready)
 *   serving and terminating      draining    (serving not said: as ready)
 *   terminating, not serving     left out
 *   neither                      unhealthy
 *
 * Of an endpoint's addresses the first one counts: the others have no defined meaning. Its zone is
 * what the hints say, for they tell who is to use it; without hints, where it stands. Pure.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_SLICE_H
#define EVERGATE_DISCOVERY_KUBE_SLICE_H

#include <jansson.h>

enum {
    KUBE_NAME_BYTES = 253,       /* of objects: RFC 1123 subdomains */
    KUBE_SLICE_ENDPOINTS = 1000, /* an API server takes no more in one */
};

/* What of slices counts here. */
struct kube_selection {
    const char *port;          /* a name or a number; "": the only one */
    const char *zone, *region; /* of this instance; "": not known */
};

/* Both the caller's references, never NULL. */
struct kube_slice {
    json_t *endpoints; /* objects: id, address, zone, region, metadata, reported */
    json_t *refused;   /* sentences */
};

struct kube_slice kube_slice_read(const json_t *object, const struct kube_selection *selection);

/* metadata.name; NULL: it has none that could be one. Valid as long as `object`. */
const char *kube_slice_name(const json_t *object);

/* A text of `object` that can be a name of Kubernetes: visible ASCII, of at most KUBE_NAME_BYTES.
 * Else NULL. */
const char *kube_name_of(const json_t *object, const char *key);

#endif
