/*
 * Cache-Control as read: RFC 9111 section 5.2, of requests and of answers, with RFC 5861's
 * stale-if-error. Insiders only.
 */
#ifndef EVERGATE_CACHE_CACHE_CONTROL_H
#define EVERGATE_CACHE_CACHE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "http/fields.h"

enum cache_directive {
    CACHE_NO_STORE = 1,
    CACHE_NO_CACHE = 2,
    CACHE_PRIVATE = 4,
    CACHE_PUBLIC = 8,
    CACHE_MUST_REVALIDATE = 16,
    CACHE_PROXY_REVALIDATE = 32,
    CACHE_MAX_AGE = 64,
    CACHE_S_MAXAGE = 128,
    CACHE_STALE_IF_ERROR = 256,
    CACHE_MAX_STALE = 512,
};

struct cache_control {
    unsigned have; /* CACHE_* */
    /* Of those that are there and take one. What is no number of seconds reads 0 for the first
     * two (section 4.2.1: such an answer is stale) and as if absent for the others. */
    int64_t max_age_s, s_maxage_s, stale_if_error_s;
    int64_t max_stale_s; /* INT64_MAX: any */
};

static inline bool cache_control_has(const struct cache_control *control, unsigned directives)
{
    return (control->have & directives) != 0;
}

/*
 * All Cache-Control fields together; the first of a repeated directive counts (section 4.2.1).
 * no-cache="..." and private="..." are taken for the whole answer, as section 5.2.2.4 allows. A
 * quote that is never closed reads as no-store: it may hide anything.
 */
struct cache_control cache_control_parse(const struct http_fields *fields);

/* The same for a request, where Pragma: no-cache counts as long as there is no Cache-Control
 * (section 5.4). */
struct cache_control cache_control_parse_request(const struct http_fields *fields);

/* delta-seconds, section 1.2.2: what is too large is 2^31. False when it is no number. */
bool cache_seconds_parse(struct slice text, int64_t *ret_seconds);

#endif
