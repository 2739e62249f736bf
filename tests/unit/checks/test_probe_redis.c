/* The servers are played here; tests/integration/test_health_redis.py has real ones. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "tests/unit/checks/db_fixture.h"

static struct db_fixture f;

#define PING_ROLE "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n"
#define MASTER                                                                                     \
    "*3\r\n$6\r\nmaster\r\n:17\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n$2\r\n17\r\n"
#define REPLICA(state) "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n" state "\r\n:17\r\n"
#define CONNECTED      REPLICA("$9\r\nconnected")
#define CONNECTING     REPLICA("$10\r\nconnecting")

static void start(enum config_role role)
{
    db_init(&f, &probe_redis);
    f.health.role = role;
}

static void heard(struct fake_connection *c, const char *text)
{
    RUN_UNTIL(&f.loop, c->recorded >= strlen(text));
    cr_expect_str_eq(c->record, text);
}

Test(probe_redis, the_role_decides)
{
    static const struct {
        enum config_role role;
        const char *answer;
        enum check_verdict verdict;
        const char *why;
    } cases[] = {
        {CONFIG_ROLE_PRIMARY, "+PONG\r\n" MASTER, CHECK_PASS, ""},
        {CONFIG_ROLE_PRIMARY, "+PONG\r\n" CONNECTED, CHECK_FAIL,
         "is a standby, expected the primary"},
        {CONFIG_ROLE_STANDBY, "+PONG\r\n" CONNECTED, CHECK_PASS, ""},
        {CONFIG_ROLE_STANDBY, "+PONG\r\n" MASTER, CHECK_FAIL, "is the primary, expected a standby"},
        {CONFIG_ROLE_STANDBY, "+PONG\r\n" CONNECTING, CHECK_DEGRADED,
         "its link to the primary 10.0.0.1:6379 is down (connecting)"},
        {CONFIG_ROLE_ANY, "+PONG\r\n" CONNECTING, CHECK_DEGRADED,
         "its link to the primary 10.0.0.1:6379 is down (connecting)"},
        {CONFIG_ROLE_ANY, "+PONG\r\n" MASTER, CHECK_PASS, ""},
        {CONFIG_ROLE_ANY, "+PONG\r\n-NOPERM no right\r\n", CHECK_PASS, ""},
        {CONFIG_ROLE_PRIMARY, "+PONG\r\n-NOPERM no right\r\n", CHECK_FAIL, "ROLE: NOPERM no right"},
        {CONFIG_ROLE_ANY, "-LOADING Redis is loading the dataset in memory\r\n", CHECK_FAIL,
         "LOADING Redis is loading the dataset in memory"},
        {CONFIG_ROLE_ANY, "-NOAUTH Authentication required.\r\n", CHECK_FAIL,
         "NOAUTH Authentication required."},
        {CONFIG_ROLE_PRIMARY, "+PONG\r\n*2\r\n$8\r\nsentinel\r\n*0\r\n", CHECK_FAIL,
         "is no primary and no standby: a Sentinel?"},
        {CONFIG_ROLE_ANY, "HTTP/1.1 400 Bad Request\r\n\r\n", CHECK_FAIL,
         "does not speak the protocol of Redis"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].role);
        struct fake_connection *c = db_ask(&f);
        heard(c, PING_ROLE);
        fake_send(c, cases[i].answer);
        db_expect(&f, cases[i].verdict, cases[i].why);
        db_fini(&f);
    }
}

Test(probe_redis, an_answer_in_single_bytes_is_the_same_answer)
{
    static const char talk[] = "+PONG\r\n" MASTER;

    start(CONFIG_ROLE_PRIMARY);
    struct fake_connection *c = db_ask(&f);
    for (size_t i = 0; i < sizeof(talk) - 1; i++) {
        fake_send_bytes(c, talk + i, 1);
        run_turns(&f.loop, 3);
    }
    db_expect(&f, CHECK_PASS, "");
    db_fini(&f);
}

Test(probe_redis, a_password_goes_first_with_or_without_a_user)
{
    static const struct {
        const char *user, *expected;
    } cases[] = {
        {"", "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n" PING_ROLE},
        {"ann", "*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n" PING_ROLE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(CONFIG_ROLE_ANY);
        f.health.user = cases[i].user;
        f.health.password_file = db_password_file("secret\n");
        struct fake_connection *c = db_ask(&f);
        heard(c, cases[i].expected);
        fake_send(c, "+OK\r\n+PONG\r\n" MASTER);
        db_expect(&f, CHECK_PASS, "");
        unlink(f.health.password_file);
        db_fini(&f);
    }
}

Test(probe_redis, a_password_that_was_changed_is_read_again_after_a_refusal)
{
    start(CONFIG_ROLE_ANY);
    f.health.password_file = db_password_file("old");
    struct fake_connection *c = db_ask(&f);
    heard(c, "*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n" PING_ROLE);
    db_password_file("newer");
    fake_send(c, "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    db_expect(&f, CHECK_FAIL,
              "AUTH: WRONGPASS invalid username-password pair or user is disabled.");
    db_start(&f);
    heard(db_connection(&f, 1), "*2\r\n$4\r\nAUTH\r\n$5\r\nnewer\r\n" PING_ROLE);
    unlink(f.health.password_file);
    db_fini(&f);
}

static void start_any(void)
{
    start(CONFIG_ROLE_ANY);
}

Test(probe_redis, a_server_that_hangs_up_or_is_silent_or_refuses_is_told_so)
{
    db_expect_dead_servers_told(&f, start_any);
}

/* ---- Sentinels ---------------------------------------------------------------------------- */

enum { SENTINELS = 2 };

static struct fake_backend sentinels[SENTINELS];
static const char *sentinel_texts[SENTINELS + 1];

#define QUESTION "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$8\r\nmymaster\r\n"

static void start_with_sentinels(enum config_role role)
{
    start(role);
    for (unsigned i = 0; i < SENTINELS; i++) {
        fake_backend_start(&sentinels[i], &f.loop, "127.0.0.1:0");
        sentinel_texts[i] = sentinels[i].text;
    }
    f.health.sentinels = sentinel_texts;
    f.health.master_name = "mymaster";
}

static struct fake_connection *asked_sentinel(unsigned index)
{
    RUN_UNTIL(&f.loop, sentinels[index].count > 0);
    struct fake_connection *c = sentinels[index].connections[0];
    heard(c, QUESTION);
    return c;
}

/* The answer that names port `port` of 127.0.0.1. */
static void name_master(struct fake_connection *c, unsigned port)
{
    char text[64], number[8];

    int digits = snprintf(number, sizeof(number), "%u", port);
    snprintf(text, sizeof(text), "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", digits, number);
    fake_send(c, text);
}

static void end_sentinels(void)
{
    IN_TURN(&f.loop, probe_cancel(&f.probe));
    for (unsigned i = 0; i < SENTINELS; i++)
        fake_backend_stop(&sentinels[i]);
    db_fini(&f);
}

static unsigned own_port(void)
{
    return address_port(&f.server.address);
}

Test(probe_redis, whom_a_sentinel_names_is_asked_too)
{
    static const struct {
        const char *answer;
        enum check_verdict verdict;
        const char *why;
    } cases[] = {
        {"+PONG\r\n" MASTER, CHECK_PASS, ""},
        {"+PONG\r\n" CONNECTED, CHECK_FAIL, "is a standby, although Sentinel names it the master"},
        {"-LOADING wait\r\n", CHECK_FAIL, "LOADING wait"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_with_sentinels(CONFIG_ROLE_ANY);
        db_open(&f);
        db_start(&f);
        name_master(asked_sentinel(0), own_port());
        fake_send(db_connection(&f, 0), cases[i].answer);
        db_expect(&f, cases[i].verdict, cases[i].why);
        end_sentinels();
    }
}

Test(probe_redis, whom_no_sentinel_names_is_not_the_primary)
{
    start_with_sentinels(CONFIG_ROLE_PRIMARY);
    db_open(&f);
    db_start(&f);
    name_master(asked_sentinel(0), 1);
    db_expect(&f, CHECK_FAIL, "is not the primary: Sentinel names 127.0.0.1:1");
    cr_expect_eq(f.server.count, 0);
    end_sentinels();
}

Test(probe_redis, a_standby_is_whom_sentinel_does_not_name)
{
    start_with_sentinels(CONFIG_ROLE_STANDBY);
    db_open(&f);
    db_start(&f);
    name_master(asked_sentinel(0), own_port());
    db_expect(&f, CHECK_FAIL, "is the primary, expected a standby: Sentinel names it the master");
    end_sentinels();

    start_with_sentinels(CONFIG_ROLE_STANDBY);
    db_open(&f);
    db_start(&f);
    name_master(asked_sentinel(0), 1);
    fake_send(db_connection(&f, 0), "+PONG\r\n" CONNECTED);
    db_expect(&f, CHECK_PASS, "");
    end_sentinels();
}

Test(probe_redis, the_next_sentinel_is_asked_when_one_cannot_tell)
{
    start_with_sentinels(CONFIG_ROLE_PRIMARY);
    db_open(&f);
    fake_backend_refuse(&sentinels[0]);
    db_start(&f);
    name_master(asked_sentinel(1), own_port());
    fake_send(db_connection(&f, 0), "+PONG\r\n" MASTER);
    db_expect(&f, CHECK_PASS, "");
    end_sentinels();

    start_with_sentinels(CONFIG_ROLE_PRIMARY);
    db_open(&f);
    db_start(&f);
    fake_send(asked_sentinel(0), "*-1\r\n");
    fake_finish(asked_sentinel(1));
    char expected[2 * HEALTH_WHY_BYTES];
    snprintf(expected, sizeof(expected),
             "no Sentinel tells who is the primary; %s: closed the connection without an answer",
             sentinels[1].text);
    db_expect(&f, CHECK_FAIL, expected);
    end_sentinels();
}

Test(probe_redis, a_silent_sentinel_does_not_eat_the_time_of_the_others)
{
    start_with_sentinels(CONFIG_ROLE_PRIMARY);
    f.health.timeout_ms = 600;
    db_open(&f);
    db_start(&f);
    asked_sentinel(0);
    name_master(asked_sentinel(1), own_port());
    fake_send(db_connection(&f, 0), "+PONG\r\n" MASTER);
    db_expect(&f, CHECK_PASS, "");
    /* The one that answered is asked first from now on. */
    db_start(&f);
    RUN_UNTIL(&f.loop, sentinels[1].count == 2);
    cr_expect_eq(sentinels[0].count, 1);
    end_sentinels();
}

Test(probe_redis, a_sentinel_that_wants_a_password_gets_it)
{
    start_with_sentinels(CONFIG_ROLE_PRIMARY);
    f.health.password_file = db_password_file("secret");
    db_open(&f);
    db_start(&f);
    struct fake_connection *c = asked_sentinel(0);
    fake_send(c, "-NOAUTH Authentication required.\r\n");
    heard(c, QUESTION "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n" QUESTION);
    fake_send(c, "+OK\r\n");
    name_master(c, own_port());
    fake_send(db_connection(&f, 0), "+OK\r\n+PONG\r\n" MASTER);
    db_expect(&f, CHECK_PASS, "");
    unlink(f.health.password_file);
    end_sentinels();
}

Test(probe_redis, a_sentinel_that_is_no_address_is_refused)
{
    static const char *const texts[] = {"10.0.0.1:99999", NULL};
    char *why = NULL;

    start(CONFIG_ROLE_PRIMARY);
    f.health.sentinels = (const char **)texts;
    cr_assert_eq(probe_redis.open(&f.pool, &f.health, &why), EG_E_INTERNAL);
    cr_expect_str_eq(why, "sentinel \"10.0.0.1:99999\" is no address; write HOST:PORT");
    free(why);
    db_fini(&f);
}
