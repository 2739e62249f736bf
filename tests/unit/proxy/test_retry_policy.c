/* May a failed attempt be repeated: every row of the rules, and a walk through random questions
 * against the rules said a second time. */
#include <criterion/criterion.h>

#include "config/config.h"
#include "proxy/retry_policy.h"

enum { EVERY_WORD = CONFIG_RETRY_CONNECT | CONFIG_RETRY_RESET | CONFIG_RETRY_TIMEOUT };

static struct config_retry policy;

static void setup(void)
{
    policy = (struct config_retry){
        .attempts = 3, .on = EVERY_WORD, .backoff_ms = 25, .max_backoff_ms = 3000};
    policy.on_status.bits[503 / 64] |= (uint64_t)1 << 503 % 64;
    policy.on_status.bits[429 / 64] |= (uint64_t)1 << 429 % 64;
}

TestSuite(retry_policy, .init = setup);

/* A GET whose first attempt was sent and then reset. */
static struct retry_question question(void)
{
    return (struct retry_question){
        .policy = &policy,
        .error = EG_E_UPSTREAM_RESET,
        .sent = true,
        .idempotent = true,
        .replayable = true,
        .attempts_sent = 1,
        .retry_after_s = -1,
        .random = 25,
    };
}

/* A POST whose connection was refused. */
static struct retry_question refused(void)
{
    struct retry_question q = question();

    q.error = EG_E_CONNECT;
    q.sent = q.idempotent = false;
    q.attempts_sent = 0;
    q.attempts_unsent = 1;
    return q;
}

static void expect_no(struct retry_answer a, const char *why_not)
{
    cr_expect_eq(a.what, RETRY_NO);
    cr_expect_str_eq(a.why_not ? a.why_not : "(yes)", why_not);
}

static void expect_yes(struct retry_answer a, uint64_t after_ms, bool costs_budget)
{
    cr_expect_eq(a.what, after_ms > 0 ? RETRY_AFTER : RETRY_NOW, "%s", a.why_not ? a.why_not : "");
    cr_expect_null(a.why_not);
    cr_expect_eq(a.after_ms, after_ms);
    cr_expect_eq(a.costs_budget, costs_budget);
}

Test(retry_policy, each_failure_is_repeated_exactly_when_its_word_is_named)
{
    static const struct {
        int error;
        unsigned word;
    } table[] = {
        {EG_E_RESOLVE, CONFIG_RETRY_CONNECT},
        {EG_E_CONNECT, CONFIG_RETRY_CONNECT},
        {EG_E_CONNECT_TIMEOUT, CONFIG_RETRY_CONNECT},
        {EG_E_UPSTREAM_TLS, CONFIG_RETRY_CONNECT},
        {EG_E_UPSTREAM_RESET, CONFIG_RETRY_RESET},
        {EG_E_UPSTREAM_PROTOCOL, CONFIG_RETRY_RESET},
        {EG_E_UPSTREAM_TRUNCATED, CONFIG_RETRY_RESET},
        {EG_E_RESPONSE_TIMEOUT, CONFIG_RETRY_TIMEOUT},
        {EG_E_IDLE_TIMEOUT, CONFIG_RETRY_TIMEOUT},
        {EG_E_NO_ENDPOINT, 0},
        {EG_E_BREAKER_OPEN, 0},
        {EG_E_PENDING_FULL, 0},
        {EG_E_ROUTE_TIMEOUT, 0},
        {EG_E_CLIENT_GONE, 0},
        {EG_E_INTERNAL, 0},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        for (unsigned on = 0; on <= EVERY_WORD; on++) {
            struct retry_question q = question();

            policy.on = on;
            q.error = table[i].error;
            cr_expect_eq(retry_elsewhere(&q).what != RETRY_NO, (on & table[i].word) != 0, "%s, %u",
                         error_name(q.error), on);
        }
}

Test(retry_policy, an_answer_is_repeated_when_its_status_is_named)
{
    for (int status = 100; status < 600; status++) {
        struct retry_question q = question();

        q.error = EG_OK;
        q.status = status;
        cr_expect_eq(retry_elsewhere(&q).what != RETRY_NO, status == 503 || status == 429, "%d",
                     status);
    }
}

Test(retry_policy, nothing_is_repeated_after_a_part_of_an_answer_went_out)
{
    struct retry_question q = question(), unsent = refused();

    q.head_sent = unsent.head_sent = true;
    expect_no(retry_elsewhere(&q), "a part of the answer was sent");
    expect_no(retry_elsewhere(&unsent), "a part of the answer was sent");
    expect_no(retry_same_endpoint(&q), "a part of the answer was sent");
}

Test(retry_policy, what_was_never_sent_goes_on_at_once_whatever_the_method)
{
    struct retry_question q = refused();

    expect_yes(retry_elsewhere(&q), 0, false);
    q.error = EG_E_UPSTREAM_RESET; /* before a byte of it had left */
    expect_yes(retry_elsewhere(&q), 0, false);
    policy.on = CONFIG_RETRY_RESET;
    expect_no(retry_elsewhere(&q), "not named by retry.on");
}

Test(retry_policy, what_was_never_sent_does_not_count_but_ends_after_sixteen)
{
    struct retry_question q = refused();

    policy.attempts = 2;
    q.attempts_sent = 1;
    for (q.attempts_unsent = 1; q.attempts_unsent < RETRY_UNSENT_MAX; q.attempts_unsent++)
        expect_yes(retry_elsewhere(&q), 0, false);
    expect_no(retry_elsewhere(&q), "too many endpoints cannot be reached");
}

Test(retry_policy, one_attempt_means_none_is_repeated)
{
    struct retry_question q = question(), unsent = refused();

    policy.attempts = 1;
    expect_no(retry_elsewhere(&q), "retry.attempts allows one attempt");
    expect_no(retry_elsewhere(&unsent), "retry.attempts allows one attempt");
}

Test(retry_policy, a_method_that_changes_things_is_not_sent_twice_unless_allowed)
{
    struct retry_question q = question();

    q.idempotent = false;
    expect_no(retry_elsewhere(&q), "not idempotent and may have been seen");
    policy.non_idempotent = true;
    expect_yes(retry_elsewhere(&q), 25, true);
}

Test(retry_policy, an_answer_means_that_it_was_sent)
{
    struct retry_question q = question();

    q.error = EG_OK;
    q.status = 503;
    q.sent = q.idempotent = false;
    expect_no(retry_elsewhere(&q), "not idempotent and may have been seen");
}

Test(retry_policy, a_body_that_was_not_kept_cannot_be_sent_again)
{
    struct retry_question q = question(), unsent = refused();

    q.replayable = unsent.replayable = false;
    expect_no(retry_elsewhere(&q), "the body was not kept");
    expect_no(retry_elsewhere(&unsent), "the body was not kept");
}

Test(retry_policy, attempts_are_used_up)
{
    struct retry_question q = question();

    q.attempts_sent = 2;
    expect_yes(retry_elsewhere(&q), 25, true);
    q.attempts_sent = 3;
    expect_no(retry_elsewhere(&q), "attempts used up");
}

Test(retry_policy, backoff_doubles_to_its_cap_and_all_of_it_is_jitter)
{
    static const uint64_t limits[] = {25, 50, 100, 200, 250, 250};

    policy.attempts = 100;
    policy.max_backoff_ms = 250;
    for (unsigned n = 1; n <= 6; n++) {
        struct retry_question q = question();
        uint64_t most = 0;

        q.attempts_sent = n;
        for (q.random = 0; q.random < 1000; q.random++) {
            struct retry_answer a = retry_elsewhere(&q);

            cr_assert_eq(a.what, a.after_ms ? RETRY_AFTER : RETRY_NOW);
            most = a.after_ms > most ? a.after_ms : most;
        }
        cr_expect_eq(most, limits[n - 1]);
    }
}

Test(retry_policy, backoff_cannot_overflow)
{
    struct retry_question q = question();

    policy.attempts = UINT32_MAX;
    policy.backoff_ms = UINT64_MAX / 3;
    policy.max_backoff_ms = UINT64_MAX;
    q.attempts_sent = 4000000000;
    q.random = UINT64_MAX;
    expect_yes(retry_elsewhere(&q), UINT64_MAX, true);
    policy.backoff_ms = 0;
    expect_yes(retry_elsewhere(&q), 0, true);
}

Test(retry_policy, nothing_begins_at_the_deadline_or_behind_it)
{
    struct retry_question q = question(), unsent = refused();

    q.elapsed_ms = 975;
    q.deadline_ms = 1001;
    expect_yes(retry_elsewhere(&q), 25, true);
    q.deadline_ms = 1000;
    expect_no(retry_elsewhere(&q), "the route's time limit comes first");
    unsent.elapsed_ms = 999;
    unsent.deadline_ms = 1000;
    expect_yes(retry_elsewhere(&unsent), 0, false);
    unsent.elapsed_ms = 1000;
    expect_no(retry_elsewhere(&unsent), "the route's time limit comes first");
    unsent.elapsed_ms = 5000;
    expect_no(retry_elsewhere(&unsent), "the route's time limit comes first");
}

/* RFC 9110 section 10.2.3: it says when that server will do, not another. */
Test(retry_policy, retry_after_binds_the_endpoint_that_said_it)
{
    struct retry_question q = question();

    q.error = EG_OK;
    q.status = 503;
    q.retry_after_s = 2;
    expect_yes(retry_elsewhere(&q), 25, true);
    expect_yes(retry_same_endpoint(&q), 2000, true);
    q.retry_after_s = 0;
    expect_yes(retry_same_endpoint(&q), 25, true);
    q.retry_after_s = 3;
    expect_yes(retry_same_endpoint(&q), 3000, true);
    q.retry_after_s = 4;
    expect_no(retry_same_endpoint(&q), "Retry-After is longer than retry.max_backoff");
    q.retry_after_s = INT64_MAX;
    expect_no(retry_same_endpoint(&q), "Retry-After is longer than retry.max_backoff");
    q.retry_after_s = 2;
    q.deadline_ms = 2000;
    expect_no(retry_same_endpoint(&q), "the route's time limit comes first");
}

Test(retry_policy, an_endpoint_that_refused_is_not_hammered)
{
    struct retry_question q = refused();

    expect_yes(retry_same_endpoint(&q), 25, true);
    q.attempts_unsent = 3;
    expect_no(retry_same_endpoint(&q), "attempts used up");
    q.attempts_unsent = 2;
    q.attempts_sent = 1;
    expect_no(retry_same_endpoint(&q), "attempts used up");
}

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static struct retry_question random_question(void)
{
    static const int errors[] = {EG_OK,
                                 EG_OK,
                                 EG_E_CONNECT,
                                 EG_E_UPSTREAM_TLS,
                                 EG_E_UPSTREAM_RESET,
                                 EG_E_UPSTREAM_PROTOCOL,
                                 EG_E_RESPONSE_TIMEOUT,
                                 EG_E_IDLE_TIMEOUT,
                                 EG_E_NO_ENDPOINT,
                                 EG_E_CLIENT_GONE};
    struct retry_question q = {
        .policy = &policy,
        .error = errors[draw(10)],
        .status = draw(2) ? 503 : (int)(100 + draw(500)),
        .sent = draw(2),
        .idempotent = draw(3) > 0,
        .head_sent = draw(6) == 0,
        .replayable = draw(6) > 0,
        .attempts_sent = (unsigned)draw(5),
        .attempts_unsent = (unsigned)draw(20),
        .elapsed_ms = draw(3000),
        .deadline_ms = draw(3) ? 1 + draw(4000) : 0,
        .retry_after_s = (int64_t)draw(6) - 1,
        .random = draw(UINT64_MAX),
    };

    policy.attempts = (unsigned)draw(6);
    policy.on = (unsigned)draw(EVERY_WORD + 1);
    policy.backoff_ms = draw(4) ? draw(400) : 0;
    policy.max_backoff_ms = policy.backoff_ms + draw(3000);
    policy.non_idempotent = draw(3) == 0;
    if (q.error != EG_OK)
        q.status = 0;
    return q;
}

/* What may not be true of any yes. */
static bool yes_is_wrong(const struct retry_question *q, const struct retry_answer *a)
{
    bool sent = q->sent || q->error == EG_OK;
    bool connects = q->error == EG_E_CONNECT || q->error == EG_E_UPSTREAM_TLS;
    bool resets = q->error == EG_E_UPSTREAM_RESET || q->error == EG_E_UPSTREAM_PROTOCOL;
    bool times_out = q->error == EG_E_RESPONSE_TIMEOUT || q->error == EG_E_IDLE_TIMEOUT;

    return q->head_sent || !q->replayable || policy.attempts < 2 ||
           q->attempts_sent >= policy.attempts ||
           (sent && !q->idempotent && !policy.non_idempotent) ||
           (q->error == EG_OK && q->status != 503 && q->status != 429) ||
           (q->error != EG_OK && !connects && !resets && !times_out) ||
           ((connects || (q->error != EG_OK && !sent)) && !(policy.on & CONFIG_RETRY_CONNECT)) ||
           (resets && sent && !(policy.on & CONFIG_RETRY_RESET)) ||
           (times_out && sent && !(policy.on & CONFIG_RETRY_TIMEOUT)) ||
           (q->deadline_ms > 0 && q->elapsed_ms + a->after_ms >= q->deadline_ms);
}

Test(retry_policy, random_questions_obey_the_rules_said_the_other_way_round)
{
    unsigned yes = 0, no_answers = 0;

    for (unsigned i = 0; i < 200000; i++) {
        struct retry_question q = random_question(), forever = q;
        struct retry_answer a = retry_elsewhere(&q), same = retry_same_endpoint(&q), timeless;
        bool sent = q.sent || q.error == EG_OK;

        forever.deadline_ms = 0;
        timeless = retry_elsewhere(&forever);
        yes += a.what != RETRY_NO;
        no_answers += a.what == RETRY_NO;
        cr_assert_eq(a.what == RETRY_NO, a.why_not != NULL);
        cr_assert_eq(a.what == RETRY_AFTER, a.after_ms > 0);
        if (a.what != RETRY_NO) {
            cr_assert_not(yes_is_wrong(&q, &a));
            cr_assert_eq(a.costs_budget, sent);
            cr_assert(sent || a.after_ms == 0);
            cr_assert(sent || q.attempts_unsent < RETRY_UNSENT_MAX);
            cr_assert(a.after_ms <= policy.max_backoff_ms);
        } else {
            cr_assert(yes_is_wrong(&q, &timeless) || (!sent && q.attempts_unsent >= 16) ||
                      timeless.what != RETRY_NO);
        }
        if (same.what != RETRY_NO) {
            cr_assert_not(yes_is_wrong(&q, &same));
            cr_assert(same.costs_budget && same.after_ms <= policy.max_backoff_ms);
            cr_assert(q.error || (int64_t)same.after_ms >= q.retry_after_s * 1000);
        }
    }
    cr_expect(yes > 5000 && no_answers > 5000, "%u, %u", yes, no_answers);
}

Test(retry_policy, retry_after_is_seconds_or_a_date)
{
    static const struct {
        const char *text;
        int64_t delay_s; /* -1: refused */
    } table[] = {
        {"0", 0},
        {"120", 120},
        {"0120", 120},
        {"2147483647", INT32_MAX},
        {"2147483648", INT32_MAX},
        {"99999999999999999999999999", INT32_MAX},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT32_MAX},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60},
        {"Sun Nov  6 08:49:38 1994", 1},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.5", -1},
        {"10 s", -1},
        {"10, 20", -1},
        {"soon", -1},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int64_t delay_s = -1;

        cr_expect_eq(retry_after_parse(slice_str(table[i].text), 784111777, &delay_s),
                     table[i].delay_s >= 0, "%s", table[i].text);
        cr_expect_eq(delay_s, table[i].delay_s, "%s", table[i].text);
    }
}
