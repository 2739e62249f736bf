/*
 * Serving what is stored: see stale.h.
 *
 * Section 4.2.4 wants an explicit permission for stale answers. Here it is either the answer's own
 * stale-if-error or the operator's `fallback.stale`, which is the "out-of-band contract" of that
 * section.
 */
#include "cache/stale.h"

struct cache_stale_rule cache_stale_rule_of(const struct cache_freshness *freshness,
                                            const struct cache_control *control, int64_t came_s)
{
    return (struct cache_stale_rule){
        .came_s = came_s,
        .initial_age_s = freshness->initial_age_s,
        .lifetime_s = freshness->lifetime_s,
        .limit_s =
            cache_control_has(control, CACHE_STALE_IF_ERROR) ? control->stale_if_error_s : -1,
        /* For a shared cache s-maxage means proxy-revalidate (section 5.2.2.10), also beside
         * stale-if-error. */
        .forbidden = cache_control_has(control, CACHE_NO_CACHE | CACHE_MUST_REVALIDATE |
                                                    CACHE_PROXY_REVALIDATE | CACHE_S_MAXAGE),
    };
}

int64_t cache_age(const struct cache_stale_rule *rule, int64_t wall_s)
{
    return rule->initial_age_s + (wall_s > rule->came_s ? wall_s - rule->came_s : 0);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * max-age and min-fresh of a request are wishes (section 5.2.1) and give way: stale-if-error is
 * "regardless of other freshness information". no-cache is a demand for validation and does not.
 * max-stale=N and stale-if-error=N say how old the client takes it.
 */
bool cache_may_serve(const struct cache_stale_rule *rule, const struct cache_control *asked,
                     int64_t wall_s, uint64_t stale_ms)
{
    int64_t beyond_s = cache_age(rule, wall_s) - rule->lifetime_s;
    int64_t limit_s = rule->limit_s >= 0 ? rule->limit_s : (int64_t)((stale_ms + 999) / 1000);

    if (cache_control_has(asked, CACHE_NO_CACHE))
        return false;
    if (beyond_s < 0)
        return true;
    if (rule->forbidden)
        return false;
    if (cache_control_has(asked, CACHE_STALE_IF_ERROR))
        limit_s = least(limit_s, asked->stale_if_error_s);
    if (cache_control_has(asked, CACHE_MAX_STALE))
        limit_s = least(limit_s, asked->max_stale_s);
    return beyond_s <= limit_s && limit_s > 0;
}
