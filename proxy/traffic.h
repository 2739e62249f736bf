/*
 * What one worker counts of requests by listener and route: a row for each pair that was used.
 *
 *   worker ─ traffic ── row, row, ...      by name, as long as a view has them
 *              view ── table ──┘           by index: one look per request, no name is compared
 *
 * A row is made by the first request of its pair, and found again by its names when another
 * configuration is adopted. It goes with the last view that has it.
 *
 * One worker's thread, but for traffic_table_init; whoever wants the numbers asks that thread.
 */
#ifndef EVERGATE_PROXY_TRAFFIC_H
#define EVERGATE_PROXY_TRAFFIC_H

#include "base/durations.h"
#include "base/list.h"
#include "config/config.h"

enum { TRAFFIC_CLASSES = 6 }; /* of statuses: [2] 2xx, ...; [0] 499, and answers that were cut */

struct traffic_row {
    struct list node;       /* traffic.rows */
    char *listener, *route; /* "": the listener has gone; no route took the request */
    unsigned refs;          /* of tables */
    uint64_t by_class[TRAFFIC_CLASSES];
    struct durations durations; /* of all but tunnels */
};

struct traffic {
    struct list rows;
};
void traffic_init(struct traffic *traffic);
void traffic_fini(struct traffic *traffic); /* after the last table's */

struct traffic_table {
    struct traffic_row **rows; /* (listeners + 1) * (routes + 1); NULL: not used yet */
};
/* An empty one. Any thread. */
void traffic_table_init(struct traffic_table *table, const struct config *config);
/* Takes the rows over whose names `config` has. */
void traffic_table_adopt(struct traffic_table *table, const struct config *config,
                         struct traffic *traffic);
void traffic_table_fini(struct traffic_table *table, const struct config *config);

/* The row of a pair of indices into `config`; the count stands for "none". */
struct traffic_row *traffic_row(struct traffic_table *table, const struct config *config,
                                struct traffic *traffic, size_t listener, size_t route);

/* How many places a table for `config` has; a pair's is listener * (route_count + 1) + route. */
size_t traffic_places(const struct config *config);
/* Where a row stands in it, by its names; traffic_places: nowhere. The search begins with *route,
 * which is the row's afterwards: rows and routes mostly stand in the same order. */
size_t traffic_place_of(const struct config *config, const struct traffic_row *row, size_t *route);

#endif
