/*
 * Why a request goes where it goes. A pick counts and moves things (turns, places, probes), so it
 * is rehearsed: on a copy of the frame, of what the endpoints say, and of the levels' clocks. The
 * algorithm's own state is only read by a choice, and lent.
 */
#include <stdlib.h>
#include <string.h>

#include "balancer/pool_internal.h"
#include "balancer/spill.h"
#include "base/alloc.h"
#include "base/check.h"

struct rehearsal {
    const struct frame *original;
    struct balancer_pool *pool; /* with no more than a pick looks at */
    struct frame frame;
    struct endpoint *endpoints;
    struct level_clock *clocks;
};

static void *aligned_new(size_t alignment, size_t count, size_t size_bytes)
{
    /* At least one, since an empty allocation may be NULL. */
    void *p = aligned_alloc(alignment, (count > 0 ? count : 1) * size_bytes);

    CHECK(p != NULL);
    return p;
}

/* ---- The copy ---- */

static void rehearsal_copy_members(struct rehearsal *r)
{
    const struct balancer_members *from = &r->original->members;
    struct balancer_members *members = &r->frame.members;

    members->size = from->size;
    members->endpoints = xcalloc(from->size, sizeof(struct endpoint *));
    r->endpoints = aligned_new(_Alignof(struct endpoint), from->size, sizeof(*r->endpoints));
    for (unsigned i = 0; i < from->size; i++) {
        if (from->endpoints[i] == NULL)
            continue;
        endpoint_copy(&r->endpoints[i], from->endpoints[i]);
        members->endpoints[i] = &r->endpoints[i];
    }
}

static void rehearsal_copy_clocks(struct rehearsal *r)
{
    unsigned count = r->original->levels.count;

    r->clocks = aligned_new(_Alignof(struct level_clock), count, sizeof(*r->clocks));
    r->frame.clocks = xcalloc(count, sizeof(struct level_clock *));
    for (unsigned i = 0; i < count; i++) {
        atomic_init(&r->clocks[i].now, atomic_load(&r->original->clocks[i]->now));
        r->frame.clocks[i] = &r->clocks[i];
    }
}

static void rehearsal_copy_load(struct rehearsal *r)
{
    const struct frame_load *from = &r->original->load;
    struct frame_load *load = &r->frame.load;
    unsigned levels = r->original->levels.count;

    load->shares = xcalloc(levels, sizeof(*load->shares));
    for (unsigned i = 0; i < levels; i++)
        atomic_init(&load->shares[i], atomic_load(&from->shares[i]));
    atomic_init(&load->home, atomic_load(&from->home));
    atomic_init(&load->preference, atomic_load(&from->preference));
    atomic_init(&load->limited, atomic_load(&from->limited));
    atomic_init(&load->probing_count, atomic_load(&from->probing_count));
    for (unsigned i = 0; i < atomic_load(&load->probing_count); i++) {
        const struct endpoint *e = atomic_load(&r->original->lineup.probing[i]);

        atomic_init(&r->frame.lineup.probing[i], &r->endpoints[e->index]);
    }
}

static void rehearsal_init(struct rehearsal *r, const struct balancer_pool *pool,
                           const struct frame *original)
{
    *r = (struct rehearsal){
        .original = original,
        .frame = {.algorithm = original->algorithm,
                  .state = original->state,
                  .level_of = original->level_of,
                  .levels = original->levels},
        .pool = aligned_new(_Alignof(struct balancer_pool), 1, sizeof(*r->pool)),
    };
    *r->pool = (struct balancer_pool){0};
    rehearsal_copy_members(r);
    rehearsal_copy_clocks(r);
    lineup_init(&r->frame.lineup, original->members.size, &original->levels);
    lineup_rebuild(&r->frame.lineup, &r->frame.members, r->frame.level_of);
    rehearsal_copy_load(r);
    atomic_init(&r->pool->frame, &r->frame);
    atomic_init(&r->pool->max_connections, atomic_load(&pool->max_connections));
    atomic_init(&r->pool->in_flight, atomic_load(&pool->in_flight));
}

static void rehearsal_fini(struct rehearsal *r)
{
    free(r->frame.load.shares);
    lineup_fini(&r->frame.lineup);
    free(r->frame.clocks);
    free(r->clocks);
    free(r->frame.members.endpoints);
    free(r->endpoints);
    free(r->pool);
}

/* ---- The picks ---- */

/* The original of whom a pick takes; NULL: nobody. */
static struct endpoint *rehearse(struct rehearsal *r, const struct balancer_request *request)
{
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(r->pool, request, &tried, &error);
    balancer_tried_fini(&tried);
    if (e == NULL)
        return NULL;
    balancer_done(r->pool, e, BALANCER_CANCELLED, 0, request->now_us);
    return r->original->members.endpoints[e->index];
}

static struct endpoint *rehearse_request(struct rehearsal *r,
                                         const struct balancer_request *request)
{
    struct balancer_request copy = *request;
    const struct endpoint *own = request->session_endpoint;

    if (own != NULL) {
        bool member =
            own->index < r->frame.members.size && r->original->members.endpoints[own->index] == own;

        copy.session_endpoint = member ? r->frame.members.endpoints[own->index] : NULL;
    }
    return rehearse(r, &copy);
}

/* Where the load takes this request, were it not for its session, for probes and for the limit of
 * the pool: who stands there is eligible. */
struct home {
    enum balancer_preference preference;
    unsigned level; /* LEVEL_NONE: nowhere */
};

static struct home rehearse_home(struct rehearsal *r, const struct balancer_request *request)
{
    struct balancer_request copy = *request;
    const struct endpoint *e;

    copy.session_endpoint = NULL;
    atomic_store(&r->frame.load.probing_count, 0);
    atomic_store(&r->pool->max_connections, 0);
    e = rehearse(r, &copy);
    if (e == NULL)
        return (struct home){PREFER_HEALTHY, LEVEL_NONE};
    return (struct home){endpoint_preference(e), frame_level(r->original, e)};
}

/* ---- The verdicts ---- */

static bool is_member(const struct frame *frame, const struct endpoint *e)
{
    return e->index < frame->members.size && frame->members.endpoints[e->index] == e;
}

/* Of one that may not be used at all. */
static enum balancer_verdict verdict_of_health(const struct endpoint *e)
{
    if (atomic_load(&e->status) == ENDPOINT_UNHEALTHY)
        return BALANCER_IS_UNHEALTHY;
    if (atomic_load(&e->ejected))
        return BALANCER_IS_EJECTED;
    if (atomic_load(&e->breaker) == BREAKER_HALF_OPEN)
        return BALANCER_BREAKER_HALF_OPEN;
    return BALANCER_BREAKER_OPEN;
}

/* Of one that could be used. */
static enum balancer_verdict verdict_of_order(enum balancer_preference preference, unsigned level,
                                              const struct home *home)
{
    static const enum balancer_verdict behind[PREFER_COUNT] = {
        [PREFER_HEALTHY] = BALANCER_OTHER_LEVEL,
        [PREFER_DEGRADED] = BALANCER_IS_DEGRADED,
        [PREFER_STALLED] = BALANCER_IS_STALLED,
        [PREFER_UNKNOWN] = BALANCER_IS_UNKNOWN,
    };

    if (preference == home->preference && level == home->level)
        return BALANCER_ELIGIBLE;
    return preference > home->preference ? behind[preference] : BALANCER_OTHER_LEVEL;
}

static enum balancer_verdict verdict_of(const struct frame *frame, const struct endpoint *e,
                                        const struct home *home)
{
    enum balancer_preference preference = endpoint_preference(e);

    if (atomic_load(&e->leaving))
        return BALANCER_IS_LEAVING;
    if (atomic_load(&e->draining) || atomic_load(&e->status) == ENDPOINT_DRAINING)
        return BALANCER_IS_DRAINING;
    if (atomic_load(&e->weight) == 0)
        return BALANCER_IS_WEIGHTLESS;
    if (!atomic_load(&e->resolved) || !is_member(frame, e))
        return BALANCER_IS_UNRESOLVED;
    if (preference == PREFER_NEVER)
        return verdict_of_health(e);
    if (endpoint_is_full(e))
        return BALANCER_IS_FULL;
    return verdict_of_order(preference, frame_level(frame, e), home);
}

const char *balancer_verdict_name(enum balancer_verdict verdict)
{
    static const char *const names[BALANCER_VERDICT_COUNT] = {
        [BALANCER_ELIGIBLE] = "eligible",
        [BALANCER_IS_LEAVING] = "leaving",
        [BALANCER_IS_DRAINING] = "draining",
        [BALANCER_IS_WEIGHTLESS] = "weight 0",
        [BALANCER_IS_UNRESOLVED] = "no address yet",
        [BALANCER_IS_UNHEALTHY] = "unhealthy",
        [BALANCER_IS_EJECTED] = "ejected",
        [BALANCER_BREAKER_OPEN] = "breaker open",
        [BALANCER_BREAKER_HALF_OPEN] = "breaker half open, no probe left",
        [BALANCER_IS_FULL] = "at its limit of connections",
        [BALANCER_IS_STALLED] = "stalled, others are not",
        [BALANCER_IS_UNKNOWN] = "not checked yet, others are",
        [BALANCER_IS_DEGRADED] = "degraded, others are healthy",
        [BALANCER_OTHER_LEVEL] = "another level has the load",
    };

    CHECK(verdict < BALANCER_VERDICT_COUNT);
    return names[verdict];
}

/* ---- The shares ---- */

static bool gets_load(const struct frame *frame, const struct endpoint *e)
{
    return endpoint_standing(e) == atomic_load(&frame->load.preference);
}

/* By level: the weights that the level's load is shared by. Heap. */
static uint64_t *weights_by_level(const struct frame *frame)
{
    uint64_t *weights = xcalloc(frame->levels.count, sizeof(*weights));

    for (unsigned i = 0; i < frame->members.size; i++) {
        const struct endpoint *e = frame->members.endpoints[i];

        if (e != NULL && gets_load(frame, e))
            weights[frame->level_of[i]] += endpoint_weight(e);
    }
    return weights;
}

static unsigned share_percent_of(const struct frame *frame, const struct endpoint *e,
                                 const uint64_t *weights)
{
    unsigned level = frame_level(frame, e);
    uint64_t load = atomic_load(&frame->load.shares[level]), whole = weights[level] * SPILL_WHOLE;

    if (!gets_load(frame, e) || weights[level] == 0)
        return 0;
    return (unsigned)((100 * load * endpoint_weight(e) + whole / 2) / whole);
}

/* ---- Putting it together ---- */

static unsigned explain_each(const struct balancer_pool *pool, const struct frame *frame,
                             const struct home *home, struct balancer_candidate *out, unsigned max)
{
    uint64_t *weights = weights_by_level(frame);
    unsigned size = balancer_pool_size(pool), count = 0;

    for (unsigned i = 0; i < size && count < max; i++) {
        const struct endpoint *e = balancer_pool_endpoint(pool, i);
        struct balancer_candidate candidate = {.endpoint = e, .level_where = ""};

        if (e == NULL)
            continue;
        candidate.verdict = verdict_of(frame, e, home);
        if (is_member(frame, e)) {
            const struct level *level = &frame->levels.at[frame_level(frame, e)];

            candidate.priority = level->priority;
            candidate.level_where = level->where;
            candidate.share_percent = share_percent_of(frame, e, weights);
        }
        out[count++] = candidate;
    }
    free(weights);
    return count;
}

unsigned balancer_pool_explain(const struct balancer_pool *pool,
                               const struct balancer_request *request,
                               struct balancer_candidate *out, unsigned max,
                               struct endpoint **ret_chosen)
{
    const struct frame *frame = atomic_load_explicit(&pool->frame, memory_order_acquire);
    struct rehearsal r;
    struct home home;
    unsigned count;

    rehearsal_init(&r, pool, frame);
    *ret_chosen = rehearse_request(&r, request);
    home = rehearse_home(&r, request);
    rehearsal_fini(&r);
    count = explain_each(pool, frame, &home, out, max);
    for (unsigned i = 0; i < count; i++) {
        if (out[i].endpoint == *ret_chosen) /* by its session, or as a probe */
            out[i].verdict = BALANCER_ELIGIBLE;
        out[i].eligible = out[i].verdict == BALANCER_ELIGIBLE;
    }
    return count;
}
