/* least_latency: prefers the faster, forgives the slow, distrusts quick failures. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

static void sample(struct fixture *f, unsigned index, enum balancer_outcome outcome,
                   uint64_t latency_us)
{
    struct endpoint *e = fixture_endpoint(f, index);

    atomic_fetch_add(&e->active, 1); /* as a pick would have */
    balancer_done(f->pool, e, outcome, latency_us, f->now_us);
}

static unsigned pick_and_cancel(struct fixture *f)
{
    struct endpoint *e = fixture_pick(f, 0, NULL);

    balancer_done(f->pool, e, BALANCER_CANCELLED, 0, f->now_us);
    return e->index;
}

Test(least_latency, asks_endpoints_without_a_sample_first_and_one_request_at_a_time)
{
    struct fixture f;
    struct endpoint *first, *second, *third;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 3);
    sample(&f, 0, BALANCER_SUCCESS, 1000);
    first = fixture_pick(&f, 0, NULL);
    second = fixture_pick(&f, 0, NULL);
    third = fixture_pick(&f, 0, NULL);
    cr_expect_eq(first->index + second->index, 3, "the two without a sample");
    cr_expect_eq(third->index, 0, "the known one, rather than a second request to an unknown one");
    fixture_fini(&f);
}

Test(least_latency, prefers_the_faster_endpoint)
{
    struct fixture f;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 2);
    sample(&f, 0, BALANCER_SUCCESS, 20000);
    sample(&f, 1, BALANCER_SUCCESS, 2000);
    for (unsigned i = 0; i < 100; i++)
        cr_expect_eq(pick_and_cancel(&f), 1);
    fixture_fini(&f);
}

Test(least_latency, weighs_requests_in_flight_against_latency)
{
    struct fixture f;
    unsigned counts[2] = {0};

    /* Four times as fast takes four times as many at once. */
    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 2);
    sample(&f, 0, BALANCER_SUCCESS, 8000);
    sample(&f, 1, BALANCER_SUCCESS, 2000);
    for (unsigned i = 0; i < 100; i++)
        counts[fixture_pick(&f, 0, NULL)->index]++;
    cr_expect(counts[0] >= 19 && counts[0] <= 21, "%u", counts[0]);
    fixture_fini(&f);
}

Test(least_latency, one_slow_answer_counts_at_once_and_is_forgiven_with_age)
{
    struct fixture f;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 2);
    for (unsigned i = 0; i < 50; i++) {
        f.now_us += 1000000;
        sample(&f, 0, BALANCER_SUCCESS, 1000);
        sample(&f, 1, BALANCER_SUCCESS, 2000);
    }
    cr_expect_eq(pick_and_cancel(&f), 0);
    sample(&f, 0, BALANCER_SUCCESS, 500000);
    cr_expect_eq(pick_and_cancel(&f), 1, "the peak counts at once");
    /* The other one is used meanwhile; 500 ms fade below its 2 ms after ln(250) time constants. */
    for (unsigned s = 0; s < 50; s++) {
        f.now_us += 1000000;
        sample(&f, 1, BALANCER_SUCCESS, 2000);
    }
    cr_expect_eq(pick_and_cancel(&f), 1, "not forgiven after 50 s");
    for (unsigned s = 0; s < 10; s++) {
        f.now_us += 1000000;
        sample(&f, 1, BALANCER_SUCCESS, 2000);
    }
    cr_expect_eq(pick_and_cancel(&f), 0, "forgiven after 60 s");
    fixture_fini(&f);
}

Test(least_latency, an_endpoint_that_comes_back_after_an_hour_is_not_stampeded)
{
    struct fixture f;
    unsigned counts[2] = {0};

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 2);
    sample(&f, 0, BALANCER_SUCCESS, 1000);
    f.now_us += 3600000000;
    sample(&f, 1, BALANCER_SUCCESS, 1000);
    for (unsigned i = 0; i < 100; i++) /* none of them is answered meanwhile */
        counts[fixture_pick(&f, 0, NULL)->index]++;
    cr_expect(counts[0] >= 49 && counts[0] <= 51, "%u", counts[0]);
    fixture_fini(&f);
}

Test(least_latency, one_fast_answer_after_a_long_time_outweighs_the_old_slow_one)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 1);
    sample(&f, 0, BALANCER_SUCCESS, 10000000);
    f.now_us += 120000000;
    e = fixture_pick(&f, 0, NULL);
    cr_expect_eq(endpoint_latency_us(e, f.now_us), 10000000, "until it is answered");
    fixture_done(&f, e, 1000);
    cr_expect_leq(endpoint_latency_us(e, f.now_us), 1100);
    fixture_fini(&f);
}

Test(least_latency, comes_down_by_faster_samples_with_a_time_constant_of_ten_seconds)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 1);
    e = fixture_endpoint(&f, 0);
    sample(&f, 0, BALANCER_SUCCESS, 100000);
    /* 100,000 samples a second: each moves the average by a millionth. */
    for (unsigned i = 0; i < 1000000; i++) {
        f.now_us += 10;
        sample(&f, 0, BALANCER_SUCCESS, 0);
    }
    cr_expect(endpoint_latency_us(e, f.now_us) > 36000 && endpoint_latency_us(e, f.now_us) < 37600,
              "%lu us after one time constant", (unsigned long)endpoint_latency_us(e, f.now_us));
    fixture_fini(&f);
}

Test(least_latency, quick_failures_do_not_attract_traffic)
{
    struct fixture f;
    unsigned failed = 0;

    /* e0 refuses everything at once, e1 takes 10 ms: without a penalty e0 would get it all. */
    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 2);
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        f.now_us += 1000;
        failed += e->index == 0;
        balancer_done(f.pool, e, e->index == 0 ? BALANCER_FAILURE : BALANCER_SUCCESS,
                      e->index == 0 ? 50 : 10000, f.now_us);
    }
    cr_expect_leq(failed, 5, "%u", failed);
    fixture_fini(&f);
}

Test(least_latency, failures_have_an_upper_price_so_that_they_can_be_forgiven)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 1);
    e = fixture_endpoint(&f, 0);
    for (unsigned i = 0; i < 1000; i++)
        sample(&f, 0, BALANCER_FAILURE, 50);
    cr_expect_eq(endpoint_latency_us(e, f.now_us), 10000000);
    cr_expect_leq(endpoint_latency_us(e, f.now_us + 100000000), 1000, "after 100 s");
    fixture_fini(&f);
}

Test(least_latency, a_client_that_left_says_nothing)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 1);
    e = fixture_endpoint(&f, 0);
    sample(&f, 0, BALANCER_SUCCESS, 1000);
    sample(&f, 0, BALANCER_CANCELLED, 900000);
    cr_expect_eq(endpoint_latency_us(e, f.now_us), 1000);
    fixture_fini(&f);
}

Test(least_latency, a_clock_that_seems_to_go_back_is_no_harm)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init_equal(&f, CONFIG_LEAST_LATENCY, 1);
    e = fixture_endpoint(&f, 0);
    sample(&f, 0, BALANCER_SUCCESS, 1000);
    cr_expect_eq(endpoint_latency_us(e, f.now_us - 500), 1000);
    f.now_us -= 500;
    sample(&f, 0, BALANCER_SUCCESS, 500);
    cr_expect_eq(endpoint_latency_us(e, f.now_us), 1000);
    fixture_fini(&f);
}

/* Shares of the picks, when all answer alike but for some noise. */
static void expect_weights_respected(const unsigned *weights, unsigned concurrent,
                                     unsigned noise_us)
{
    struct endpoint *flying[300] = {0};
    uint64_t picked_us[300] = {0};
    struct fixture f;
    unsigned counts[2] = {0};

    fixture_init(&f, CONFIG_LEAST_LATENCY, weights, 2);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned place = i % concurrent;

        f.now_us += 5000 / concurrent + fixture_random(&f) % (1 + noise_us / concurrent);
        if (flying[place] != NULL)
            fixture_done(&f, flying[place], f.now_us - picked_us[place]);
        flying[place] = fixture_pick(&f, 0, NULL);
        picked_us[place] = f.now_us;
        counts[flying[place]->index]++;
    }
    cr_expect_float_eq(counts[0] / 100000.0, 2 / 7.0, 0.02, "%u at once, noise %u: %u, %u",
                       concurrent, noise_us, counts[0], counts[1]);
    fixture_fini(&f);
}

Test(least_latency, endpoints_that_are_equally_fast_share_by_weight_in_idle_and_busy_pools)
{
    static const unsigned concurrent[] = {1, 30, 300}, noise_us[] = {0, 500, 5000};
    static const unsigned small[] = {2, 5}, large[] = {2000, 5000};

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned n = 0; n < 3; n++) {
            expect_weights_respected(small, concurrent[i], noise_us[n]);
            expect_weights_respected(large, concurrent[i], noise_us[n]);
        }
    }
}
