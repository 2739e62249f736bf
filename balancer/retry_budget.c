/*
 * The retry budget's slots: see retry_budget.h.
 *
 * A slot is one atomic word, so that what was counted and when always fit each other:
 *
 *     tick (32 bits) | retries (14) | requests (18)
 *
 * A withdrawal counts itself first and then adds the window up; if that is too much, it takes
 * itself back. All of it is sequentially consistent: of two that come at once, at least one sees
 * the other.
 */
#include "balancer/retry_budget.h"

enum { REQUEST_BITS = 18, RETRY_BITS = 14, TICK_SHIFT = REQUEST_BITS + RETRY_BITS };

static const uint64_t REQUESTS_MAX = (1u << REQUEST_BITS) - 1;
static const uint64_t RETRIES_MAX = (1u << RETRY_BITS) - 1;

struct ring {
    _Atomic uint64_t *slots;
    unsigned count;  /* slots */
    unsigned window; /* slots that count, with the running one */
    uint64_t slot_us;
    unsigned seconds; /* that the window covers, at least */
};

static struct ring ring_short(struct retry_budget *budget)
{
    return (struct ring){budget->short_slots, RETRY_BUDGET_SHORT_SLOTS, 33, 1000000 / 32, 1};
}

static struct ring ring_long(struct retry_budget *budget)
{
    return (struct ring){budget->long_slots, RETRY_BUDGET_LONG_SLOTS, 11, 1000000, 10};
}

static uint64_t slot_requests(uint64_t slot)
{
    return slot & REQUESTS_MAX;
}

static uint64_t slot_retries(uint64_t slot)
{
    return slot >> REQUEST_BITS & RETRIES_MAX;
}

static uint32_t ring_tick(const struct ring *ring, uint64_t now_us)
{
    return (uint32_t)(now_us / ring->slot_us);
}

static _Atomic uint64_t *ring_slot(const struct ring *ring, uint32_t tick)
{
    return &ring->slots[tick % ring->count];
}

/* What the slot holds for a tick: nothing, if that is the first to come in this round. */
static uint64_t slot_at(uint64_t slot, uint32_t tick)
{
    return slot >> TICK_SHIFT == tick ? slot : (uint64_t)tick << TICK_SHIFT;
}

static void ring_deposit(const struct ring *ring, unsigned n, uint64_t now_us)
{
    uint32_t tick = ring_tick(ring, now_us);
    _Atomic uint64_t *slot = ring_slot(ring, tick);
    uint64_t seen = atomic_load(slot), next, room;

    do {
        next = slot_at(seen, tick);
        room = REQUESTS_MAX - slot_requests(next);
        next += n < room ? n : room;
    } while (!atomic_compare_exchange_weak(slot, &seen, next));
}

static bool ring_count_retry(const struct ring *ring, uint64_t now_us)
{
    uint32_t tick = ring_tick(ring, now_us);
    _Atomic uint64_t *slot = ring_slot(ring, tick);
    uint64_t seen = atomic_load(slot), next;

    do {
        next = slot_at(seen, tick);
        if (slot_retries(next) == RETRIES_MAX)
            return false;
        next += 1ull << REQUEST_BITS;
    } while (!atomic_compare_exchange_weak(slot, &seen, next));
    return true;
}

/* Takes a retry back that was counted at this time; when its slot is in use again, it is gone. */
static void ring_uncount_retry(const struct ring *ring, uint64_t now_us)
{
    uint32_t tick = ring_tick(ring, now_us);
    _Atomic uint64_t *slot = ring_slot(ring, tick);
    uint64_t seen = atomic_load(slot);

    while (seen >> TICK_SHIFT == tick &&
           !atomic_compare_exchange_weak(slot, &seen, seen - (1ull << REQUEST_BITS))) {
    }
}

static bool ring_within(const struct ring *ring, const struct retry_budget *budget, uint64_t now_us)
{
    uint32_t tick = ring_tick(ring, now_us);
    uint64_t requests = 0, retries = 0, allowed, least;

    for (unsigned i = 0; i < ring->count; i++) {
        uint64_t slot = atomic_load(&ring->slots[i]);
        int32_t age = (int32_t)(tick - (uint32_t)(slot >> TICK_SHIFT));

        /* Younger ones are of workers whose clocks are ahead. */
        if (age >= (int32_t)ring->window || age <= (int32_t)ring->window - (int32_t)ring->count)
            continue;
        requests += slot_requests(slot);
        retries += slot_retries(slot);
    }
    allowed = requests * atomic_load_explicit(&budget->percent, memory_order_relaxed) / 100;
    least = (uint64_t)atomic_load_explicit(&budget->min_per_second, memory_order_relaxed) *
            ring->seconds;
    return retries <= (allowed > least ? allowed : least);
}

void retry_budget_init(struct retry_budget *budget, unsigned percent, unsigned min_per_second)
{
    atomic_init(&budget->percent, percent);
    atomic_init(&budget->min_per_second, min_per_second);
    for (unsigned i = 0; i < RETRY_BUDGET_SHORT_SLOTS; i++)
        atomic_init(&budget->short_slots[i], 0);
    for (unsigned i = 0; i < RETRY_BUDGET_LONG_SLOTS; i++)
        atomic_init(&budget->long_slots[i], 0);
}

void retry_budget_change(struct retry_budget *budget, unsigned percent, unsigned min_per_second)
{
    atomic_store_explicit(&budget->percent, percent, memory_order_relaxed);
    atomic_store_explicit(&budget->min_per_second, min_per_second, memory_order_relaxed);
}

void retry_budget_deposit(struct retry_budget *budget, unsigned n, uint64_t now_us)
{
    struct ring rings[] = {ring_short(budget), ring_long(budget)};

    for (unsigned i = 0; i < 2; i++)
        ring_deposit(&rings[i], n, now_us);
}

bool retry_budget_withdraw(struct retry_budget *budget, uint64_t now_us)
{
    struct ring rings[] = {ring_short(budget), ring_long(budget)};
    unsigned counted = 0;
    bool granted = true;

    for (; counted < 2 && granted; counted += granted)
        granted = ring_count_retry(&rings[counted], now_us);
    for (unsigned i = 0; i < 2 && granted; i++)
        granted = ring_within(&rings[i], budget, now_us);
    for (unsigned i = 0; i < counted && !granted; i++)
        ring_uncount_retry(&rings[i], now_us);
    return granted;
}
