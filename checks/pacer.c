/* See pacer.h. The pacer is the virtual scheduling form of a leaky bucket: one number instead of a
 * count of tokens and the time it was last filled. */
#include "checks/pacer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"

enum { NS_PER_US = 1000, NS_PER_S = 1000 * 1000 * 1000 };

void pacer_init(struct pacer *pacer, unsigned per_second)
{
    CHECK(per_second > 0);
    *pacer = (struct pacer){.gap_ns = NS_PER_S / per_second};
}

void pacer_change(struct pacer *pacer, unsigned per_second)
{
    CHECK(per_second > 0);
    pacer->gap_ns = NS_PER_S / per_second;
}

uint64_t pacer_wait_us(const struct pacer *pacer, uint64_t now_us)
{
    uint64_t latest_ns = (now_us + PACER_BURST_US) * NS_PER_US;

    if (pacer->next_ns <= latest_ns)
        return 0;
    return (pacer->next_ns - latest_ns + NS_PER_US - 1) / NS_PER_US;
}

bool pacer_take(struct pacer *pacer, uint64_t now_us)
{
    if (pacer_wait_us(pacer, now_us) > 0)
        return false;
    if (pacer->next_ns < now_us * NS_PER_US)
        pacer->next_ns = now_us * NS_PER_US;
    pacer->next_ns += pacer->gap_ns;
    return true;
}

void brake_init(struct brake *brake, unsigned per_minute)
{
    CHECK(per_minute > 0);
    *brake = (struct brake){
        .started_us = xcalloc(per_minute, sizeof(*brake->started_us)),
        .limit = per_minute,
    };
}

void brake_fini(struct brake *brake)
{
    free(brake->started_us);
    brake->started_us = NULL;
}

/* The latest ones move into the new ring, the oldest of them first. */
void brake_change(struct brake *brake, unsigned per_minute)
{
    struct brake old = *brake;
    unsigned kept = old.count < per_minute ? old.count : per_minute;

    if (per_minute == old.limit)
        return;
    brake_init(brake, per_minute);
    for (unsigned i = 0; i < kept; i++)
        brake->started_us[i] = old.started_us[(old.next + old.limit - kept + i) % old.limit];
    brake->count = kept;
    brake->next = kept % per_minute;
    brake_fini(&old);
}

/* Once the ring is full, `next` is the oldest of the last `limit`. */
uint64_t brake_wait_us(const struct brake *brake, uint64_t now_us)
{
    if (brake->count < brake->limit)
        return 0;
    uint64_t free_us = brake->started_us[brake->next] + BRAKE_WINDOW_US;
    return free_us > now_us ? free_us - now_us : 0;
}

bool brake_take(struct brake *brake, uint64_t now_us)
{
    if (brake_wait_us(brake, now_us) > 0)
        return false;
    brake->started_us[brake->next] = now_us;
    brake->next = (brake->next + 1) % brake->limit;
    if (brake->count < brake->limit)
        brake->count++;
    return true;
}
