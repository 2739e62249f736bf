/*
 * A lazy timer wheel: thousands of deadlines that are moved often and rarely come up. Pure: the
 * caller tells the time.
 *
 * A connection's deadline moves with every request, so moving one later is a store: the timer
 * stays in its old slot, and when that comes up the wheel sees that it is not due and puts it where
 * it belongs. Only a deadline that moves before its slot is taken out and put in anew.
 */
#ifndef EVERGATE_NET_WHEEL_H
#define EVERGATE_NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum {
    WHEEL_TICK_MS = 20,
    WHEEL_SLOTS = 512, /* 10.24 s; a later deadline is looked at once per turn of the wheel */
};

struct loop_timer;
typedef void (*loop_timer_cb)(struct loop_timer *timer);

/* Fires once, never early. Embed it and find the owner with container_of. */
struct loop_timer {
    struct list node;
    uint64_t deadline_ms; /* monotonic; 0: not armed */
    uint64_t slot_ms;     /* when its slot comes up; 0: in no slot */
    loop_timer_cb on_timer;
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint64_t occupied[WHEEL_SLOTS / 64]; /* may be set for a slot whose timers were all cancelled */
    uint64_t tick;                       /* slots up to here were looked at; in WHEEL_TICK_MS */
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* `deadline_ms` > 0. True when the timer was put into a slot, so that wheel_next_ms may be earlier
 * than it was. */
bool wheel_set(struct wheel *wheel, struct loop_timer *timer, uint64_t deadline_ms,
               uint64_t now_ms);

/* Calls on_timer of all that is due. They may set and cancel any timer, and free cancelled ones. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);

/* When the next slot that may hold something comes up; 0: the wheel is empty. */
uint64_t wheel_next_ms(const struct wheel *wheel);

#endif
