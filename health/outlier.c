/* Outlier detection: see outlier.h. */
#include "health/outlier.h"

enum { OUTLIER_MAX_DOUBLINGS = 30, OUTLIER_TIMES_THE_REST = 2 };

void outlier_init(struct outlier *outlier, const struct config_outlier *config, uint64_t now_us)
{
    *outlier = (struct outlier){.config = config, .since_us = now_us};
    window_init(&outlier->window, config->window_ms);
}

void outlier_change(struct outlier *outlier, const struct config_outlier *config)
{
    outlier->config = config;
    window_change(&outlier->window, config->window_ms);
}

void outlier_count(struct outlier *outlier, uint64_t count, uint64_t now_us)
{
    if (!outlier->ejected)
        window_add(&outlier->window, now_us, count, 0);
}

void outlier_success(struct outlier *outlier, uint64_t picked_us)
{
    if (!outlier->ejected && picked_us >= outlier->since_us)
        outlier->row = 0;
}

/* Is the share of errors at least twice that of the rest? Without a rest there is nothing to be
 * compared with. Cross-multiplied, so that no division loses anything. */
static bool outlier_stands_out(struct window_totals own, struct window_totals rest)
{
    uint64_t own_all = own.good + own.bad, rest_all = rest.good + rest.bad;

    return rest_all > 0 && own.bad * rest_all >= OUTLIER_TIMES_THE_REST * rest.bad * own_all;
}

enum outlier_cause outlier_failure(struct outlier *outlier, const struct outlier_outcome *outcome,
                                   uint64_t now_us)
{
    const struct config_outlier *config = outlier->config;
    struct window_totals own;

    if (outlier->ejected || outcome->picked_us < outlier->since_us)
        return OUTLIER_CAUSE_NONE;
    outlier->row++;
    if (outcome->late)
        window_turn_bad(&outlier->window, now_us);
    else
        window_add(&outlier->window, now_us, 0, 1);
    if (config->consecutive_5xx > 0 && outlier->row >= config->consecutive_5xx)
        return OUTLIER_CAUSE_ROW;
    own = window_sum(&outlier->window, now_us);
    if (window_is_bad(own, config->error_percent, config->min_requests) &&
        outlier_stands_out(own, outcome->rest))
        return OUTLIER_CAUSE_RATE;
    return OUTLIER_CAUSE_NONE;
}

/* One ejection is forgiven for every base_ejection of service since the last one. */
static void outlier_forgive(struct outlier *outlier, uint64_t now_us)
{
    uint64_t base_us = outlier->config->base_ejection_ms * 1000;
    uint64_t forgiven = base_us > 0 ? (now_us - outlier->since_us) / base_us : outlier->in_row;

    outlier->in_row = forgiven < outlier->in_row ? outlier->in_row - (unsigned)forgiven : 0;
}

static uint64_t outlier_ejection_us(const struct outlier *outlier)
{
    uint64_t us = outlier->config->base_ejection_ms * 1000;
    uint64_t max_us = outlier->config->max_ejection_ms * 1000;

    if (max_us < us)
        max_us = us;
    for (unsigned i = 1; i < outlier->in_row && us < max_us; i++)
        us *= 2;
    return us < max_us ? us : max_us;
}

static void outlier_set(struct outlier *outlier, bool ejected, uint64_t now_us)
{
    outlier->ejected = ejected;
    outlier->since_us = now_us;
    outlier->row = 0;
    window_clear(&outlier->window);
}

void outlier_eject(struct outlier *outlier, uint64_t now_us)
{
    outlier_forgive(outlier, now_us);
    outlier->ejections++;
    if (outlier->in_row < OUTLIER_MAX_DOUBLINGS)
        outlier->in_row++;
    outlier->until_us = now_us + outlier_ejection_us(outlier);
    outlier_set(outlier, true, now_us);
}

bool outlier_keep(struct outlier *outlier, uint64_t now_us)
{
    if (!outlier->ejected || now_us < outlier->until_us)
        return false;
    outlier_set(outlier, false, now_us);
    return true;
}

bool outlier_reset(struct outlier *outlier, uint64_t now_us)
{
    bool was_ejected = outlier->ejected;

    outlier->in_row = 0;
    outlier_set(outlier, false, now_us);
    return was_ejected;
}

bool outlier_pool_allows(const struct outlier_pool *pool, unsigned max_ejected_percent)
{
    return pool->others_usable > 0 &&
           (uint64_t)(pool->ejected + 1) * 100 <= (uint64_t)pool->endpoints * max_ejected_percent;
}
