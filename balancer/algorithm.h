/*
 * The interface every balancing algorithm implements (one file each, algorithm_NAME.c), and what
 * the balancer lends to it.
 *
 * An algorithm is given the *candidates*: the endpoints of one preference (healthy before degraded
 * before stalled before unknown) and one level (priority and distance) that this request has not
 * tried and that have room. They come from the pool's *line-up*, a list that balancer_pool_refresh
 * keeps, in parts:
 *
 *     line-up   [ a  c  d  f | g  h | b | e ]      healthy, level 0 | healthy, level 1 | ...
 *     points    [aaa c dd f  | g  h | ...           each member owns as many points as its share
 *
 * The line-up is read without a lock while another thread may be rewriting it. A reader can thus
 * meet a member that is no candidate any more, or miss one that has just become one. Members are
 * endpoints of this frame whatever happens, so nothing can be read that is not there; and
 * candidates_have looks at the endpoint itself. Every choice must be confirmed by candidates_have
 * (or come from a function that did so).
 */
#ifndef EVERGATE_BALANCER_ALGORITHM_H
#define EVERGATE_BALANCER_ALGORITHM_H

#include "balancer/balancer.h"

enum balancer_preference {
    PREFER_HEALTHY,
    PREFER_DEGRADED,
    PREFER_STALLED,
    PREFER_UNKNOWN,
    PREFER_COUNT,
    PREFER_NEVER = PREFER_COUNT, /* not usable */
};

/* Who is in the pool, by slot (endpoint->index); NULL: a free slot, or one whose endpoint leaves.
 */
struct balancer_members {
    struct endpoint **endpoints;
    unsigned size;
};

/* The turns of one level: a number that all workers write, so on a cache line of its own. What it
 * means is the algorithm's business; it lives as long as the level does, whatever joins or leaves.
 */
struct level_clock {
    _Alignas(64) _Atomic uint64_t now;
    unsigned refs; /* of frames; the thread that refreshes */
};

struct frame; /* what the pool is at the moment of the pick: frame.h */

struct balancer_candidates {
    const struct frame *frame;
    const struct balancer_tried *tried;
    enum balancer_preference preference;
    unsigned level;
    struct level_clock *clock;
    unsigned first, count; /* its part of the line-up; count > 0 */
    uint64_t unit;         /* greatest common divisor of the members' shares */
    uint64_t points;       /* sum of the shares, in units: equal shares have one point each */
    uint64_t step;         /* a walk of this step visits every point once: see lineup.c */
    uint64_t in_flight;    /* requests at this level, with this one */
};

struct balancer_algorithm {
    const char *name;
    /* Goes by request->hash: what is drawn for a request (its level) must follow from it too. */
    bool by_key;
    /* State for these members, shared by all workers, complete before anybody chooses by it. What
     * needs none has no such functions; turns are the levels' and the endpoints'. `before` is the
     * state of those who were the members until now, made by the same function; NULL: none. What
     * choosing does not need may be taken from it: it will not be `changed` any more. */
    void *(*state_new)(const struct balancer_members *members, void *before);
    void (*state_free)(void *state);
    /* A weight changed. Called by one thread at a time, while others choose. May be NULL. */
    void (*changed)(const struct balancer_members *members, void *state);
    /*
     * One of the candidates with its `active` raised (candidates_take, endpoint_take_seen), or NULL
     * when none is left. Raising it is part of choosing: an algorithm that compares `active` raises
     * it with a compare-and-swap, so that two workers do not both take the least loaded one; and
     * where there is a limit, the last place goes to one of them.
     */
    struct endpoint *(*choose)(const struct balancer_candidates *candidates, const void *state,
                               const struct balancer_request *request);
    /* Learns from what became of a request, whoever chose it; `active` is lowered already. May be
     * NULL. */
    void (*done)(struct endpoint *endpoint, enum balancer_outcome outcome, uint64_t latency_us,
                 uint64_t now_us);
};

extern const struct balancer_algorithm balancer_round_robin;
extern const struct balancer_algorithm balancer_weighted;
extern const struct balancer_algorithm balancer_least_connections;
extern const struct balancer_algorithm balancer_ip_hash;
extern const struct balancer_algorithm balancer_random;
extern const struct balancer_algorithm balancer_consistent_hash;
extern const struct balancer_algorithm balancer_least_latency;

/* Was it this one, and not another that stood in its slot before? */
static inline bool tried_has(const struct balancer_tried *tried, const struct endpoint *endpoint)
{
    return balancer_tried_has(tried, endpoint->index) && endpoint->birth <= tried->newest;
}

/* Can it be chosen now: of this preference and level, not tried, with room below its limit? */
bool candidates_have(const struct balancer_candidates *c, const struct endpoint *endpoint);

/* Takes it if they have it and its last place is not gone meanwhile: the last word on a choice. */
bool candidates_take(const struct balancer_candidates *c, struct endpoint *endpoint);

/* The member at a position below count; it may have left: see candidates_have. */
struct endpoint *candidates_at(const struct balancer_candidates *c, unsigned position);

/* The pool's member with this index, whether a candidate or not. */
struct endpoint *candidates_in_slot(const struct balancer_candidates *c, unsigned slot);

/* Takes the first member at `position` or after it, in a circle, that can be taken; NULL when none
 * can. For when the quick ways met only tried or full ones: O(n). */
struct endpoint *candidates_take_from(const struct balancer_candidates *c, unsigned position);

/* The member that owns a point, with the points it owns. O(1) with equal weights, else O(log n). */
struct candidates_share {
    struct endpoint *endpoint;
    uint64_t start, end;
};
struct candidates_share candidates_at_point(const struct balancer_candidates *c, uint64_t point);

/*
 * How often an algorithm that compares all candidates looks at them before it takes the best one
 * even though its numbers have changed meanwhile. In a pool of thousands a look takes so long that
 * a worker among many could lose race after race; and what was the best a moment ago is still good.
 */
enum { CANDIDATES_LOOKS = 4 };

/* As it may be chosen now; and as if it had probes left, which is how the line-up sees it: probes
 * come and go faster than that is made. */
enum balancer_preference endpoint_preference(const struct endpoint *endpoint);
enum balancer_preference endpoint_standing(const struct endpoint *endpoint);
/* Its standing, were there no panic. */
enum balancer_preference endpoint_condition(const struct endpoint *endpoint);
/* Lets only its probes through: half_open, or a stall that is being probed. */
bool endpoint_probing(const struct endpoint *endpoint);

/*
 * Memory order of everything on the hot path: relaxed. `share`, `turn`, the latency and the inputs
 * are numbers to be compared, none of them announces other memory: endpoints live as long as the
 * frame that lists them, and addresses reach a worker through its own loop. What must not be lost
 * is atomicity (no increment disappears), which relaxed read-modify-write operations give. The one
 * exception is `active` beside a limit: see balancer_done.
 */
static inline int endpoint_active(const struct endpoint *endpoint)
{
    return atomic_load_explicit(&endpoint->active, memory_order_relaxed);
}

/* Its weight in hundredths, less while it starts slowly. At least 1, even when it became 0 since
 * candidates_have: it is used as a divisor. */
static inline unsigned endpoint_weight(const struct endpoint *endpoint)
{
    unsigned share = atomic_load_explicit(&endpoint->share, memory_order_relaxed);

    return share > 0 ? share : 1;
}

/* Has it room for a request beside so many? */
static inline bool endpoint_has_room(const struct endpoint *endpoint, int active)
{
    unsigned max = atomic_load_explicit(&endpoint->max_connections, memory_order_relaxed);

    return max == 0 || active < 0 || (unsigned)active < max;
}

/* Its active count stands on a cache line of its own: not looked at where there is no limit. */
static inline bool endpoint_is_full(const struct endpoint *endpoint)
{
    return atomic_load_explicit(&endpoint->max_connections, memory_order_relaxed) > 0 &&
           !endpoint_has_room(endpoint, endpoint_active(endpoint));
}

/* False: it is full. Never over its limit, not even for a moment: another worker would see it full
 * when it is not. */
bool endpoint_take(struct endpoint *endpoint);

/* Only if its active count is still `seen`, and that leaves room; false: look again. */
static inline bool endpoint_take_seen(struct endpoint *endpoint, int seen)
{
    return endpoint_has_room(endpoint, seen) &&
           atomic_compare_exchange_strong_explicit(&endpoint->active, &seen, seen + 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* 64 bits in which every bit of `x` has a say in every bit: two rounds of shift and multiply, by
 * the fractions of pi and e. A bijection. */
static inline uint64_t balancer_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x243f6a8885a308d3u;
    x ^= x >> 29;
    x *= 0xb7e151628aed2a6bu;
    x ^= x >> 32;
    return x;
}

/* Added again and again it visits all 64-bit numbers, far apart (2^64 over the golden ratio). */
#define BALANCER_GOLDEN 0x9e3779b97f4a7c15u

/* `bits` scaled to 0 .. n-1 without the bias and the division of a modulo. */
static inline uint64_t balancer_scale(uint64_t bits, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)bits * n) >> 64);
}

#endif
