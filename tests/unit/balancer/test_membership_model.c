/*
 * Membership against a simple reference: a list of who is where, in what state, holding how many.
 * Whatever comes, goes and changes in whatever order, picks find somebody when and only when the
 * reference has somebody, and what is counted is what the reference counted.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"
#include "tests/unit/balancer/fixture.h"

enum { OPERATIONS = 120000, SLOTS = 24, HELD = 64 };

enum standing { ABSENT, NEW, SERVES, LEAVES, LEFT }; /* LEFT: a turn has passed since */

struct member {
    enum standing standing;
    struct endpoint *endpoint;
    struct config_backend backend;
    char id[16];
    bool framed; /* refreshed since it came */
    unsigned held;
};

struct model {
    struct fixture f;
    struct config_pool configs[2]; /* the pool's, and the next */
    unsigned config;
    struct member members[SLOTS];
    struct endpoint *held[HELD];
    unsigned in_flight, births, size;
    uint64_t picks;
};

static unsigned draw(struct model *m, unsigned n)
{
    return (unsigned)balancer_scale(fixture_random(&m->f), n);
}

/* Who is drawn, if in this standing. */
static struct member *draw_member(struct model *m, enum standing standing)
{
    struct member *member = &m->members[draw(m, SLOTS)];

    return member->standing == standing ? member : NULL;
}

/* ---- Operations ---- */

static void randomise(struct model *m, struct config_backend *backend)
{
    backend->weight = draw(m, 8) == 0 ? 0 : 1 + draw(m, 4);
    backend->priority = 1 + draw(m, 2);
    backend->backup = draw(m, 8) == 0;
}

static void op_add(struct model *m)
{
    unsigned slot = 0;
    struct member *member;

    while (slot < SLOTS && m->members[slot].standing != ABSENT)
        slot++;
    if (slot == SLOTS)
        return;
    member = &m->members[slot];
    *member = (struct member){.standing = NEW};
    snprintf(member->id, sizeof(member->id), "e%u", m->births++);
    member->backend = (struct config_backend){.id = member->id, .address = "10.0.0.1:80"};
    randomise(m, &member->backend);
    member->endpoint = balancer_pool_add(m->f.pool, &member->backend);
    cr_assert_eq(member->endpoint->index, slot, "the lowest free slot");
    m->size = m->size > slot + 1 ? m->size : slot + 1;
}

static void op_open(struct model *m)
{
    struct member *member = draw_member(m, NEW);

    if (member == NULL)
        return;
    atomic_store(&member->endpoint->status, ENDPOINT_HEALTHY);
    atomic_store(&member->endpoint->resolved, true);
    member->standing = SERVES;
}

static void op_leave(struct model *m)
{
    struct member *member = draw_member(m, draw(m, 8) == 0 ? NEW : SERVES);

    if (member == NULL)
        return;
    balancer_pool_leave(m->f.pool, member->endpoint);
    member->standing = LEAVES;
}

static void op_forget(struct model *m)
{
    struct member *member = draw_member(m, LEFT);

    if (member == NULL || member->held > 0)
        return;
    balancer_pool_forget(m->f.pool, member->endpoint);
    member->standing = ABSENT;
}

/* In place of the snapshot's own: the pool holds no more than the pointer. */
static void op_change_endpoint(struct model *m)
{
    struct member *member = draw_member(m, SERVES);
    struct config_backend before;

    if (member == NULL)
        return;
    before = member->backend;
    atomic_store(&member->endpoint->backend, &before);
    randomise(m, &member->backend);
    balancer_endpoint_change(m->f.pool, member->endpoint, &member->backend);
}

/* Hashing is rare: a table takes as long as thousands of picks. */
static enum config_algorithm draw_algorithm(struct model *m)
{
    static const enum config_algorithm quick[] = {CONFIG_ROUND_ROBIN, CONFIG_WEIGHTED,
                                                  CONFIG_LEAST_CONNECTIONS, CONFIG_RANDOM,
                                                  CONFIG_LEAST_LATENCY};

    if (draw(m, 20) == 0)
        return draw(m, 2) == 0 ? CONFIG_IP_HASH : CONFIG_CONSISTENT_HASH;
    return quick[draw(m, 5)];
}

static void op_change_pool(struct model *m)
{
    struct config_pool *config = &m->configs[m->config ^= 1];
    const struct config_place place = {.region = "r", .zone = draw(m, 2) == 0 ? "a" : "b"};

    *config = m->f.config;
    config->algorithm = draw_algorithm(m);
    config->slow_start_ms = draw(m, 2) * 1000;
    config->failover.min_healthy_percent = 70;
    config->failback.mode = (enum config_failback_mode)draw(m, 4);
    config->failback.after_ms = 500;
    config->locality = draw(m, 2) == 0 ? CONFIG_LOCALITY_OFF : CONFIG_LOCALITY_PREFER;
    balancer_pool_change(m->f.pool, config, draw(m, 4) == 0 ? NULL : &place);
}

static void op_refresh(struct model *m)
{
    m->f.now_us += draw(m, 200000);
    fixture_refresh(&m->f);
    for (unsigned i = 0; i < SLOTS; i++) {
        m->members[i].framed = true;
        if (m->members[i].standing == LEAVES)
            m->members[i].standing = LEFT;
    }
    if (draw(m, 2) == 0)
        balancer_pool_reclaim(m->f.pool);
}

static bool may_be_picked(const struct member *member)
{
    return member->standing == SERVES && member->framed && member->backend.weight > 0;
}

static bool anybody(const struct model *m)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (may_be_picked(&m->members[i]))
            return true;
    }
    return false;
}

static void op_pick(struct model *m)
{
    struct endpoint **place = &m->held[draw(m, HELD)];

    if (*place != NULL) {
        m->members[(*place)->index].held--;
        m->in_flight--;
        fixture_done(&m->f, *place, 1000 + draw(m, 1000));
    }
    *place = fixture_pick(&m->f, fixture_random(&m->f), NULL);
    cr_assert_eq(*place != NULL, anybody(m));
    if (*place == NULL)
        return;
    cr_assert(may_be_picked(&m->members[(*place)->index]));
    m->members[(*place)->index].held++;
    m->in_flight++;
}

static void op_explain(struct model *m)
{
    const struct balancer_request request = {.hash = 1 + draw(m, 1000), .random = draw(m, 1000)};
    struct balancer_candidate said[SLOTS];
    struct endpoint *chosen;
    unsigned count = balancer_pool_explain(m->f.pool, &request, said, SLOTS, &chosen);

    cr_assert_eq(chosen != NULL, anybody(m));
    for (unsigned i = 0; i < count; i++) {
        const struct member *member = &m->members[said[i].endpoint->index];

        cr_assert_eq(said[i].endpoint, member->endpoint);
        cr_assert(!said[i].eligible || may_be_picked(member));
    }
}

/* ---- What must hold all the time ---- */

static void check_counts(struct model *m)
{
    cr_assert_eq(balancer_pool_size(m->f.pool), m->size);
    cr_assert_eq(balancer_pool_in_flight(m->f.pool), (int)m->in_flight);
    for (unsigned i = 0; i < m->size; i++) {
        const struct member *member = &m->members[i];
        const struct endpoint *e = balancer_pool_endpoint(m->f.pool, i);

        cr_assert_eq(e, member->standing == ABSENT ? NULL : member->endpoint);
        if (e == NULL)
            continue;
        cr_assert_eq(atomic_load(&e->active), (int)member->held);
        cr_assert_eq(balancer_pool_find(m->f.pool, member->id),
                     member->standing >= LEAVES ? NULL : member->endpoint);
    }
}

static void check_tiers(struct model *m)
{
    struct balancer_tier tiers[BALANCER_TIERS_MAX];
    unsigned count = balancer_pool_tiers(m->f.pool, tiers, BALANCER_TIERS_MAX), load = 0;

    for (unsigned i = 0; i < count; i++)
        load += tiers[i].load_percent;
    cr_assert(load == 0 || load == 100, "%u %%", load);
}

static void (*const operations[])(struct model *m) = {
    op_add,         op_open, op_open, op_leave, op_forget, op_forget, op_change_endpoint,
    op_change_pool, op_pick, op_pick, op_pick,  op_pick,   op_pick,   op_pick,
    op_pick,        op_pick,
};

static void step(struct model *m, unsigned number)
{
    unsigned kinds = sizeof(operations) / sizeof(operations[0]);

    operations[draw(m, kinds)](m);
    if (draw(m, 4) == 0)
        op_refresh(m);
    if (number % 64 == 0)
        op_explain(m);
    if (number % 16 == 0) {
        check_counts(m);
        check_tiers(m);
    }
}

Test(membership_model, whatever_comes_and_goes_picks_find_who_is_there)
{
    struct model *m = xcalloc(1, sizeof(*m));

    fixture_init_equal(&m->f, CONFIG_ROUND_ROBIN, 0);
    for (unsigned i = 0; i < OPERATIONS; i++)
        step(m, i);
    for (unsigned i = 0; i < HELD; i++) {
        if (m->held[i] != NULL)
            fixture_done(&m->f, m->held[i], 1);
    }
    cr_expect_eq(balancer_pool_in_flight(m->f.pool), 0);
    fixture_fini(&m->f);
    free(m);
}
