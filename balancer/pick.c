/*
 * Picking, in the order in which it is tried:
 *
 *   1. a session's own endpoint
 *   2. an endpoint that waits for a probe, and that the load would not find
 *   3. the part of the line-up that the load is at; drawn, where it is at several
 *   4. the other parts, in their order: healthy, degraded
 *   5. if one of those was only full: nobody; the request is better off waiting for it
 *   6. backups, stalled, unknown
 *   7. every endpoint itself
 *
 * Usually 3 is the first and the last. The line-up is a summary that may lag behind; so a pick
 * never fails on its word, only on the endpoints' own (5 and 7).
 */
#include "balancer/hash_slots.h"
#include "balancer/pool_internal.h"
#include "balancer/spill.h"
#include "base/check.h"

enum { PROBING_LOOKS = 4 };

struct pick {
    const struct frame *frame;
    const struct balancer_request *request;
    struct balancer_tried *tried;
    int in_flight;
    bool overloaded; /* see 5 */
};

static void endpoint_give_back(struct endpoint *e)
{
    atomic_fetch_sub(&e->active, 1);
}

/* A half-open breaker and a stall that is being probed let a counted number of requests through:
 * take one of them, or learn that another worker got the last. Who takes a stalled or unknown one
 * as such has nothing better, and needs no leave but the breaker's. */
static bool endpoint_admit(struct endpoint *e, enum balancer_preference preference)
{
    unsigned left;

    if (!endpoint_probing(e))
        return true;
    if (preference >= PREFER_STALLED &&
        atomic_load_explicit(&e->breaker, memory_order_relaxed) != BREAKER_HALF_OPEN)
        return true;
    left = atomic_load_explicit(&e->probes, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&e->probes, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* With its place and, where it needs one, its probe; or not at all. */
static bool pick_take(struct endpoint *e, enum balancer_preference preference)
{
    if (!endpoint_take(e))
        return false;
    if (endpoint_admit(e, preference))
        return true;
    endpoint_give_back(e);
    return false;
}

/* ---- 1, 2: endpoints that are asked for ---- */

static struct endpoint *pick_session(const struct pick *p)
{
    struct endpoint *e = p->request->session_endpoint;
    enum balancer_preference preference = endpoint_preference(e);

    /* A stalled one would keep the client waiting: its session moves. */
    if (preference == PREFER_NEVER || preference == PREFER_STALLED || tried_has(p->tried, e))
        return NULL;
    return pick_take(e, preference) ? e : NULL;
}

/* Not for a second attempt: that has had its share of trouble. */
static struct endpoint *pick_probing(const struct pick *p, unsigned count)
{
    unsigned start = (unsigned)balancer_scale(p->request->random, count);

    for (unsigned i = 0; i < count && i < PROBING_LOOKS && p->tried->count == 0; i++) {
        struct endpoint *e = atomic_load_explicit(&p->frame->lineup.probing[(start + i) % count],
                                                  memory_order_relaxed);
        enum balancer_preference preference = endpoint_preference(e);

        if (preference <= PREFER_DEGRADED && endpoint_probing(e) && pick_take(e, preference))
            return e;
    }
    return NULL;
}

/* ---- 3, 4: by the line-up ---- */

static uint64_t pick_key(const struct pick *p)
{
    if (p->request->session != 0)
        return p->request->session;
    return p->frame->algorithm->by_key ? hash_slots_key(p->request) : p->request->random;
}

/*
 * The level of this request, by the load's shares: they lie side by side, and the key's place among
 * them is always the same. So as a share shrinks, the keys at its edge move to the next level, and
 * no others move.
 */
static unsigned pick_draw(const struct pick *p)
{
    const struct frame_load *load = &p->frame->load;
    uint64_t place = balancer_scale(balancer_mix(~pick_key(p)), SPILL_WHOLE);
    unsigned drawn = 0;

    for (unsigned level = 0; level < p->frame->lineup.levels; level++) {
        unsigned share = atomic_load_explicit(&load->shares[level], memory_order_relaxed);

        if (share == 0)
            continue;
        drawn = level;
        if (place < share)
            break;
        place -= share;
    }
    return lineup_part_at(&p->frame->lineup,
                          atomic_load_explicit(&load->preference, memory_order_relaxed), drawn);
}

/* Of the requests in flight, those that are at the level as its share would have it. */
static uint64_t in_flight_at(const struct pick *p, unsigned level)
{
    unsigned share;

    if (atomic_load_explicit(&p->frame->load.home, memory_order_relaxed) != LOAD_DRAWN)
        return (uint64_t)p->in_flight;
    share = atomic_load_explicit(&p->frame->load.shares[level], memory_order_relaxed);
    return (uint64_t)p->in_flight * share / SPILL_WHOLE + 1;
}

static struct endpoint *pick_part(const struct pick *p, unsigned part)
{
    const struct frame *frame = p->frame;
    struct balancer_candidates c;
    struct endpoint *e;

    /* A lost probe makes its endpoint unusable, so each round has one candidate less. */
    while (candidates_init(&c, frame, part, p->tried)) {
        c.in_flight = in_flight_at(p, c.level);
        if (p->request->session != 0)
            e = hash_slots_race_take(&c, p->request->session);
        else
            e = frame->algorithm->choose(&c, frame->state, p->request);
        if (e == NULL || endpoint_admit(e, c.preference))
            return e;
        endpoint_give_back(e);
    }
    return NULL;
}

static struct endpoint *pick_parts(const struct pick *p, unsigned first, unsigned end)
{
    struct endpoint *e = NULL;

    for (unsigned part = first; part < end && e == NULL; part++)
        e = pick_part(p, part);
    return e;
}

/* ---- 5, 7: by the endpoints themselves ---- */

/* The first of the best part below `end` that has room. Tells when there was one without. */
static struct endpoint *scan(const struct pick *p, unsigned end, bool *ret_full)
{
    struct endpoint *best = NULL;

    for (unsigned i = 0; i < p->frame->members.size; i++) {
        struct endpoint *e = p->frame->members.endpoints[i];
        enum balancer_preference preference;
        unsigned part;

        preference = e != NULL ? endpoint_preference(e) : PREFER_NEVER;
        if (preference == PREFER_NEVER || tried_has(p->tried, e))
            continue;
        part = lineup_part_at(&p->frame->lineup, preference, frame_level(p->frame, e));
        if (part >= end)
            continue;
        if (!endpoint_has_room(e, atomic_load(&e->active))) { /* ordered: see balancer_done */
            *ret_full = true;
            continue;
        }
        best = e;
        end = part;
    }
    return best;
}

static struct endpoint *pick_scan(const struct pick *p, unsigned end, bool *ret_full)
{
    struct endpoint *e;

    do {
        *ret_full = false;
        e = scan(p, end, ret_full);
    } while (e != NULL && !pick_take(e, endpoint_preference(e)));
    return e;
}

static struct endpoint *pick_elsewhere(struct pick *p)
{
    const struct lineup *lineup = &p->frame->lineup;
    unsigned regular_parts = 2 * lineup->regular; /* healthy and degraded ones */
    struct endpoint *e = pick_parts(p, 0, regular_parts);
    bool full = false;

    if (e == NULL && atomic_load_explicit(&p->frame->load.limited, memory_order_relaxed)) {
        e = pick_scan(p, regular_parts, &full);
        p->overloaded = e == NULL && full;
    }
    if (e != NULL || p->overloaded)
        return e;
    e = pick_parts(p, regular_parts, lineup->part_count);
    if (e == NULL) {
        e = pick_scan(p, lineup->part_count, &full);
        p->overloaded = e == NULL && full;
    }
    return e;
}

static struct endpoint *pick_endpoint(struct pick *p)
{
    const struct frame_load *load = &p->frame->load;
    unsigned probing = atomic_load_explicit(&load->probing_count, memory_order_relaxed);
    unsigned home = atomic_load_explicit(&load->home, memory_order_relaxed);
    struct endpoint *e = NULL;

    if (p->request->session_endpoint != NULL)
        e = pick_session(p);
    if (e == NULL && probing > 0)
        e = pick_probing(p, probing);
    if (e != NULL)
        return e;
    e = pick_part(p, home == LOAD_DRAWN ? pick_draw(p) : home);
    return e != NULL ? e : pick_elsewhere(p);
}

/* ---- Requests of the pool as a whole ---- */

/* Takes one of the pool's places; false: there is none. Counted in every pool, so that a limit that
 * is set later is exact at once. */
static bool pool_enter(struct balancer_pool *pool, int *ret_in_flight)
{
    unsigned max = atomic_load_explicit(&pool->max_connections, memory_order_relaxed);
    int seen;

    if (max == 0) {
        *ret_in_flight = atomic_fetch_add_explicit(&pool->in_flight, 1, memory_order_relaxed) + 1;
        return true;
    }
    seen = atomic_load(&pool->in_flight);
    do {
        if (seen >= 0 && (unsigned)seen >= max)
            return false;
    } while (!atomic_compare_exchange_weak(&pool->in_flight, &seen, seen + 1));
    *ret_in_flight = seen + 1;
    return true;
}

static void pool_leave(struct balancer_pool *pool)
{
    atomic_fetch_sub(&pool->in_flight, 1);
}

/* Why there is none. Only endpoints that are meant to serve have a say: see balancer_pick. */
static int pick_error(const struct frame *frame)
{
    unsigned open = 0, unresolved = 0, others = 0;

    for (unsigned i = 0; i < frame->members.size; i++) {
        const struct endpoint *e = frame->members.endpoints[i];
        bool by_itself;

        if (e == NULL || !endpoint_meant_to_serve(e))
            continue;
        by_itself = endpoint_usable(e) || atomic_load(&e->status) == ENDPOINT_UNHEALTHY;
        if (!by_itself && !atomic_load(&e->resolved))
            unresolved++;
        else if (!by_itself && atomic_load(&e->breaker) != BREAKER_CLOSED)
            open++;
        else
            others++; /* tried already, unhealthy or ejected */
    }
    if (open > 0 && unresolved + others == 0)
        return EG_E_BREAKER_OPEN;
    if (unresolved > 0 && open + others == 0)
        return EG_E_RESOLVE;
    return EG_E_NO_ENDPOINT;
}

static struct endpoint *pick_from(struct balancer_pool *pool, struct pick *p, int *ret_error)
{
    struct endpoint *e;

    /* Counted before the choice: of two workers that choose at once, one sees both requests. */
    if (!pool_enter(pool, &p->in_flight)) {
        *ret_error = EG_E_OVERLOAD;
        return NULL;
    }
    e = pick_endpoint(p);
    if (e == NULL) {
        pool_leave(pool);
        *ret_error = p->overloaded ? EG_E_OVERLOAD : pick_error(p->frame);
    }
    return e;
}

struct endpoint *balancer_pick(struct balancer_pool *pool, const struct balancer_request *request,
                               struct balancer_tried *tried, int *ret_error)
{
    uint64_t now = atomic_load_explicit(&pool->version, memory_order_acquire), seen;
    struct endpoint *e;

    /* Who looked at one endpoint before it came and at another after it had left found nobody,
     * though somebody was there all the time: then the version tells that there was a change. */
    do {
        struct pick p = {.request = request, .tried = tried};

        seen = now;
        p.frame = atomic_load_explicit(&pool->frame, memory_order_acquire);
        e = pick_from(pool, &p, ret_error);
        if (e != NULL) {
            atomic_fetch_add_explicit(&e->picks, 1, memory_order_relaxed);
            tried_add(tried, e, p.frame->members.size);
            return e;
        }
        now = atomic_load_explicit(&pool->version, memory_order_acquire);
    } while (now != seen);
    return NULL;
}

void balancer_done(struct balancer_pool *pool, struct endpoint *endpoint,
                   enum balancer_outcome outcome, uint64_t latency_us, uint64_t now_us)
{
    /* Maybe not the frame of the pick: what is learned is the endpoint's. */
    const struct frame *frame = atomic_load_explicit(&pool->frame, memory_order_acquire);
    int before = atomic_fetch_sub(&endpoint->active, 1);

    CHECK(before > 0);
    pool_leave(pool);
    if (frame->algorithm->done != NULL)
        frame->algorithm->done(endpoint, outcome, latency_us, now_us);
}
