/*
 * When a provider that hears of single changes tells its full set: soon after the first one, since
 * changes come in bursts (a rollout, a node that goes), and about ten times a second while they go
 * on. A set of thousands costs a while to make, and the server does not apply them more often.
 *
 * The discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_ANNOUNCEMENT_H
#define EVERGATE_DISCOVERY_ANNOUNCEMENT_H

#include "net/loop.h"

enum {
    ANNOUNCEMENT_SOON_MS = 10,
    ANNOUNCEMENT_APART_MS = 100,
    ANNOUNCEMENT_ITEMS_PER_MS = 200, /* large sets are further apart: a tenth of the time or so */
};

struct announcement {
    struct loop *loop;
    void (*tell)(struct announcement *announcement); /* calls announcement_made */
    struct loop_timer timer;
    uint64_t made_ms;
    bool due; /* something has changed that was not told yet */
};

void announcement_init(struct announcement *announcement, struct loop *loop,
                       void (*tell)(struct announcement *announcement));
/* Something has changed in a set that is made of so many `items`. */
void announcement_soon(struct announcement *announcement, size_t items);
/* The set is being told, for whatever reason; nothing is due any more. */
void announcement_made(struct announcement *announcement);
/* There will be nothing to tell; due at the end. */
void announcement_cancel(struct announcement *announcement);

#endif
