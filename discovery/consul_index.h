/*
 * The rules of Consul's blocking queries ("Blocking Queries", Implementation Details): which index
 * to ask with, what an answer's index means, and when to ask again. Pure: the caller tells the
 * time.
 *
 *   index 0: answered at once ─► index N: held until something is newer than N, or `wait` is over
 *        ▲                              │
 *        └── it went backwards, failed ─┘
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_INDEX_H
#define EVERGATE_DISCOVERY_CONSUL_INDEX_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CONSUL_INDEX_BURST = 3,     /* so many answers may follow each other at once */
    CONSUL_INDEX_PACE_MS = 100, /* beyond that: one per so long, and up to half as much again */
};

struct consul_index {
    uint64_t index; /* 0: ask without blocking */
    /* A bucket of CONSUL_INDEX_BURST queries that fills up by one each CONSUL_INDEX_PACE_MS. */
    uint64_t full_at_ms; /* when it will be, or was */
    uint64_t random;     /* the state of the jitter */
};

void consul_index_init(struct consul_index *index, uint64_t seed);

/* Forget it: after a failure the next answer is to come at once, since it says that all is well. */
void consul_index_reset(struct consul_index *index);

/* An answer came, with this X-Consul-Index ("": none). False: it is the one that was asked with, so
 * nothing has changed. An index that went backwards (a snapshot was restored) is asked anew from 0;
 * one that is missing, 0 or no number stands for 1, which always blocks. */
bool consul_index_take(struct consul_index *index, const char *header);

/* After an answer: how long to wait before the next query. 0 while answers are rare, so that a
 * change is heard at once. */
uint64_t consul_index_pause_ms(struct consul_index *index, uint64_t now_ms);

/* How long the server may take for its answer: it holds a query for `wait_ms` and up to a sixteenth
 * more. Beyond that it has a margin, a small one where the wait is short: so whoever wants to know
 * of a dead server soon makes it that. */
uint64_t consul_index_limit_ms(const struct consul_index *index, uint64_t wait_ms);

#endif
