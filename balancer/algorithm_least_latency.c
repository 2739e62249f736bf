/*
 * least_latency: where the answer will come first, by a peak-sensitive moving average (peak EWMA,
 * the idea of Finagle's balancer).
 *
 *   cost = latency * (1 + (requests in flight + lead / 4) / weight)
 *
 * The weight is relative to the candidates' mean. The lead is how many turns (stride.h) an endpoint
 * has had before its time, at most two: so in an idle pool those that are about equally fast, to a
 * quarter or so, share by weight, and one that is faster by more gets everything. Under load,
 * equally fast ones hold requests in proportion to their weights. (With the 1 inside of the
 * division an idle pool would send everything to the heaviest.)
 *
 * The latency jumps up at once to a slower sample, and comes down with a time constant of 10 s, by
 * faster samples or by age alone: an endpoint that was slow once is asked again later. Endpoints
 * without a sample are asked first, one request at a time. A failure counts as a slow answer,
 * however fast it came: else an endpoint that refuses everything at once would look best and draw
 * all traffic. O(n) up to SAMPLE_WHOLE candidates; of more a sample is compared (sample.h).
 *
 * Age must not start a stampede. An endpoint that comes back after an hour has aged to a cost of
 * nothing, and would get every request until its first answer. So who is chosen at an advanced age
 * is rejuvenated: until its answer comes, or age has told again, its old latency counts.
 *
 * Learning is not a transaction. Average and time of the last sample are two atomics: a worker that
 * loses the compare-and-swap on the average tries again, and between the two stores another may see
 * the new average with the old time, and age it by the distance of two samples too much.
 */
#include <math.h>

#include "balancer/sample.h"
#include "balancer/stride.h"

/* Fixed point, because at 100,000 answers a second one fast sample moves the average by 1e-6 of
 * itself: in whole microseconds it would never move. */
enum { FRACTION_BITS = 16 };

static const double TIME_CONSTANT_US = 10e6;
static const double LONGEST_US = 600e6;
/* Each failure doubles the average, from the least up to the most: one reset costs little, an
 * endpoint that refuses everything is soon the dearest. More is the breaker's business. */
static const double FAILURE_LEAST_US = 2e3;
static const double FAILURE_MOST_US = 10e6;
/* Cost of an endpoint that has its first request in flight: above all real ones. */
static const double UNKNOWN_COST_US = 1e12;

static uint64_t latency_pack(double latency_us)
{
    uint64_t fixed = (uint64_t)(latency_us * (1 << FRACTION_BITS));

    return fixed > 0 ? fixed : 1; /* 0 means: no sample */
}

static double latency_unpack(uint64_t fixed)
{
    return (double)fixed / (1 << FRACTION_BITS);
}

/* Workers read their clocks at different moments: a time may lie "in the future". */
static double age_us(const _Atomic uint64_t *stamp_us, uint64_t now_us)
{
    uint64_t stamp = atomic_load_explicit(stamp_us, memory_order_relaxed);

    return now_us > stamp ? (double)(now_us - stamp) : 0;
}

/* Since the last sample, or since age was last given credit for. */
static double doubt_us(const struct endpoint *e, uint64_t now_us)
{
    return fmin(age_us(&e->latency_stamp_us, now_us), age_us(&e->latency_asked_us, now_us));
}

static double latency_aged(const struct endpoint *e, uint64_t now_us)
{
    uint64_t ewma = atomic_load_explicit(&e->latency_ewma, memory_order_relaxed);

    if (ewma == 0)
        return 0;
    return latency_unpack(ewma) * (double)expf((float)(-doubt_us(e, now_us) / TIME_CONSTANT_US));
}

uint64_t endpoint_latency_us(const struct endpoint *endpoint, uint64_t now_us)
{
    return (uint64_t)latency_aged(endpoint, now_us);
}

struct offer {
    struct endpoint *endpoint;
    double cost;
    int active;
    struct stride_turn turn;
};

/* `mean` is the candidates' mean weight. */
static double cost_of(const struct offer *offer, double mean, uint64_t now_us)
{
    double latency_us = latency_aged(offer->endpoint, now_us);
    double lead = (double)offer->turn.lead / (double)offer->turn.stride;

    if (latency_us == 0 && offer->active > 0)
        latency_us = UNKNOWN_COST_US;
    return latency_us * (1 + (offer->active + lead / 4) * mean / endpoint_weight(offer->endpoint));
}

static struct offer cheapest(struct sample *sample, uint64_t now, uint64_t now_us)
{
    const struct balancer_candidates *c = sample->candidates;
    double mean = (double)(c->points * c->unit) / c->count;
    struct offer best = {.cost = INFINITY};

    for (unsigned i = 0; i < sample->count; i++) {
        struct endpoint *e = sample_next(sample, i);
        struct offer offer = {
            .endpoint = e, .active = endpoint_active(e), .turn = stride_look(now, e)};

        offer.cost = cost_of(&offer, mean, now_us);
        if (offer.cost < best.cost && candidates_have(c, e))
            best = offer;
    }
    return best;
}

static struct endpoint *least_latency_choose(const struct balancer_candidates *c, const void *state,
                                             const struct balancer_request *request)
{
    struct sample sample = sample_of(c, request);
    struct offer best = {0};
    bool taken = false;

    for (unsigned look = 0; look < CANDIDATES_LOOKS && !taken; look++) {
        uint64_t now = stride_now(c->clock);

        best = cheapest(&sample, now, request->now_us);
        if (best.endpoint == NULL && sample_widen(&sample))
            continue;
        if (best.endpoint == NULL)
            return NULL;
        taken = endpoint_take_seen(best.endpoint, best.active);
        if (taken)
            stride_take(c->clock, now, best.endpoint, &best.turn);
    }
    if (!taken && best.endpoint != NULL)
        taken = endpoint_take(best.endpoint);
    if (!taken)
        return candidates_take_from(c, 0);
    if (doubt_us(best.endpoint, request->now_us) > TIME_CONSTANT_US)
        atomic_store_explicit(&best.endpoint->latency_asked_us, request->now_us,
                              memory_order_relaxed);
    return best.endpoint;
}

static double learn(double average_us, double sample_us, double age)
{
    if (sample_us >= average_us)
        return sample_us;
    return average_us + (average_us - sample_us) * expm1(-age / TIME_CONSTANT_US);
}

static double failure_us(double average_us)
{
    double doubled = fmin(fmax(2 * average_us, FAILURE_LEAST_US), FAILURE_MOST_US);

    return fmax(average_us, doubled);
}

static void least_latency_done(struct endpoint *e, enum balancer_outcome outcome,
                               uint64_t latency_us, uint64_t now_us)
{
    uint64_t before = atomic_load_explicit(&e->latency_ewma, memory_order_relaxed);
    uint64_t after;

    if (outcome == BALANCER_CANCELLED)
        return;
    do {
        double average_us = latency_unpack(before), sample_us = (double)latency_us;

        if (outcome == BALANCER_FAILURE)
            sample_us = fmax(sample_us, failure_us(average_us));
        after = latency_pack(
            learn(average_us, fmin(sample_us, LONGEST_US), age_us(&e->latency_stamp_us, now_us)));
    } while (!atomic_compare_exchange_weak_explicit(&e->latency_ewma, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&e->latency_stamp_us, now_us, memory_order_relaxed);
}

const struct balancer_algorithm balancer_least_latency = {
    .name = "least_latency",
    .choose = least_latency_choose,
    .done = least_latency_done,
};
