/*
 * Two limits on how often something may begin. Pure: the caller tells the time.
 *
 *   pacer  so many per second, evenly: checks. A rate that is not used is lost.
 *   brake  so many within any minute, whenever: recovery actions, of which a few at once are
 *          normal and a hundred a sign that the reason lies elsewhere.
 */
#ifndef EVERGATE_CHECKS_PACER_H
#define EVERGATE_CHECKS_PACER_H

#include <stdbool.h>
#include <stdint.h>

/* What may begin at once after a pause: this long a share of the rate, so that a timer which is
 * a millisecond late costs no throughput. */
enum { PACER_BURST_US = 5000 };

struct pacer {
    uint64_t gap_ns;
    uint64_t next_ns; /* when the next one would begin if all were evenly spaced */
};

void pacer_init(struct pacer *pacer, unsigned per_second);
/* Another rate from the next one on. */
void pacer_change(struct pacer *pacer, unsigned per_second);
/* True: it may begin now, and counts. */
bool pacer_take(struct pacer *pacer, uint64_t now_us);
/* How long until pacer_take says yes; 0: it does. */
uint64_t pacer_wait_us(const struct pacer *pacer, uint64_t now_us);

enum { BRAKE_WINDOW_US = 60 * 1000 * 1000 };

struct brake {
    uint64_t *started_us; /* ring of the last `limit`; heap */
    unsigned limit, next, count;
};

void brake_init(struct brake *brake, unsigned per_minute);
void brake_fini(struct brake *brake);
/* Another limit from now on; what began within the last minute counts against it. */
void brake_change(struct brake *brake, unsigned per_minute);
bool brake_take(struct brake *brake, uint64_t now_us);
uint64_t brake_wait_us(const struct brake *brake, uint64_t now_us);

#endif
