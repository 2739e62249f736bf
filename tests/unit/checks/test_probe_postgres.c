/* The server's side of the conversation is played here; tests/integration/test_health_postgres.py
 * has real servers. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/tls.h"
#include "tests/unit/checks/db_fixture.h"

static struct db_fixture f;

#define SAY(connection, bytes) fake_send_bytes(connection, bytes, sizeof(bytes) - 1)

#define AUTH_OK   "R\0\0\0\10\0\0\0\0"
#define READY     "Z\0\0\0\5I"
#define ROW_PRIM  "D\0\0\0\13\0\1\0\0\0\1f"
#define ROW_STAND "D\0\0\0\13\0\1\0\0\0\1t"
#define SASL      "R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0"

static void start(enum config_role role)
{
    db_init(&f, &probe_postgres);
    f.health.user = "user";
    f.health.role = role;
    f.health.max_lag_ms = 0;
}

/* Until the client has said so much, all in all. */
static void heard(struct fake_connection *c, size_t size)
{
    RUN_UNTIL(&f.loop, c->recorded >= size);
}

static void login(struct fake_connection *c)
{
    heard(c, 8);
    SAY(c, AUTH_OK "S\0\0\0\26in_hot_standby\0on\0");
    SAY(c, "K\0\0\0\14\0\0\0\1\0\0\0\2" READY);
}

Test(probe_postgres, a_primary_is_told_from_a_standby)
{
    static const struct {
        enum config_role role;
        bool standby;
        enum check_verdict verdict;
        const char *why;
    } cases[] = {
        {CONFIG_ROLE_PRIMARY, false, CHECK_PASS, ""},
        {CONFIG_ROLE_PRIMARY, true, CHECK_FAIL, "is a standby, expected the primary"},
        {CONFIG_ROLE_STANDBY, true, CHECK_PASS, ""},
        {CONFIG_ROLE_STANDBY, false, CHECK_FAIL, "is the primary, expected a standby"},
        {CONFIG_ROLE_ANY, true, CHECK_PASS, ""},
        {CONFIG_ROLE_ANY, false, CHECK_PASS, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].role);
        struct fake_connection *c = db_ask(&f);
        login(c);
        RUN_UNTIL(&f.loop, memmem(c->record, c->recorded, "pg_is_in_recovery", 17) != NULL);
        if (cases[i].standby)
            SAY(c, ROW_STAND);
        else
            SAY(c, ROW_PRIM);
        db_expect(&f, cases[i].verdict, cases[i].why);
        RUN_UNTIL(&f.loop, c->eof);
        cr_expect_eq(memcmp(c->record + c->recorded - 5, "X\0\0\0\4", 5), 0, "no goodbye");
        db_fini(&f);
    }
}

Test(probe_postgres, an_answer_in_single_bytes_is_the_same_answer)
{
    static const char talk[] = AUTH_OK READY ROW_PRIM;

    start(CONFIG_ROLE_PRIMARY);
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    for (size_t i = 0; i < sizeof(talk) - 1; i++) {
        fake_send_bytes(c, talk + i, 1);
        run_turns(&f.loop, 3);
    }
    db_expect(&f, CHECK_PASS, "");
    db_fini(&f);
}

Test(probe_postgres, an_error_of_the_server_is_the_evidence)
{
    start(CONFIG_ROLE_ANY);
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    SAY(c, "E\0\0\0\106SSCHWERWIEGEND\0VFATAL\0C57P03\0Mthe database system is starting up\0\0");
    db_expect(&f, CHECK_FAIL, "FATAL: the database system is starting up");
    db_fini(&f);
}

Test(probe_postgres, a_standby_over_the_lag_limit_is_degraded)
{
    start(CONFIG_ROLE_STANDBY);
    f.health.max_lag_ms = 10 * 1000;
    struct fake_connection *c = db_ask(&f);
    login(c);
    RUN_UNTIL(&f.loop, memmem(c->record, c->recorded, "pg_stat_wal_receiver", 20) != NULL);
    SAY(c, "D\0\0\0\36\0\4\0\0\0\1t\0\0\0\1t\0\0\0\1t\0\0\0\005"
           "12000");
    db_expect(&f, CHECK_DEGRADED, "replication lag 12 s, limit 10 s");
    db_fini(&f);
}

Test(probe_postgres, a_password_is_sent_when_it_is_asked_for)
{
    start(CONFIG_ROLE_ANY);
    f.health.password_file = db_password_file("  secret\n");
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    size_t before = c->recorded;
    SAY(c, "R\0\0\0\10\0\0\0\3");
    heard(c, before + 12);
    cr_expect_eq(memcmp(c->record + before, "p\0\0\0\13secret\0", 12), 0);
    SAY(c, "R\0\0\0\14\0\0\0\5salt");
    heard(c, before + 12 + 41);
    cr_expect_eq(memcmp(c->record + before + 12, "p\0\0\0\50md5", 8), 0);
    login(c);
    SAY(c, ROW_PRIM);
    db_expect(&f, CHECK_PASS, "");
    unlink(f.health.password_file);
    db_fini(&f);
}

Test(probe_postgres, without_a_password_a_server_that_wants_one_is_told_so)
{
    start(CONFIG_ROLE_ANY);
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    SAY(c, SASL);
    db_expect(&f, CHECK_FAIL, "asks for a password and none is configured (password_file)");
    db_fini(&f);
}

Test(probe_postgres, a_server_that_skips_its_own_proof_is_not_trusted)
{
    start(CONFIG_ROLE_ANY);
    f.health.password_file = db_password_file("secret");
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    SAY(c, SASL);
    RUN_UNTIL(&f.loop, memmem(c->record, c->recorded, "n,,n=,r=", 8) != NULL);
    SAY(c, AUTH_OK READY);
    db_expect(&f, CHECK_FAIL, "does not prove that it knows the password itself");
    unlink(f.health.password_file);
    db_fini(&f);
}

Test(probe_postgres, an_unknown_login_is_refused)
{
    start(CONFIG_ROLE_ANY);
    f.health.password_file = db_password_file("secret");
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    SAY(c, "R\0\0\0\10\0\0\0\7");
    db_expect(&f, CHECK_FAIL, "wants a login of kind 7, which evergate does not know");
    unlink(f.health.password_file);
    db_fini(&f);
}

Test(probe_postgres, a_server_that_is_no_postgresql_is_told_so)
{
    static const char *const greetings[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                            "-ERR unknown command\r\n", "SSH-2.0-OpenSSH\r\n"};

    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        start(CONFIG_ROLE_ANY);
        fake_send(db_ask(&f), greetings[i]);
        db_expect(&f, CHECK_FAIL, "does not speak PostgreSQL");
        db_fini(&f);
    }
}

static void start_any(void)
{
    start(CONFIG_ROLE_ANY);
}

Test(probe_postgres, a_server_that_hangs_up_or_is_silent_or_refuses_is_told_so)
{
    db_expect_dead_servers_told(&f, start_any);
}

Test(probe_postgres, a_server_that_talks_without_end_is_given_up)
{
    static const char notice[] = "N\0\0\20\0";
    static char body[4096 - 4];

    start(CONFIG_ROLE_ANY);
    struct fake_connection *c = db_ask(&f);
    for (unsigned i = 0; i < 40 && !f.told; i++) {
        SAY(c, notice);
        fake_send_bytes(c, body, sizeof(body));
        run_turns(&f.loop, 20);
    }
    db_expect(&f, CHECK_FAIL, "talks and does not answer");
    db_fini(&f);
}

/* ---- TLS ---------------------------------------------------------------------------------- */

static struct fake_connection *asked_for_tls(void)
{
    const struct tls_client_params params = {.verify = false};
    char *why = NULL;

    start(CONFIG_ROLE_ANY);
    cr_assert_eq(tls_context_new_client(&f.pool.tls, &params, &why), 0);
    struct fake_connection *c = db_ask(&f);
    heard(c, 8);
    cr_expect_eq(memcmp(c->record, "\0\0\0\10\4\322\26\57", 8), 0);
    return c;
}

static void end_tls(void)
{
    struct tls_context *context = f.pool.tls;

    db_fini(&f);
    tls_context_free(context);
}

Test(probe_postgres, tls_that_is_not_offered_is_not_done_without)
{
    fake_send(asked_for_tls(), "N");
    db_expect(&f, CHECK_FAIL, "does not offer TLS, which the pool's tls settings ask for");
    end_tls();
}

Test(probe_postgres, bytes_slipped_in_before_tls_are_refused)
{
    struct fake_connection *c = asked_for_tls();

    SAY(c, "S" AUTH_OK);
    db_expect(&f, CHECK_FAIL, "does not speak PostgreSQL: wrong answer to the request for TLS");
    cr_expect_eq(c->recorded, 8);
    end_tls();
}

Test(probe_postgres, after_the_consent_the_handshake_begins)
{
    struct fake_connection *c = asked_for_tls();

    fake_send(c, "S");
    heard(c, 8 + 16);
    cr_expect_eq(c->record[8], 0x16); /* a handshake record */
    fake_finish(c);
    db_expect(&f, CHECK_FAIL, "TLS: connection closed during the handshake");
    end_tls();
}
