/*
 * When to try to help an endpoint up: pure code, time is given to it.
 *
 *             unhealthy         due, and the brake lets it
 *   AT_EASE ────────────► DUE ────────────────────────────► RUNNING
 *      ▲                   ▲                                   │ the action ended
 *      │                   ├──── attempts are left ◄───────────┤
 *      │                   │     and it is unhealthy           ▼
 *      │                   │                     none is left: RESTING ── interval ──► GIVEN_UP
 *      └─ serves again, or is taken out: from everywhere but RUNNING
 *
 * An attempt begins at once when the endpoint becomes unhealthy, but never sooner than `interval`
 * after the one before it, be that of an earlier illness: an endpoint that flaps is not restarted
 * with every flap. The attempts count until the endpoint was healthy again.
 *
 * An action that runs is let run, whatever becomes of the endpoint meanwhile. The first check that
 * begins after its end verifies it.
 */
#ifndef EVERGATE_CHECKS_RECOVERY_STATE_H
#define EVERGATE_CHECKS_RECOVERY_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum recovery_phase {
    RECOVERY_AT_EASE,  /* nothing to do */
    RECOVERY_DUE,      /* an attempt begins at `due_us`, if the brake lets it */
    RECOVERY_RUNNING,  /* an action runs */
    RECOVERY_RESTING,  /* after the last attempt, which has until `due_us` to help */
    RECOVERY_GIVEN_UP, /* until it is healthy again */
};

enum recovery_condition {
    RECOVERY_ILL,   /* unhealthy */
    RECOVERY_WELL,  /* healthy or degraded: it serves */
    RECOVERY_ASIDE, /* draining or unknown: neither ill nor cured */
};

struct recovery_state {
    unsigned max_attempts;
    uint64_t interval_us;

    enum recovery_phase phase;
    enum recovery_condition condition;
    unsigned attempts;   /* begun since it was healthy */
    uint64_t due_us;     /* DUE, RESTING */
    uint64_t started_us; /* the last attempt's; 0: none ever */
    uint64_t ended_us;   /* the last action's; waits for its verification while not 0 */
    bool held;           /* the brake held it back, which was told */
};

void recovery_state_init(struct recovery_state *state, unsigned max_attempts, uint64_t interval_us);

/* Other settings: attempts are counted anew, an action that runs as the first of them. The interval
 * since the last one is kept. */
void recovery_state_change(struct recovery_state *state, unsigned max_attempts,
                           uint64_t interval_us, uint64_t now_us);

/* The endpoint's condition is now this one. */
void recovery_state_set_condition(struct recovery_state *state, enum recovery_condition condition,
                                  uint64_t now_us);

enum recovery_step {
    RECOVERY_NOTHING,
    RECOVERY_START,   /* begin attempt number `attempts`; the brake was asked and has counted it */
    RECOVERY_HOLD,    /* the brake holds it back: ask again when that may have changed */
    RECOVERY_GIVE_UP, /* all attempts were made and it is still unhealthy */
};
/* To be asked when due_us has come (and after the calls above). `brake` is asked only when an
 * attempt would begin; true: it may. */
enum recovery_step recovery_state_step(struct recovery_state *state, uint64_t now_us,
                                       bool (*brake)(void *arg, uint64_t now_us), void *arg);
/* When to ask next; 0: not before something else happens. */
uint64_t recovery_state_due_us(const struct recovery_state *state);

/* The action that runs has ended. */
void recovery_state_ended(struct recovery_state *state, uint64_t now_us);

enum recovery_verdict {
    RECOVERY_UNJUDGED, /* nothing waits for a verdict, or the check began too early to give one */
    RECOVERY_VERIFIED,
    RECOVERY_IN_VAIN,
};
/* A check that began at `began_us` passed or failed. */
enum recovery_verdict recovery_state_checked(struct recovery_state *state, uint64_t began_us,
                                             bool passed);

#endif
