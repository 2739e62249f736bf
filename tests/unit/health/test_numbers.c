/* Histograms and durations. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "fixture.h"
#include "health/duration.h"
#include "health/histogram.h"

Test(histogram, buckets_are_without_gaps_and_a_quarter_of_an_octave_wide)
{
    cr_assert_eq(histogram_bucket(0), 0);
    cr_assert_eq(histogram_bucket(63), 0);
    cr_assert_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t begin_us = histogram_begin_us(i);

        cr_assert_eq(histogram_bucket(begin_us), i);
        cr_assert_eq(histogram_bucket(begin_us - 1), i - 1);
        cr_assert_leq((histogram_begin_us(i + 1) - begin_us) * 4, begin_us);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

Test(histogram, percentiles_are_those_of_the_sorted_samples_within_a_quarter)
{
    static uint32_t samples[5000];
    uint32_t counts[HISTOGRAM_BUCKETS] = {0};
    uint64_t random = 7;

    for (unsigned i = 0; i < 5000; i++) {
        samples[i] = (uint32_t)(80 << fixture_random(&random) % 12) +
                     (uint32_t)(fixture_random(&random) % 5000);
        counts[histogram_bucket(samples[i])]++;
    }
    qsort(samples, 5000, sizeof(samples[0]), compare);
    for (unsigned percent = 1; percent < 100; percent++) {
        double exact = samples[5000 * percent / 100 - 1];

        cr_assert_float_eq((double)histogram_percentile_us(counts, percent), exact, exact / 4);
    }
}

Test(histogram, too_few_samples_say_nothing)
{
    uint32_t counts[HISTOGRAM_BUCKETS] = {0};

    counts[10] = HISTOGRAM_ENOUGH - 1;
    cr_assert_eq(histogram_percentile_us(counts, 50), 0);
    counts[10]++;
    cr_assert_neq(histogram_percentile_us(counts, 50), 0);
    cr_assert_neq(histogram_percentile_us(counts, 95), 0);
    cr_assert_eq(histogram_percentile_us(counts, 99), 0, "a hundred are needed");
}

Test(duration, reads_as_people_say_it)
{
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {999, "0 ms"},
        {850000, "850 ms"},
        {999999, "999 ms"},
        {1000000, "1 s"},
        {1500000, "1.5 s"},
        {9970000, "9.9 s"},
        {10900000, "10 s"},
        {59999999, "59 s"},
        {60000000, "1 m"},
        {200000000, "3 m 20 s"},
        {3600000000, "1 h"},
        {11520000000, "3 h 12 m"},
        {187200000000, "2 d 4 h"},
        {UINT64_MAX, "213503982 d 8 h"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_str_eq(duration_text(cases[i].us).text, cases[i].text);
}
