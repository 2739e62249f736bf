/* May a stored answer be served now, without asking anybody? RFC 9111 section 4.2.4, RFC 5861
 * section 4. Insiders only. */
#ifndef EVERGATE_CACHE_STALE_H
#define EVERGATE_CACHE_STALE_H

#include "cache/freshness.h"

/* What remains of an answer's head for this question. */
struct cache_stale_rule {
    int64_t came_s; /* wall clock */
    int64_t initial_age_s, lifetime_s;
    int64_t limit_s; /* how far beyond its lifetime; -1: as the configuration says */
    bool forbidden;  /* never stale */
};

struct cache_stale_rule cache_stale_rule_of(const struct cache_freshness *freshness,
                                            const struct cache_control *control, int64_t came_s);

/* Section 4.2.3's current_age. A wall clock that was set back makes nothing younger than it was. */
int64_t cache_age(const struct cache_stale_rule *rule, int64_t wall_s);

/* `asked` is the request's Cache-Control. */
bool cache_may_serve(const struct cache_stale_rule *rule, const struct cache_control *asked,
                     int64_t wall_s, uint64_t stale_ms);

#endif
