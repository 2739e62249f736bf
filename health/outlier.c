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

/* In hundredths of a failure, as the spell's excess. Fewer than so many would be chance too often,
 * however few requests make a window. */
static int64_t outlier_margin(const struct outlier *outlier)
{
    unsigned failures = outlier->config->min_requests;

    return 100 * (int64_t)(failures > OUTLIER_MARGIN ? failures : OUTLIER_MARGIN);
}

/* The others are looked at early enough for them to have had requests of their own by then. */
static int64_t outlier_suspicion(const struct outlier *outlier)
{
    return outlier_margin(outlier) / 4;
}

bool outlier_compares(const struct outlier *outlier)
{
    unsigned percent = outlier->config->error_percent;

    /* One more adds a hundred at most. */
    return percent > 0 &&
           spell_excess(&outlier->spell, percent) + 100 >= outlier_suspicion(outlier);
}

void outlier_count(struct outlier *outlier, uint64_t count, uint64_t now_us)
{
    if (outlier->ejected)
        return;
    window_add(&outlier->window, now_us, count, 0);
    spell_good(&outlier->spell, outlier->config->error_percent, count);
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

static void outlier_learn(struct outlier *outlier, const struct outlier_outcome *outcome,
                          uint64_t now_us)
{
    const struct window *window = &outlier->window;

    outlier->row++;
    if (outcome->late)
        window_turn_bad(&outlier->window, now_us);
    else
        window_add(&outlier->window, now_us, 0, 1);
    /* A spell is a part of the window: what has gone on for longer is judged by the whole of it. */
    if (now_us - outlier->spell.since_us > (WINDOW_BUCKETS - 1) * window->bucket_us)
        outlier->spell.totals = (struct window_totals){0};
    spell_bad(&outlier->spell, outlier->config->error_percent, outcome->late, now_us);
}

static bool outlier_window_is_bad(const struct outlier *outlier, struct window_totals own,
                                  struct window_totals rest)
{
    const struct config_outlier *config = outlier->config;

    return window_is_bad(own, config->error_percent, config->min_requests) &&
           outlier_stands_out(own, rest);
}

/* What the others had since they were first looked at: in a part of the spell only, but a failure
 * that all have in common is not diluted by what was before it. An answer that ended early had been
 * a success: these may have become fewer. */
static struct window_totals outlier_rest(const struct outlier *outlier, struct window_totals others)
{
    struct window_totals then = outlier->others_then;

    return (struct window_totals){others.good > then.good ? others.good - then.good : 0,
                                  others.bad - then.bad};
}

static bool outlier_spell_is_bad(struct outlier *outlier, struct window_totals others)
{
    unsigned percent = outlier->config->error_percent;
    int64_t excess = spell_excess(&outlier->spell, percent), margin = outlier_margin(outlier);
    struct window_totals own = outlier->spell.totals, rest;

    if (percent == 0 || excess < outlier_suspicion(outlier)) {
        outlier->suspect = false;
        return false;
    }
    if (!outlier->suspect)
        outlier->others_then = others;
    outlier->suspect = true;
    if (excess < margin)
        return false;
    rest = outlier_rest(outlier, others);
    own.good += (uint64_t)margin / 100;
    own.bad -= (uint64_t)margin / 100;
    rest.bad += (uint64_t)margin / 200;
    return outlier_stands_out(own, rest);
}

/* Would as many failures as the margin be no matter in the whole of it? */
static bool outlier_window_hides(const struct outlier *outlier, struct window_totals own)
{
    return (int64_t)((own.good + own.bad) * outlier->config->error_percent) >
           outlier_margin(outlier);
}

enum outlier_cause outlier_failure(struct outlier *outlier, const struct outlier_outcome *outcome,
                                   uint64_t now_us)
{
    unsigned row = outlier->config->consecutive_5xx;
    struct window_totals own;
    bool spell_is_bad;

    if (outlier->ejected || outcome->picked_us < outlier->since_us)
        return OUTLIER_CAUSE_NONE;
    outlier_learn(outlier, outcome, now_us);
    own = window_sum(&outlier->window, now_us);
    spell_is_bad = outlier_spell_is_bad(outlier, outcome->others);
    if (row > 0 && outlier->row >= row)
        return OUTLIER_CAUSE_ROW;
    if (outlier_window_is_bad(outlier, own, outcome->rest)) {
        outlier->evidence =
            (struct outlier_evidence){outlier->config->window_ms * 1000, own, outcome->rest};
        return OUTLIER_CAUSE_RATE;
    }
    if (!spell_is_bad || !outlier_window_hides(outlier, own))
        return OUTLIER_CAUSE_NONE;
    outlier->evidence =
        (struct outlier_evidence){now_us - outlier->spell.since_us, outlier->spell.totals,
                                  outlier_rest(outlier, outcome->others)};
    return OUTLIER_CAUSE_RATE;
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
    outlier->spell = (struct spell){0};
    outlier->suspect = false;
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
