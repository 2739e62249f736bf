/*
 * The postgres check: logs in, asks one question, says goodbye.
 *
 *   connect ─► [ SSLRequest ─ 'S' ─► TLS ] ─► startup ─► password, MD5 or SCRAM ─► query ─► row
 *
 * Vocabulary: a *primary* takes writes, a *standby* replays the primary's log ("in recovery"). The
 * question is which of them the server is, and how far behind a standby is.
 *
 * Who fails how: what the server says in an ErrorResponse is the evidence, whatever stage it comes
 * in ("FATAL: the database system is starting up"); a refused connection and TLS's failures are the
 * transport's words; silence is the probe's timeout, with what was waited for.
 *
 * Everything lives as long as the probe. What outlives it is the endpoint's `memory`: SCRAM's keys,
 * which are expensive, and when a standby was last seen with nothing to catch up on.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/pg_lag.h"
#include "checks/pg_login.h"
#include "checks/pg_wire.h"
#include "checks/probe.h"
#include "client/secret.h"
#include "client/words.h"
#include "net/tls.h"

/* The whole conversation is shorter, whatever the server likes to tell about itself. */
enum { PG_IN_BYTES = 2 * PG_MESSAGE_BYTES, PG_ANSWER_BYTES = 64 * 1024 };

enum pg_stage {
    PG_CONNECT,
    PG_TLS_ASKED, /* SSLRequest sent: one byte will come */
    PG_TLS,       /* handshake */
    PG_LOGIN,     /* startup sent, until ReadyForQuery */
    PG_QUERY,
};

struct pg_memory { /* of one endpoint */
    struct scram_keys keys;
    uint64_t caught_up_us; /* of the monotonic clock; 0: never seen so */
};

struct pg_shared {
    struct secret password;
};

struct pg_probe {
    struct probe probe;
    struct transport transport;
    enum pg_stage stage;
    struct pg_login login;
    size_t seen_bytes;
};

static struct pg_probe *pg_from_transport(struct transport *t)
{
    return container_of(t, struct pg_probe, transport);
}

static struct pg_shared *pg_shared_of(const struct pg_probe *pg)
{
    return pg->probe.target.pool->shared;
}

static struct pg_memory *pg_memory_of(const struct pg_probe *pg)
{
    return *pg->probe.target.memory;
}

/* ---- out ---------------------------------------------------------------------------------- */

static void pg_send(struct pg_probe *pg, const struct pg_out *out)
{
    if (out->overflow) {
        probe_fail(&pg->probe, "user, database or password is too long to be sent");
        return;
    }
    char *copy = loop_scratch(probe_loop(&pg->probe), out->size);
    CHECK(copy != NULL);
    memcpy(copy, out->data, out->size);
    transport_write(&pg->transport, copy, out->size);
}

static void pg_begin_login(struct pg_probe *pg)
{
    const struct config_health *config = probe_config(&pg->probe);
    struct pg_out out;

    pg->stage = PG_LOGIN;
    pg->probe.awaits = "answer";
    pg_out_startup(&out, config->user, config->database);
    pg_send(pg, &out);
}

static void pg_ask_for_tls(struct pg_probe *pg)
{
    struct pg_out out;

    pg->stage = PG_TLS_ASKED;
    pg->probe.awaits = "answer";
    pg_out_tls_request(&out);
    pg_send(pg, &out);
}

static void pg_ask(struct pg_probe *pg)
{
    struct pg_out out;

    pg->stage = PG_QUERY;
    pg_out_query(&out, pg_lag_query(probe_config(&pg->probe)->max_lag_ms));
    pg_send(pg, &out);
}

/* ---- login -------------------------------------------------------------------------------- */

static void pg_on_authentication(struct pg_probe *pg, struct slice body)
{
    char why[PG_LOGIN_WHY_BYTES];
    struct pg_out out;

    pg->login.password = secret_slice(&pg_shared_of(pg)->password); /* another check may renew it */
    switch (pg_login_answer(&pg->login, body, &out, why)) {
    case PG_LOGIN_SEND:
        pg_send(pg, &out);
        break;
    case PG_LOGIN_WAIT:
        break;
    case PG_LOGIN_GIVE_UP:
        probe_fail(&pg->probe, "%s", why);
        break;
    }
}

/* ---- the answer --------------------------------------------------------------------------- */

/* SQLSTATE class 28: who we are. The file may hold a newer password by now. */
static void pg_on_error(struct pg_probe *pg, struct slice body)
{
    struct slice severity = pg_error_field(body, 'V'); /* not translated */
    struct slice code = pg_error_field(body, 'C');
    char text[WORDS_QUOTE_BYTES];

    if (severity.n == 0)
        severity = pg_error_field(body, 'S');
    if (slice_starts_with(code, SLICE_LIT("28")))
        secret_refresh(&pg_shared_of(pg)->password);
    if (severity.n > 16)
        severity.n = 16;
    probe_fail(&pg->probe, "%.*s: %s", SLICE_FMT(severity),
               words_quote(text, pg_error_field(body, 'M')));
}

/* The goodbye keeps the server's log free of "unexpected EOF". It leaves with transport_fini. */
static void pg_say_goodbye(struct pg_probe *pg)
{
    struct pg_out out;

    pg_out_terminate(&out);
    pg_send(pg, &out);
}

static void pg_judge(struct pg_probe *pg, const struct pg_standing *standing)
{
    const struct config_health *config = probe_config(&pg->probe);
    struct pg_memory *memory = pg_memory_of(pg);
    char why[HEALTH_WHY_BYTES];

    pg_say_goodbye(pg);
    if (config->role == CONFIG_ROLE_PRIMARY && standing->standby) {
        probe_fail(&pg->probe, "is a standby, expected the primary");
    } else if (config->role == CONFIG_ROLE_STANDBY && !standing->standby) {
        probe_fail(&pg->probe, "is the primary, expected a standby");
    } else if (!pg_lag_within(standing, &memory->caught_up_us, config->max_lag_ms,
                              probe_loop(&pg->probe)->now_us, why)) {
        probe_degrade(&pg->probe, "%s", why);
    } else {
        probe_pass(&pg->probe);
    }
}

static void pg_on_row(struct pg_probe *pg, struct slice body)
{
    struct slice columns[PG_COLUMNS];
    struct pg_standing standing;
    int count = pg_row_columns(body, columns);

    if (count < 0 || pg_lag_read(&standing, columns, (unsigned)count) != 0)
        probe_fail(&pg->probe, "does not answer the query as PostgreSQL does");
    else
        pg_judge(pg, &standing);
}

static void pg_on_message(struct pg_probe *pg, const struct pg_message *message)
{
    switch (message->type) {
    case 'E':
        pg_on_error(pg, message->body);
        break;
    case 'R':
        pg_on_authentication(pg, message->body);
        break;
    case 'Z':
        if (pg->stage == PG_LOGIN)
            pg_ask(pg);
        else
            probe_fail(&pg->probe, "answers the query without a row");
        break;
    case 'D':
        if (pg->stage == PG_QUERY)
            pg_on_row(pg, message->body);
        break;
    default: /* notices, settings, the description of the row */
        break;
    }
}

/* ---- the transport's callbacks ------------------------------------------------------------ */

/* Exactly one byte may have come: more would be plaintext that somebody slipped in before TLS, to
 * be taken for the server's words later (CVE-2021-23222). */
static size_t pg_on_tls_answer(struct pg_probe *pg, const char *data, size_t size)
{
    const struct probe_target *target = &pg->probe.target;

    if (size == 1 && data[0] == 'S') {
        pg->stage = PG_TLS;
        pg->probe.awaits = "TLS handshake";
        transport_start_tls(&pg->transport,
                            tls_session_new_client(target->pool->tls, target->server_name, NULL));
    } else if (data[0] == 'N') {
        probe_fail(&pg->probe, "does not offer TLS, which the pool's tls settings ask for");
    } else {
        probe_fail(&pg->probe, "does not speak PostgreSQL: wrong answer to the request for TLS");
    }
    return 1;
}

static void pg_on_connected(struct transport *t)
{
    struct pg_probe *pg = pg_from_transport(t);
    bool local = pg->probe.target.address.sa.sa_family == AF_UNIX;

    /* A server speaks no TLS on its Unix socket, nor does libpq ask for it there. */
    if (pg->stage == PG_CONNECT && pg->probe.target.pool->tls && !local)
        pg_ask_for_tls(pg);
    else
        pg_begin_login(pg);
}

static size_t pg_on_data(struct transport *t, const char *data, size_t size)
{
    struct pg_probe *pg = pg_from_transport(t);
    struct slice rest = slice_from(data, size);
    struct pg_message message;
    int err = 0;

    if (pg->stage == PG_TLS_ASKED)
        return pg_on_tls_answer(pg, data, size);
    while (probe_runs(&pg->probe) && (err = pg_message_take(&rest, &message)) == 0)
        pg_on_message(pg, &message);
    pg->seen_bytes += size - rest.n;
    if (!probe_runs(&pg->probe))
        return size - rest.n;
    if (err == EG_E_UPSTREAM_PROTOCOL)
        probe_fail(&pg->probe, "does not speak PostgreSQL");
    else if (pg->seen_bytes > PG_ANSWER_BYTES)
        probe_fail(&pg->probe, "talks and does not answer");
    else
        transport_expect_more(t);
    return size - rest.n;
}

static void pg_on_eof(struct transport *t)
{
    probe_fail(&pg_from_transport(t)->probe, "closed the connection without an answer");
}

static void pg_on_transport_error(struct transport *t, int code)
{
    probe_fail_transport(&pg_from_transport(t)->probe, t, code);
}

/* Messages are short: nobody waits for the output to drain. */
static void pg_on_drained(struct transport *t)
{
}

static const struct transport_ops pg_ops = {
    .on_connected = pg_on_connected,
    .on_data = pg_on_data,
    .on_eof = pg_on_eof,
    .on_error = pg_on_transport_error,
    .on_drained = pg_on_drained,
};

/* ---- the type ----------------------------------------------------------------------------- */

static int pg_open(struct probe_pool *pool, const struct config_health *health, char **ret_why)
{
    struct pg_shared *shared = xcalloc(1, sizeof(*shared));

    pool->shared = shared;
    return secret_init(&shared->password, health->password_file, ret_why);
}

static void pg_close(struct probe_pool *pool)
{
    struct pg_shared *shared = pool->shared;

    if (!shared)
        return;
    secret_fini(&shared->password);
    free(shared);
    pool->shared = NULL;
}

static void pg_start(struct probe *probe)
{
    struct pg_probe *pg = container_of(probe, struct pg_probe, probe);

    if (*probe->target.memory == NULL)
        *probe->target.memory = xcalloc(1, sizeof(struct pg_memory));
    pg->login.user = probe_config(probe)->user;
    pg->login.keys = &pg_memory_of(pg)->keys;
    probe->awaits = "connection";
    int err = transport_init_connect(&pg->transport, probe_loop(probe), &probe->target.address,
                                     NULL, PG_IN_BYTES, &pg_ops);
    if (err != 0)
        probe_fail_transport(probe, &pg->transport, err);
}

static void pg_stop(struct probe *probe)
{
    struct pg_probe *pg = container_of(probe, struct pg_probe, probe);

    /* A server that could not be asked may have been put back to an older state meanwhile. */
    if (probe->verdict == CHECK_FAIL)
        pg_memory_of(pg)->caught_up_us = 0;
    transport_fini(&pg->transport, false);
}

static void pg_forget(void *memory)
{
    OPENSSL_cleanse(memory, sizeof(struct pg_memory));
    free(memory);
}

const struct probe_type probe_postgres = {
    .name = "postgres",
    .size_bytes = sizeof(struct pg_probe),
    .open = pg_open,
    .close = pg_close,
    .start = pg_start,
    .stop = pg_stop,
    .forget = pg_forget,
};
