/*
 * Events: every transition of an endpoint, a tier or a pool, told so that it can be understood at
 * night: who, from what to what, why with the last evidence, since when, and what comes next.
 *
 * They are kept in a ring of a fixed number and written to the operator's log, there at most one
 * line per second and endpoint (or pool, or type of the process's own); the next line says how many
 * were held back. What discovery does to a pool counts by itself. Of endpoints that come, change,
 * drain and go at most 64 lines are written within a second, and then their number. The ring
 * forgets none of the last N whatever the log did. It belongs to the process, not to a
 * configuration: it lives across reloads.
 *
 * Threads: every function may be called from any thread; a mutex guards the ring, held for a copy.
 */
#ifndef EVERGATE_HEALTH_EVENTS_H
#define EVERGATE_HEALTH_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_type {
    EVENT_HEALTH,    /* status, by checks */
    EVENT_BREAKER,   /* closed, open, half_open */
    EVENT_OUTLIER,   /* ejected, returned */
    EVENT_STALL,     /* stalled, probing, clear */
    EVENT_DRAIN,     /* by configuration or an operator */
    EVENT_FAILOVER,  /* the load moved to a later tier */
    EVENT_FAILBACK,  /* ... and back */
    EVENT_PANIC,     /* the pool began or ceased to ignore health */
    EVENT_RECOVERY,  /* a recovery action was started, ended, given up, held back */
    EVENT_FALLBACK,  /* a pool began or ceased to answer from its fallback */
    EVENT_OVERLOAD,  /* a pool began or ceased to refuse requests for its limits */
    EVENT_ENDPOINT,  /* registered, changed, deregistered; gone: its last request has ended */
    EVENT_CONFIG,    /* of the process: a change of the configuration was done or refused */
    EVENT_UPGRADE,   /* of the process: another binary takes over */
    EVENT_DISCOVERY, /* what was found is served; a source was lost, is back, said something odd */
    EVENT_TYPE_COUNT,
};
const char *event_type_name(enum event_type type); /* "health", "breaker", ... */

enum event_severity { EVENT_INFO, EVENT_WARN, EVENT_ERROR };

/* Texts are cut to fit and always NUL-terminated. */
struct health_event {
    uint64_t id;      /* 1 and upwards; set by events_add */
    uint64_t wall_us; /* set by events_add */
    enum event_type type;
    enum event_severity severity;
    char pool[64], endpoint[64]; /* endpoint "": the pool as a whole; both "": the process */
    char address[64];            /* of the endpoint */
    char from[24], to[24];
    char why[192];   /* "5 failures in a row, the last: backend refused the connection" */
    uint64_t was_us; /* how long it had been in `from`; 0: unknown */
    char next[128];  /* "no requests for 10 s, then 3 at a time find out" */
};

struct events;
struct events *events_new(unsigned capacity); /* at least 1; never fails */
void events_free(struct events *events);

/* Copies it, gives it its id and time, logs it. */
void events_add(struct events *events, const struct health_event *event);

/* Logs the latest of the lines that were held back, for each endpoint whose second is over, so that
 * the log's last word on an endpoint is the truth. Returns when to be called again (monotonic); 0:
 * nothing is held back. health_keep does it. */
uint64_t events_keep(struct events *events, uint64_t now_us);

/* Copies up to `max` events with an id above `since`, oldest first; returns their number. */
size_t events_read(struct events *events, uint64_t since, struct health_event *out, size_t max);
uint64_t events_last_id(struct events *events);
uint64_t events_count(struct events *events, enum event_type type); /* since the start */

/* The log's line without time and level: pool "api": endpoint "a" (127.0.0.1:8081): breaker closed
 * -> open: WHY; was closed for 3 h 12 m; NEXT. Of the process: config: 3 -> 4: WHY; NEXT. Returns
 * its size, cut to fit. Control characters are replaced. Pure. */
enum { EVENT_LINE_BYTES = 768 }; /* enough for any */
size_t event_format(const struct health_event *event, char *out, size_t capacity);

#endif
