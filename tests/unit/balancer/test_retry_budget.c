/* The retry budget: its bound, from both sides, against lists of all that happened. */
#include <criterion/criterion.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "balancer/retry_budget.h"

static unsigned withdraw_all(struct retry_budget *budget, uint64_t now_us)
{
    unsigned granted = 0;

    while (retry_budget_withdraw(budget, now_us))
        granted++;
    return granted;
}

Test(retry_budget, without_traffic_the_minimum_is_granted_each_second_but_not_saved_up)
{
    struct retry_budget budget;

    retry_budget_init(&budget, 20, 3);
    cr_expect_eq(withdraw_all(&budget, 5000000), 3);
    cr_expect_eq(withdraw_all(&budget, 5999999), 0);
    cr_expect_eq(withdraw_all(&budget, 6100000), 3);
    cr_expect_eq(withdraw_all(&budget, 60000000), 3);
}

Test(retry_budget, a_share_of_the_last_second_is_granted)
{
    struct retry_budget budget;

    retry_budget_init(&budget, 20, 3);
    for (unsigned ms = 0; ms < 20000; ms++)
        retry_budget_deposit(&budget, 1, 1000000 + ms * 1000);
    cr_expect_geq(withdraw_all(&budget, 21000000), 190);
    cr_expect_eq(withdraw_all(&budget, 21000000), 0);
}

Test(retry_budget, another_limit_counts_at_once_and_what_was_granted_stays_counted)
{
    struct retry_budget budget;

    retry_budget_init(&budget, 20, 3);
    cr_expect_eq(withdraw_all(&budget, 5000000), 3);
    retry_budget_change(&budget, 20, 5);
    cr_expect_eq(withdraw_all(&budget, 5000000), 2);
}

Test(retry_budget, traffic_of_a_minute_ago_is_no_credit)
{
    struct retry_budget budget;

    retry_budget_init(&budget, 20, 3);
    retry_budget_deposit(&budget, 64, 1000000);
    cr_expect_eq(withdraw_all(&budget, 61000000), 3);
}

Test(retry_budget, nothing_is_granted_without_percent_and_minimum)
{
    struct retry_budget budget;

    retry_budget_init(&budget, 0, 0);
    retry_budget_deposit(&budget, 64, 1000000);
    cr_expect_eq(withdraw_all(&budget, 1000000), 0);
    cr_expect_eq(withdraw_all(&budget, 1000000), 0, "what was refused is not counted");
}

Test(retry_budget, bursts_do_not_each_have_the_minimum_on_top)
{
    struct retry_budget budget;
    unsigned granted = 0;

    /* One second of 1000 requests, nine of none: 200 for the ten, not 200 + 9 * 20. */
    retry_budget_init(&budget, 20, 20);
    for (unsigned i = 0; i < 100; i++)
        retry_budget_deposit(&budget, 10, 20000000 + i * 10000);
    granted += withdraw_all(&budget, 20999999);
    cr_expect_eq(granted, 200);
    for (unsigned second = 1; second < 10; second++)
        granted += withdraw_all(&budget, 20999999 + second * 1100000);
    cr_expect_eq(granted, 200);
}

enum { STEPS = 200000, KEPT = 1 << 18 };

/* All deposits and grants, with running sums: how many were there since a time? */
struct ledger {
    uint64_t time_us[KEPT];
    uint64_t sum[KEPT];
    unsigned count;
};

static void ledger_add(struct ledger *l, unsigned n, uint64_t now_us)
{
    cr_assert_lt(l->count, KEPT);
    l->time_us[l->count] = now_us;
    l->sum[l->count] = n + (l->count > 0 ? l->sum[l->count - 1] : 0);
    l->count++;
}

/* After `since_us`, exclusively. */
static uint64_t ledger_since(const struct ledger *l, uint64_t now_us, uint64_t ago_us)
{
    uint64_t since_us = now_us > ago_us ? now_us - ago_us : 0;
    unsigned low = 0, high = l->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (l->time_us[middle] > since_us || now_us < ago_us)
            high = middle;
        else
            low = middle + 1;
    }
    if (l->count == 0)
        return 0;
    return l->sum[l->count - 1] - (low > 0 ? l->sum[low - 1] : 0);
}

struct model {
    struct retry_budget budget;
    struct ledger requests, retries;
    unsigned percent, min;
    uint64_t now_us, random;
};

static uint64_t model_random(struct model *m)
{
    m->random += BALANCER_GOLDEN;
    return balancer_mix(m->random);
}

static uint64_t model_allowed(const struct model *m, uint64_t ago_us, unsigned seconds)
{
    uint64_t share = ledger_since(&m->requests, m->now_us, ago_us) * m->percent / 100;
    uint64_t least = (uint64_t)m->min * seconds;

    return share > least ? share : least;
}

static void model_withdraw(struct model *m)
{
    const uint64_t second = 1000000, slot = second / 32;

    if (retry_budget_withdraw(&m->budget, m->now_us)) {
        ledger_add(&m->retries, 1, m->now_us);
        cr_assert_leq(ledger_since(&m->retries, m->now_us, second),
                      model_allowed(m, second + slot, 1));
        cr_assert_leq(ledger_since(&m->retries, m->now_us, 10 * second),
                      model_allowed(m, 11 * second, 10));
        return;
    }
    cr_assert(ledger_since(&m->retries, m->now_us, second + slot) + 1 >
                      model_allowed(m, second, 1) ||
                  ledger_since(&m->retries, m->now_us, 11 * second) + 1 >
                      model_allowed(m, 10 * second, 10),
              "refused without a reason");
}

/* Quiet times, steady ones and bursts; retries few and many. */
static void model_step(struct model *m, unsigned step)
{
    unsigned mood = (unsigned)(balancer_mix(step / 5000 + 7) % 4);
    uint64_t bits = model_random(m);

    m->now_us += mood == 0 ? bits % 400000 : bits % 4000;
    if ((bits >> 20) % 4 < mood || (bits >> 20) % 64 == 0) {
        unsigned n = 1 + (unsigned)(bits >> 32) % 64;

        retry_budget_deposit(&m->budget, n, m->now_us);
        ledger_add(&m->requests, n, m->now_us);
    } else {
        model_withdraw(m);
    }
}

Test(retry_budget, its_bound_holds_from_both_sides_whatever_comes)
{
    static const unsigned settings[][2] = {{20, 3}, {100, 0}, {1, 10}, {0, 5}};
    static struct model m; /* several megabytes: a literal of it would not fit on the stack */

    for (unsigned s = 0; s < 4; s++) {
        memset(&m, 0, sizeof(m));
        m.now_us = 12345678;
        m.random = s;
        m.percent = settings[s][0];
        m.min = settings[s][1];
        retry_budget_init(&m.budget, m.percent, m.min);
        for (unsigned step = 0; step < STEPS; step++)
            model_step(&m, step);
        cr_expect_gt(m.retries.count, 100u, "the test met both answers");
    }
}
