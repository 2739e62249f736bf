/* Sticky sessions: where they stay, and where they go when they cannot. */
#include <criterion/criterion.h>

#include "balancer/algorithm.h"
#include "tests/unit/balancer/fixture.h"

enum { SESSIONS = 2000 };

static void init(struct fixture *f, enum config_algorithm algorithm, unsigned size)
{
    struct config_pool config = {.algorithm = algorithm};
    struct config_backend backends[8] = {0};

    for (unsigned i = 0; i < size; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1 + i / 4};
    fixture_init_config(f, &config, backends, size, NULL);
}

static struct endpoint *pick(struct fixture *f, uint64_t session, struct endpoint *own)
{
    struct endpoint *e = fixture_pick_session(f, session, own);

    cr_assert_not_null(e);
    fixture_done(f, e, 1000);
    return e;
}

Test(sessions, stay_at_their_endpoint_while_it_is_usable)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *own;

        init(&f, a, 4);
        own = fixture_endpoint(&f, 2);
        for (unsigned i = 0; i < 50; i++)
            cr_expect_eq(pick(&f, 77, own), own);
        fixture_set_status(&f, 2, ENDPOINT_DEGRADED);
        cr_expect_eq(pick(&f, 77, own), own);
        fixture_set_stall(&f, 2, STALL_STALLED, 0);
        cr_expect_neq(pick(&f, 77, own), own, "it would be kept waiting");
        fixture_set_stall(&f, 2, STALL_CLEAR, 0);
        fixture_set_draining(&f, 2, true);
        cr_expect_neq(pick(&f, 77, own), own);
        fixture_fini(&f);
    }
}

Test(sessions, stay_on_a_later_tier_when_the_first_is_back)
{
    struct fixture f;
    struct endpoint *own;

    init(&f, CONFIG_ROUND_ROBIN, 8);
    own = fixture_endpoint(&f, 6);
    cr_expect_eq(pick(&f, 5, own), own);
    cr_expect_lt(pick(&f, 5, NULL)->index, 4u);
    fixture_fini(&f);
}

Test(sessions, without_an_endpoint_all_requests_of_one_meet_at_the_same)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        unsigned counts[4] = {0};

        init(&f, a, 4);
        for (uint64_t s = 1; s <= SESSIONS; s++) {
            struct endpoint *e = pick(&f, balancer_mix(s), NULL);

            cr_expect_eq(pick(&f, balancer_mix(s), NULL), e);
            counts[e->index]++;
        }
        for (unsigned i = 0; i < 4; i++)
            cr_expect(counts[i] > SESSIONS / 5 && counts[i] < SESSIONS / 3, "%u", counts[i]);
        fixture_fini(&f);
    }
}

Test(sessions, of_a_lost_endpoint_move_once_and_spread_and_no_others_move)
{
    struct fixture f;
    unsigned before[SESSIONS], got[4] = {0};

    init(&f, CONFIG_LEAST_CONNECTIONS, 4);
    for (unsigned s = 0; s < SESSIONS; s++)
        before[s] = pick(&f, balancer_mix(s + 1), NULL)->index;
    fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
    for (unsigned s = 0; s < SESSIONS; s++) {
        struct endpoint *now = pick(&f, balancer_mix(s + 1), fixture_endpoint(&f, before[s]));

        cr_expect(before[s] == 1 ? now->index != 1 : now->index == before[s]);
        got[now->index] += before[s] == 1;
        cr_expect_eq(pick(&f, balancer_mix(s + 1), now), now);
    }
    for (unsigned i = 0; i < 4; i++)
        cr_expect(i == 1 ? got[i] == 0 : got[i] > SESSIONS / 20);
    fixture_fini(&f);
}

Test(sessions, go_elsewhere_while_their_endpoint_is_full_or_was_tried)
{
    struct fixture f;
    struct endpoint *own, *other;

    init(&f, CONFIG_ROUND_ROBIN, 4);
    own = fixture_endpoint(&f, 0);
    atomic_store(&own->max_connections, 1);
    fixture_refresh(&f);
    cr_expect_eq(fixture_pick_session(&f, 9, own), own);
    other = fixture_pick_session(&f, 9, own);
    cr_expect_neq(other, own);
    fixture_done(&f, own, 1000);
    cr_expect_eq(fixture_pick_session(&f, 9, own), own);
    fixture_fini(&f);
}

Test(sessions, of_a_half_open_endpoint_take_its_probes)
{
    struct fixture f;
    struct endpoint *own;

    init(&f, CONFIG_ROUND_ROBIN, 4);
    own = fixture_endpoint(&f, 0);
    fixture_set_breaker(&f, 0, BREAKER_HALF_OPEN, 1);
    cr_expect_eq(pick(&f, 9, own), own);
    cr_expect_eq(atomic_load(&own->probes), 0);
    cr_expect_neq(pick(&f, 9, own), own);
    fixture_fini(&f);
}
