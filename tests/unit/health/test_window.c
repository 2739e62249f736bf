/* The sliding window against a list of everything that was added. */
#include <criterion/criterion.h>

#include "fixture.h"
#include "health/window.h"

enum { STEPS = 100000, SEEDS = 4, LOG = 4096 };

struct entry {
    uint64_t at_us;
    struct window_totals totals;
};

static struct window_totals log_sum(struct entry *log, size_t *count, uint64_t bucket_us,
                                    uint64_t now_us)
{
    struct window_totals sum = {0};
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (log[i].at_us / bucket_us + WINDOW_BUCKETS <= now_us / bucket_us)
            continue;
        log[kept++] = log[i];
        sum.good += log[i].totals.good;
        sum.bad += log[i].totals.bad;
    }
    *count = kept;
    return sum;
}

static void model_run(unsigned seed)
{
    static struct entry log[LOG];
    uint64_t random = seed, now_us = 0, length_ms = 1 + seed * 977;
    size_t count = 0;
    struct window w;

    window_init(&w, length_ms);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t bits = fixture_random(&random);
        struct window_totals add = {bits >> 32 & 7, bits >> 40 & 3}, sum, own;

        now_us += bits % 50 == 0 ? bits % (length_ms * 3000) : bits % (length_ms * 5 + 1);
        log_sum(log, &count, w.bucket_us, now_us);
        cr_assert_lt(count, LOG);
        log[count++] = (struct entry){now_us, add};
        window_add(&w, now_us, add.good, add.bad);
        if (bits >> 50 & 1) {
            size_t i = count;

            while (i > 0 && log[i - 1].totals.good == 0)
                i--;
            if (i > 0)
                log[i - 1].totals.good--;
            log[count - 1].totals.bad++;
            window_turn_bad(&w, now_us);
        }
        if ((bits >> 51 & 0x3ff) == 0) {
            window_clear(&w);
            count = 0;
        }
        sum = log_sum(log, &count, w.bucket_us, now_us);
        own = window_sum(&w, now_us);
        cr_assert(own.good == sum.good && own.bad == sum.bad, "seed %u step %u", seed, step);
    }
}

Test(window, holds_what_a_list_of_everything_holds)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed);
}

Test(window, nothing_stays_longer_than_its_length_nor_goes_before_nine_tenths_of_it)
{
    struct window w;

    for (uint64_t begin_us = 0; begin_us < 1000000; begin_us += 99999) {
        window_init(&w, 10000);
        window_add(&w, begin_us, 0, 1);
        cr_assert_eq(window_sum(&w, begin_us + 9000000).bad, 1);
        cr_assert_eq(window_sum(&w, begin_us + 10000000).bad, 0);
    }
}

Test(window, the_share_of_errors_needs_its_volume)
{
    cr_assert(window_is_bad((struct window_totals){10, 10}, 50, 20));
    cr_assert_not(window_is_bad((struct window_totals){9, 10}, 50, 20));
    cr_assert_not(window_is_bad((struct window_totals){11, 10}, 50, 20));
    cr_assert_not(window_is_bad((struct window_totals){0, 100}, 0, 20), "switched off");
    cr_assert_not(window_is_bad((struct window_totals){0, 0}, 50, 0));
}

Test(window, a_part_is_taken_out_of_the_whole_bucket_by_bucket)
{
    struct window whole, part;

    window_init(&whole, 10000);
    window_init(&part, 10000);
    for (unsigned i = 0; i < 15; i++) {
        window_add(&whole, 5000000 + i * 1000000ull, 3, 2);
        window_add(&part, 5000000 + i * 1000000ull, 1, 1);
    }
    window_subtract(&whole, &part, 20000000);
    cr_assert_eq(window_sum(&whole, 20000000).good, 18);
    cr_assert_eq(window_sum(&whole, 20000000).bad, 9);
    cr_assert_eq(window_sum(&whole, 24000000).good, 10, "what ages goes bucket by bucket, too");
    window_add(&part, 24000000, 1000, 1000);
    window_subtract(&whole, &part, 24000000);
    cr_assert_eq(window_sum(&whole, 24000000).bad, 0, "never below nothing");
    cr_assert_eq(window_sum(&whole, 40000000).good, 0);
}

Test(window, another_length_starts_it_anew_and_the_same_does_not)
{
    struct window window;

    window_init(&window, 10000);
    window_add(&window, 5000000, 3, 2);
    window_change(&window, 10000);
    cr_assert_eq(window_sum(&window, 5000000).good, 3);
    window_change(&window, 20000);
    cr_assert_eq(window_sum(&window, 5000000).good, 0);
    window_add(&window, 5000000, 1, 0);
    cr_assert_eq(window_sum(&window, 23000000).good, 1, "and is as long as it should be");
}
