/* The lazy timer wheel, see wheel.h. */
#include "net/wheel.h"

static unsigned slot_of(uint64_t tick)
{
    return (unsigned)(tick % WHEEL_SLOTS);
}

static bool slot_occupied(const struct wheel *wheel, unsigned slot)
{
    return wheel->occupied[slot / 64] >> (slot % 64) & 1;
}

static bool wheel_empty(const struct wheel *wheel)
{
    for (unsigned i = 0; i < WHEEL_SLOTS / 64; i++) {
        if (wheel->occupied[i])
            return false;
    }
    return true;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
    for (unsigned i = 0; i < WHEEL_SLOTS / 64; i++)
        wheel->occupied[i] = 0;
    wheel->tick = now_ms / WHEEL_TICK_MS;
}

static void wheel_insert(struct wheel *wheel, struct loop_timer *timer)
{
    uint64_t tick = (timer->deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    uint64_t last = wheel->tick + WHEEL_SLOTS - 1;

    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick > last)
        tick = last;
    unsigned slot = slot_of(tick);
    list_push_back(&wheel->slots[slot], &timer->node);
    wheel->occupied[slot / 64] |= (uint64_t)1 << (slot % 64);
    timer->slot_ms = tick * WHEEL_TICK_MS;
}

bool wheel_set(struct wheel *wheel, struct loop_timer *timer, uint64_t deadline_ms, uint64_t now_ms)
{
    timer->deadline_ms = deadline_ms;
    if (timer->slot_ms != 0) {
        if (timer->slot_ms < deadline_ms + WHEEL_TICK_MS)
            return false; /* looked at early enough where it is */
        list_remove(&timer->node);
    } else if (now_ms / WHEEL_TICK_MS > wheel->tick && wheel_empty(wheel)) {
        /* Nobody turned the wheel while it was empty. */
        wheel->tick = now_ms / WHEEL_TICK_MS;
    }
    wheel_insert(wheel, timer);
    return true;
}

/* The slot's timers stand in a list of their own while callbacks run: they may cancel each other,
 * and what they set anew lands in a later slot. */
static void wheel_run_slot(struct wheel *wheel, unsigned slot, uint64_t now_ms)
{
    struct list due;

    list_init(&due);
    list_splice(&due, &wheel->slots[slot]);
    wheel->occupied[slot / 64] &= ~((uint64_t)1 << (slot % 64));

    while (!list_empty(&due)) {
        struct loop_timer *timer = container_of(due.next, struct loop_timer, node);

        list_remove(&timer->node);
        timer->slot_ms = 0;
        if (timer->deadline_ms > now_ms) {
            wheel_insert(wheel, timer);
            continue;
        }
        timer->deadline_ms = 0;
        timer->on_timer(timer);
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / WHEEL_TICK_MS;

    if (now_tick <= wheel->tick)
        return;
    /* After a long stall one turn of the wheel sees every slot. */
    if (now_tick - wheel->tick > WHEEL_SLOTS)
        wheel->tick = now_tick - WHEEL_SLOTS;
    while (wheel->tick < now_tick) {
        unsigned slot = slot_of(++wheel->tick);

        if (slot_occupied(wheel, slot))
            wheel_run_slot(wheel, slot, now_ms);
    }
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
    for (uint64_t tick = wheel->tick + 1; tick <= wheel->tick + WHEEL_SLOTS; tick++) {
        if (slot_occupied(wheel, slot_of(tick)))
            return tick * WHEEL_TICK_MS;
    }
    return 0;
}
