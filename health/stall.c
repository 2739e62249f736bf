/* Stalls: see stall.h. */
#include "health/stall.h"

enum {
    STALL_BACKOFF_US = 1000000,
    STALL_MAX_BACKOFF_US = 30000000,
    STALL_USUAL_STEP_US = 1000000, /* the longest time that one answer lowers the peak for */
};

/* What remains of a peak after STALL_USUAL_STEP_US, in 2^16ths: 2^(-1/5), half after 5 s. */
enum { STALL_USUAL_REMAINS = 57052, STALL_USUAL_WHOLE = 65536 };

void stall_init(struct stall *stall, uint64_t now_us)
{
    *stall = (struct stall){.state = STALL_CLEAR, .since_us = now_us};
}

/* The one place where the state changes. */
static bool stall_set(struct stall *stall, enum stall_state state, uint64_t now_us)
{
    stall->state = state;
    stall->since_us = now_us;
    return true;
}

/* To wait for a probe, a tenth more or less than the backoff. */
static bool stall_wait(struct stall *stall, uint64_t backoff_us, uint64_t now_us, uint64_t random)
{
    if (backoff_us > STALL_MAX_BACKOFF_US)
        backoff_us = STALL_MAX_BACKOFF_US;
    stall->backoff_us = backoff_us;
    stall->probe_us = now_us + backoff_us - backoff_us / 10 + random % (backoff_us / 5 + 1);
    return stall_set(stall, STALL_STALLED, now_us);
}

/* Can a request of that time be the one that finds out? */
static bool is_of_probe(const struct stall *stall, uint64_t at_us)
{
    return stall->state == STALL_PROBING && at_us + STALL_CLOCKS_APART_US >= stall->since_us;
}

bool stall_silent(struct stall *stall, uint64_t waiting_since_us, uint64_t now_us, uint64_t random)
{
    switch (stall->state) {
    case STALL_CLEAR:
        stall->stalls++;
        stall->stalled_us = now_us;
        return stall_wait(stall, STALL_BACKOFF_US, now_us, random);
    case STALL_PROBING:
        /* Old requests are silent all the time: only the probe's silence says something new. */
        if (!is_of_probe(stall, waiting_since_us))
            return false;
        return stall_wait(stall, stall->backoff_us * 2, now_us, random);
    case STALL_STALLED:
        break;
    }
    return false;
}

bool stall_answer(struct stall *stall, uint64_t now_us)
{
    return stall_reset(stall, now_us);
}

bool stall_failure(struct stall *stall, uint64_t picked_us, uint64_t now_us, uint64_t random)
{
    if (!is_of_probe(stall, picked_us))
        return false;
    return stall_wait(stall, stall->backoff_us * 2, now_us, random);
}

bool stall_cancelled(const struct stall *stall, uint64_t picked_us)
{
    return is_of_probe(stall, picked_us);
}

/* A probe whose outcome looks older than `probing` (after an uncommonly long turn) would leave the
 * state without a way out: so it is given up after a while that no answer takes. */
bool stall_keep(struct stall *stall, bool place_left, uint64_t now_us, uint64_t random)
{
    if (stall->state == STALL_CLEAR || now_us < stall->probe_us)
        return false;
    if (stall->state == STALL_STALLED)
        return stall_probe_now(stall, now_us);
    stall->probe_us = now_us + STALL_MAX_BACKOFF_US;
    return !place_left && stall_wait(stall, stall->backoff_us * 2, now_us, random);
}

uint64_t stall_due_us(const struct stall *stall)
{
    return stall->state == STALL_CLEAR ? 0 : stall->probe_us;
}

bool stall_probe_now(struct stall *stall, uint64_t now_us)
{
    if (stall->state != STALL_STALLED)
        return false;
    stall->probe_us = now_us + STALL_MAX_BACKOFF_US;
    return stall_set(stall, STALL_PROBING, now_us);
}

bool stall_reset(struct stall *stall, uint64_t now_us)
{
    return stall->state != STALL_CLEAR && stall_set(stall, STALL_CLEAR, now_us);
}

/*
 * The word of the usual latency: the peak in microseconds (28 bits: up to 4 minutes), the
 * millisecond of its latest store (33 bits: they come round in 99 days, which only makes one step
 * shorter or longer), the number of samples up to STALL_SAMPLES_NEEDED (3 bits).
 *
 * It is stored when a sample exceeds it, and else once a second. So a busy endpoint's peak falls by
 * the clock, with few stores, and a quiet one's by at most a step for each answer.
 */
enum { USUAL_PEAK_BITS = 28, USUAL_STAMP_BITS = 33 };

static uint64_t usual_peak_us(uint64_t usual)
{
    return usual & ((1ull << USUAL_PEAK_BITS) - 1);
}

static unsigned usual_samples(uint64_t usual)
{
    return (unsigned)(usual >> (USUAL_PEAK_BITS + USUAL_STAMP_BITS));
}

static uint64_t usual_age_us(uint64_t usual, uint64_t now_us)
{
    uint64_t mask = (1ull << USUAL_STAMP_BITS) - 1;
    uint64_t age_us = ((now_us / 1000 - (usual >> USUAL_PEAK_BITS)) & mask) * 1000;

    /* A sample that comes with an older time than the last one has an age of nearly 99 days. */
    if (age_us > mask * 1000 / 2)
        return 0;
    return age_us < STALL_USUAL_STEP_US ? age_us : STALL_USUAL_STEP_US;
}

static uint64_t usual_word(uint64_t peak_us, uint64_t now_us, unsigned samples)
{
    uint64_t stamp = now_us / 1000 & ((1ull << USUAL_STAMP_BITS) - 1);
    uint64_t max_us = (1ull << USUAL_PEAK_BITS) - 1;

    return (peak_us < max_us ? peak_us : max_us) | stamp << USUAL_PEAK_BITS |
           (uint64_t)samples << (USUAL_PEAK_BITS + USUAL_STAMP_BITS);
}

uint64_t stall_usual_add(uint64_t usual, uint64_t latency_us, uint64_t now_us)
{
    uint64_t peak_us = usual_peak_us(usual), age_us = usual_age_us(usual, now_us);
    unsigned samples = usual_samples(usual);

    /* A straight line between the steps is near enough to the curve. */
    peak_us -= peak_us * (STALL_USUAL_WHOLE - STALL_USUAL_REMAINS) / STALL_USUAL_WHOLE * age_us /
               STALL_USUAL_STEP_US;
    if (samples < STALL_SAMPLES_NEEDED)
        return usual_word(latency_us > peak_us ? latency_us : peak_us, now_us, samples + 1);
    if (latency_us > peak_us)
        return usual_word(latency_us, now_us, samples);
    if (age_us >= STALL_USUAL_STEP_US)
        return usual_word(peak_us, now_us, samples);
    return usual;
}

uint64_t stall_usual_us(uint64_t usual)
{
    return usual_peak_us(usual);
}

bool stall_usual_known(uint64_t usual)
{
    return usual_samples(usual) >= STALL_SAMPLES_NEEDED;
}

/* A multiple of what is usual, and above the peak. */
static uint64_t known_limit_us(uint64_t usual, uint64_t p99_us, unsigned factor)
{
    uint64_t peak_us = usual_peak_us(usual), above_peak_us = peak_us + peak_us / 4;
    /* Answers that waited through a stall are in the percentile as well; the peak knows better. */
    uint64_t limit_us = (p99_us > 0 && p99_us < peak_us ? p99_us : peak_us) * factor;

    return limit_us > above_peak_us ? limit_us : above_peak_us;
}

uint64_t stall_limit_us(uint64_t usual, uint64_t p99_us, uint64_t response_us,
                        const struct config_outlier *config)
{
    bool known = stall_usual_known(usual);
    uint64_t limit_us, min_us = config->stall_min_ms * 1000;

    if (config->stall_factor == 0 || (!known && response_us < STALL_UNKNOWN_SHARE))
        return 0;
    limit_us = known ? known_limit_us(usual, p99_us, config->stall_factor)
                     : response_us / STALL_UNKNOWN_SHARE;
    if (limit_us < min_us)
        limit_us = min_us;
    return limit_us > 0 ? limit_us : 1;
}
