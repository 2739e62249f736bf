/* See pg_lag.h. */
#include "checks/pg_lag.h"

#include <stdio.h>

#include "client/words.h"

/*
 * Functions are named with their schema: a search path of the login's own must not answer for the
 * server. pg_stat_wal_receiver shows a user without pg_monitor that there is a receiver, but not
 * its state.
 */
#define QUERY_ROLE "SELECT pg_catalog.pg_is_in_recovery()"
#define QUERY_LAG                                                                                  \
    QUERY_ROLE                                                                                     \
    ", EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver"                                        \
    " WHERE coalesce(status, 'streaming') = 'streaming')"                                          \
    ", coalesce(pg_catalog.pg_last_wal_receive_lsn() > pg_catalog.pg_last_wal_replay_lsn(),"       \
    " false)"                                                                                      \
    ", (extract(epoch FROM pg_catalog.clock_timestamp()"                                           \
    " - pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::bigint"

enum { COLUMNS_ROLE = 1, COLUMNS_LAG = 4 };

const char *pg_lag_query(uint64_t max_lag_ms)
{
    return max_lag_ms > 0 ? QUERY_LAG : QUERY_ROLE;
}

static int read_bool(struct slice text, bool *ret)
{
    if (text.n != 1 || (text.p[0] != 't' && text.p[0] != 'f'))
        return EG_E_UPSTREAM_PROTOCOL;
    *ret = text.p[0] == 't';
    return 0;
}

/* Whole milliseconds; below 0 where the servers' clocks differ. */
static int read_lag(struct slice text, struct pg_standing *ret)
{
    unsigned long long lag_ms = 0;

    ret->lag_known = text.p != NULL;
    if (ret->lag_known && (text.n == 0 || text.p[0] != '-') && !slice_to_u64(text, &lag_ms))
        return EG_E_UPSTREAM_PROTOCOL;
    ret->lag_ms = lag_ms;
    return 0;
}

int pg_lag_read(struct pg_standing *ret_standing, const struct slice *columns, unsigned count)
{
    struct pg_standing standing = {.connected = true};

    if ((count != COLUMNS_ROLE && count != COLUMNS_LAG) ||
        read_bool(columns[0], &standing.standby) != 0)
        return EG_E_UPSTREAM_PROTOCOL;
    if (count == COLUMNS_LAG &&
        (read_bool(columns[1], &standing.connected) != 0 ||
         read_bool(columns[2], &standing.behind) != 0 || read_lag(columns[3], &standing) != 0))
        return EG_E_UPSTREAM_PROTOCOL;
    *ret_standing = standing;
    return 0;
}

static void explain(char *why, bool known, uint64_t lag_ms, uint64_t max_lag_ms, bool connected)
{
    const char *cause = connected ? "" : ", not connected to its primary";
    char lag[WORDS_SPAN_BYTES], limit[WORDS_SPAN_BYTES];

    if (known)
        snprintf(why, PG_LAG_WHY_BYTES, "replication lag %s, limit %s%s", words_span(lag, lag_ms),
                 words_span(limit, max_lag_ms), cause);
    else
        snprintf(why, PG_LAG_WHY_BYTES, "replication lag unknown: nothing replayed yet%s", cause);
}

bool pg_lag_within(const struct pg_standing *standing, uint64_t *caught_up_us, uint64_t max_lag_ms,
                   uint64_t now_us, char *why)
{
    uint64_t lag_ms = standing->lag_known ? standing->lag_ms : UINT64_MAX;

    if (!standing->standby || max_lag_ms == 0)
        return true;
    if (standing->connected && !standing->behind) {
        *caught_up_us = now_us;
        return true;
    }
    if (*caught_up_us > 0) {
        uint64_t since_ms = (now_us - *caught_up_us) / 1000;
        lag_ms = since_ms < lag_ms ? since_ms : lag_ms;
    }
    if (lag_ms <= max_lag_ms)
        return true;
    explain(why, lag_ms != UINT64_MAX, lag_ms, max_lag_ms, standing->connected);
    return false;
}
