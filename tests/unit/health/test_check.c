/* Verdicts in a row: by example, and against a reference that looks through the whole history. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "fixture.h"
#include "health/check.h"

static const struct config_health defaults = {.rise = 2, .fall = 3};

static enum endpoint_status feed(struct check_count *count, const char *verdicts)
{
    for (; *verdicts != '\0'; verdicts++)
        check_count_add(count, &defaults,
                        *verdicts == 'p'   ? CHECK_PASS
                        : *verdicts == 'd' ? CHECK_DEGRADED
                                           : CHECK_FAIL);
    return count->status;
}

static enum endpoint_status after(const char *verdicts)
{
    struct check_count count;

    check_count_init(&count);
    return feed(&count, verdicts);
}

Test(check, one_answer_is_enough_from_unknown_and_one_failure_is_not)
{
    cr_assert_eq(after(""), ENDPOINT_UNKNOWN);
    cr_assert_eq(after("p"), ENDPOINT_HEALTHY);
    cr_assert_eq(after("d"), ENDPOINT_DEGRADED);
    cr_assert_eq(after("ff"), ENDPOINT_UNKNOWN);
    cr_assert_eq(after("ffp"), ENDPOINT_HEALTHY);
    cr_assert_eq(after("fff"), ENDPOINT_UNHEALTHY);
}

Test(check, falls_after_three_failures_in_a_row_and_rises_after_two_passes)
{
    cr_assert_eq(after("pffpff"), ENDPOINT_HEALTHY);
    cr_assert_eq(after("pfff"), ENDPOINT_UNHEALTHY);
    cr_assert_eq(after("pfffpfp"), ENDPOINT_UNHEALTHY);
    cr_assert_eq(after("pfffpp"), ENDPOINT_HEALTHY);
}

Test(check, degraded_is_an_answer_and_still_no_pass)
{
    cr_assert_eq(after("pdd"), ENDPOINT_HEALTHY, "one slow check is no reason");
    cr_assert_eq(after("pddd"), ENDPOINT_DEGRADED);
    cr_assert_eq(after("pffd"), ENDPOINT_DEGRADED, "failures were no passes either");
    cr_assert_eq(after("pfffdd"), ENDPOINT_DEGRADED);
    cr_assert_eq(after("pfffpd"), ENDPOINT_DEGRADED);
    cr_assert_eq(after("pdddp"), ENDPOINT_DEGRADED);
    cr_assert_eq(after("pdddpp"), ENDPOINT_HEALTHY);
    cr_assert_eq(after("pdddfff"), ENDPOINT_UNHEALTHY);
}

Test(check, hurries_while_the_status_is_not_settled)
{
    struct check_count count;

    check_count_init(&count);
    cr_assert(check_count_hurries(&count));
    feed(&count, "p");
    cr_assert_not(check_count_hurries(&count));
    feed(&count, "f");
    cr_assert(check_count_hurries(&count));
    feed(&count, "ff");
    cr_assert(check_count_hurries(&count), "it is down");
    feed(&count, "dd");
    cr_assert_not(check_count_hurries(&count));
    feed(&count, "p");
    cr_assert(check_count_hurries(&count), "one more and it is healthy");
    check_count_forget(&count);
    cr_assert_eq(count.status, ENDPOINT_UNKNOWN);
    cr_assert_eq(count.verdicts, 7);
}

/* ---- The model ---- */

enum { STEPS = 100000, SEEDS = 4 };

/* Are the last `wanted` verdicts all among `allowed` (a bit each)? */
static bool all_last(const unsigned char *history, unsigned size, unsigned wanted, unsigned allowed)
{
    if (size < wanted)
        return false;
    for (unsigned i = size - wanted; i < size; i++) {
        if ((allowed >> history[i] & 1) == 0)
            return false;
    }
    return true;
}

enum { P = 1 << CHECK_PASS, D = 1 << CHECK_DEGRADED, F = 1 << CHECK_FAIL };

static enum endpoint_status reference_next(enum endpoint_status status,
                                           const unsigned char *history, unsigned size,
                                           const struct config_health *config)
{
    if (all_last(history, size, config->fall, F))
        return ENDPOINT_UNHEALTHY;
    if (status == ENDPOINT_UNKNOWN && all_last(history, size, 1, P))
        return ENDPOINT_HEALTHY;
    if (status == ENDPOINT_UNKNOWN && all_last(history, size, 1, D))
        return ENDPOINT_DEGRADED;
    if (status == ENDPOINT_HEALTHY && all_last(history, size, config->fall, D | F))
        return ENDPOINT_DEGRADED;
    if (status == ENDPOINT_DEGRADED && all_last(history, size, config->rise, P))
        return ENDPOINT_HEALTHY;
    if (status == ENDPOINT_UNHEALTHY && all_last(history, size, config->rise, P))
        return ENDPOINT_HEALTHY;
    if (status == ENDPOINT_UNHEALTHY && all_last(history, size, config->rise, P | D))
        return ENDPOINT_DEGRADED;
    return status;
}

static void model_run(unsigned seed)
{
    struct config_health config = {.rise = 1 + seed % 3, .fall = 1 + seed % 4};
    unsigned char *history = xmalloc(STEPS);
    enum endpoint_status status = ENDPOINT_UNKNOWN;
    uint64_t random = seed;
    struct check_count count;
    unsigned size = 0, changes = 0;

    check_count_init(&count);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t bits = fixture_random(&random);
        /* Mostly the same as before, so that rows come about. */
        unsigned char verdict =
            (unsigned char)(bits % 4 != 0 && size > 0 ? history[size - 1] : bits / 4 % 3);
        enum endpoint_status next;

        if (bits >> 32 & 0x3ff) {
            history[size++] = verdict;
            next = reference_next(status, history, size, &config);
            cr_assert_eq(check_count_add(&count, &config, verdict), next != status,
                         "seed %u step %u", seed, step);
        } else {
            check_count_forget(&count);
            size = 0;
            next = ENDPOINT_UNKNOWN;
        }
        changes += next != status;
        status = next;
        cr_assert_eq(count.status, status, "seed %u step %u: %d, not %d", seed, step, count.status,
                     status);
    }
    cr_assert_gt(changes, 1000);
    free(history);
}

Test(check, does_what_a_reference_with_the_whole_history_does)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed);
}
