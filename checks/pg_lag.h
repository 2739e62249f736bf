/*
 * What a PostgreSQL server says about its role and its delay, and what that means. Pure.
 *
 * The pitfall: "how long ago was the last transaction replayed" grows on an idle primary's standby,
 * which lacks nothing. So delay counts only while there is something to wait for: the standby
 * received more than it replayed, or it is not connected to its primary and cannot know what it
 * lacks. And since that is looked at for a moment only (an idle primary writes a little now and
 * then, too), delay is never more than the time since the standby was last seen up to date.
 */
#ifndef EVERGATE_CHECKS_PG_LAG_H
#define EVERGATE_CHECKS_PG_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum { PG_LAG_WHY_BYTES = 160 };

struct pg_standing {
    bool standby;
    bool connected;  /* a standby's WAL receiver runs */
    bool behind;     /* it received more than it replayed */
    bool lag_known;  /* it replayed a transaction since its start */
    uint64_t lag_ms; /* since the last replayed transaction was committed */
};

/* The question, one row. The delay is asked for only where a limit (not 0) is configured. */
const char *pg_lag_query(uint64_t max_lag_ms);

/* That row's columns. */
int pg_lag_read(struct pg_standing *ret_standing, const struct slice *columns,
                unsigned count) WARN_UNUSED;

/* False, and a sentence in `why` (PG_LAG_WHY_BYTES), for a standby over the limit. *caught_up_us
 * remembers across checks when it was last up to date (monotonic; 0: never). */
bool pg_lag_within(const struct pg_standing *standing, uint64_t *caught_up_us, uint64_t max_lag_ms,
                   uint64_t now_us, char *why);

#endif
