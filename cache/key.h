/*
 * Keys made comparable: RFC 9110 section 4.2.3. The host's case and a port that is the scheme's own
 * do not make another resource. Insiders only.
 */
#ifndef EVERGATE_CACHE_KEY_H
#define EVERGATE_CACHE_KEY_H

#include <stdint.h>

#include "cache/cache.h"

/* The same key without a default port, which slices into `key`. The host's case stays: compare
 * with cache_key_eq. */
struct cache_key cache_key_normalise(const struct cache_key *key);

/* Is it one resource? Of normalised keys; whatever the route. */
bool cache_key_eq(const struct cache_key *a, const struct cache_key *b);

/* Of a normalised key, whatever the route: SipHash-2-4, since clients choose the keys and must not
 * be able to send thousands of them to one bucket. */
uint64_t cache_key_hash(const struct cache_key *key, const uint64_t seed[2]);

#endif
