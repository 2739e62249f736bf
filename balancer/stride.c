/* Stride scheduling without a lock: see stride.h. */
#include "balancer/stride.h"

/* A stride of one hundredth of a weight. The largest, 65535 whole ones, still divides it to five
 * digits. */
static const uint64_t STRIDE_ONE = 1ull << 40;

static uint64_t stride_of(const struct endpoint *endpoint)
{
    return STRIDE_ONE / endpoint_weight(endpoint);
}

void stride_seat(const struct level_clock *clock, struct endpoint *endpoint, unsigned slot,
                 unsigned size)
{
    uint64_t place = stride_now(clock) + stride_of(endpoint) * slot / size;

    atomic_store_explicit(&endpoint->turn, place, memory_order_relaxed);
}

uint64_t stride_now(const struct level_clock *clock)
{
    return atomic_load_explicit(&clock->now, memory_order_relaxed);
}

/* Brings an endpoint that stands too far ahead back to one stride before the clock. Written down,
 * so that the distance shrinks from now on; when another worker wrote first, so be it. */
static void stride_pull_back(uint64_t now, struct endpoint *endpoint, struct stride_turn *turn)
{
    uint64_t seen = turn->seen, place = now + turn->stride;

    if (atomic_compare_exchange_strong_explicit(&endpoint->turn, &seen, place, memory_order_relaxed,
                                                memory_order_relaxed))
        turn->seen = place;
    turn->lead = turn->stride;
}

struct stride_turn stride_look(uint64_t now, struct endpoint *endpoint)
{
    struct stride_turn turn = {
        .seen = atomic_load_explicit(&endpoint->turn, memory_order_relaxed),
        .stride = stride_of(endpoint),
    };
    int64_t lead = (int64_t)(turn.seen - now);

    turn.lead = lead > 0 ? (uint64_t)lead : 0;
    /* Up to two strides are seen in good order, while a worker has moved an endpoint and not yet
     * the clock. */
    if (turn.lead > 2 * turn.stride)
        stride_pull_back(now, endpoint, &turn);
    return turn;
}

bool stride_take(struct level_clock *clock, uint64_t now, struct endpoint *endpoint,
                 const struct stride_turn *turn)
{
    uint64_t place = now + turn->lead, seen = turn->seen;

    if (!atomic_compare_exchange_strong_explicit(&endpoint->turn, &seen, place + turn->stride,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    /* The clock only goes forward: a slower worker with an older place leaves it alone. */
    while ((int64_t)(place - now) > 0 &&
           !atomic_compare_exchange_weak_explicit(&clock->now, &now, place, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    return true;
}

void stride_take_late(struct endpoint *endpoint, const struct stride_turn *turn)
{
    atomic_fetch_add_explicit(&endpoint->turn, turn->stride, memory_order_relaxed);
}
