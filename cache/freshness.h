/*
 * How old an answer is and how long it is fresh: RFC 9111 section 4.2. Insiders only.
 *
 * All times are wall clock seconds: the dates in a head are, and so is what Age is computed from.
 */
#ifndef EVERGATE_CACHE_FRESHNESS_H
#define EVERGATE_CACHE_FRESHNESS_H

#include "cache/cache_control.h"
#include "http/head.h"

struct cache_freshness {
    int64_t date_s;        /* Date, else when it came (RFC 9110 section 6.6.1) */
    bool has_date;         /* it sent one that can be read */
    int64_t initial_age_s; /* when it came */
    int64_t lifetime_s;
    bool is_explicit; /* the lifetime was said, not guessed from Last-Modified */
};

/* `wall_s` is when the answer came. */
struct cache_freshness cache_freshness_of(const struct http_response_head *response,
                                          const struct cache_control *control, int64_t wall_s);

#endif
