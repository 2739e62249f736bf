/*
 * Stalls: an endpoint that holds requests and answers none of them, for several times as long as it
 * usually takes, gets no new ones until it is known to live. No timeout has to pass for that.
 *
 *             silent for longer than the limit
 *   ┌───────┐ ────────────────────────────────► ┌─────────┐ ◄──── its probe is silent too, or
 *   │ clear │                                   │ stalled │       failed: twice the wait
 *   └───────┘                                   └─────────┘                    │
 *       ▲                                            │ 1 s, 2 s, ... 30 s      │
 *       │       any answer, to whichever request     ▼                         │
 *       └──────────────────────────────────────── ┌─────────┐ ─────────────────┘
 *                                                 │ probing │ one request finds out
 *                                                 └─────────┘
 *
 * The limit is a multiple of the *usual latency*, and at least stall_min: stall_limit_us. Usual is
 * what 99 of 100 answers stay under, where there are enough of them to say, or the latest *peak* if
 * that is less. The peak rises with a slower answer at once and falls by half in 5 seconds of
 * answers. (A multiple of the peak alone would be too patient: one hiccup of the machine raises it
 * for seconds.) Never is an endpoint suspected for what it has just shown to take: the limit stays
 * above the peak. Time without answers lowers neither: an endpoint that was not asked for a minute
 * must not be suspected for taking as long as ever.
 *
 * A request that waited through a stall is learned as no more than the limit that was broken: an
 * endpoint that stood still for 10 s does not usually take 10 s. But one that really became slower
 * is learned within a few answers, where it would be suspected for ever if they did not count.
 *
 * Pure: no locks, time and random bits are parameters; time must not go backwards. The usual
 * latency is one word, so that its keeper can hold it in an atomic.
 */
#ifndef EVERGATE_HEALTH_STALL_H
#define EVERGATE_HEALTH_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/balancer.h"
#include "config/config.h"

enum {
    STALL_SAMPLES_NEEDED = 5,
    STALL_UNKNOWN_SHARE = 10, /* a tenth */
    /* A worker's clock is that of the beginning of its turn: a probe may look so much older than
     * the state in which it was let through. */
    STALL_CLOCKS_APART_US = 10000,
};

struct stall {
    enum stall_state state;
    uint64_t since_us;   /* in this state */
    uint64_t stalled_us; /* when it left clear */
    uint64_t probe_us;   /* stalled: when it may be probed; probing: when a probe that nobody
                            heard of is given up */
    uint64_t backoff_us; /* the wait for the latest probe, without its jitter */
    unsigned stalls;     /* ever */
};

void stall_init(struct stall *stall, uint64_t now_us);

/* Silent for longer than the limit, with a request waiting since then. True: the state changed. */
bool stall_silent(struct stall *stall, uint64_t waiting_since_us, uint64_t now_us, uint64_t random);

/* The endpoint answered somebody. True: it was not clear. */
bool stall_answer(struct stall *stall, uint64_t now_us);

/* A request that was picked then failed without an answer; the probe's failure changes the state
 * (true). */
bool stall_failure(struct stall *stall, uint64_t picked_us, uint64_t now_us, uint64_t random);

/* One was given up. True: it may have been the probe, so that another may be let through. */
bool stall_cancelled(const struct stall *stall, uint64_t picked_us);

/* Time went on; `place_left`: nobody has taken the probe's place yet. True: the state changed. */
bool stall_keep(struct stall *stall, bool place_left, uint64_t now_us, uint64_t random);
/* When stall_keep has something to do; 0: never. */
uint64_t stall_due_us(const struct stall *stall);

/* Somebody else found that the time has come to probe. True: the state changed. */
bool stall_probe_now(struct stall *stall, uint64_t now_us);

/* By hand; true: it was not clear. */
bool stall_reset(struct stall *stall, uint64_t now_us);

/* ---- The usual latency ---- */

/* The word after an answer that took `latency_us`; the same word when there is no need to store
 * it. 0 is the word of an endpoint that never answered. */
uint64_t stall_usual_add(uint64_t usual, uint64_t latency_us, uint64_t now_us);
uint64_t stall_usual_us(uint64_t usual);
bool stall_usual_known(uint64_t usual); /* by STALL_SAMPLES_NEEDED answers */

/* How long an endpoint may be silent; 0: not judged (switched off). Before STALL_SAMPLES_NEEDED
 * answers its latency is not known: then a part of the response timeout (STALL_UNKNOWN_SHARE), if
 * there is one. `p99_us`: what 99 of 100 answers stayed under lately; 0:
 * too few to say. */
uint64_t stall_limit_us(uint64_t usual, uint64_t p99_us, uint64_t response_us,
                        const struct config_outlier *config);

#endif
