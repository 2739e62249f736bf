/*
 * Members, settings, outcomes, checks and orders, drawn at random, against what must always hold:
 * there is a record for each member and nobody else, what the pool counts is what is there, the
 * machines read the settings of the moment (the former ones are freed at once), nothing is told of
 * an endpoint after it left but its end, nor anything after that, and in the end no place of a
 * probe is missing.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fixture.h"
#include "health/events_internal.h"
#include "health/health_internal.h"

enum { STEPS = 120000, SEEDS = 3, MEMBERS = 12, LEFT = 12, HELD = 24, IDS = 16 };

/* One stay of an endpoint; its address tells it from others with the same id. */
struct stay {
    struct endpoint *endpoint; /* NULL: free */
    struct config_backend backend;
    char id[4], address[24];
    enum endpoint_status heard_of; /* by on_status */
};

struct held {
    struct stay *stay; /* NULL: free */
    uint64_t picked_us;
    bool told;
};

struct model {
    struct fixture f; /* its configuration and clock; the members are kept here */
    struct config_pool *config;
    struct config_health *checks;
    struct stay members[MEMBERS], left[LEFT];
    struct held held[HELD];
    uint64_t random, event_id;
    unsigned stays, gone, ejections, changes;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    return fixture_random(&m->random) % below;
}

static struct stay *stay_of(struct model *m, const struct endpoint *endpoint)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (m->members[i].endpoint == endpoint)
            return &m->members[i];
    }
    for (unsigned i = 0; i < LEFT; i++) {
        if (m->left[i].endpoint == endpoint)
            return &m->left[i];
    }
    return NULL;
}

static struct stay *any_member(struct model *m)
{
    struct stay *stay = &m->members[draw(m, MEMBERS)];

    return stay->endpoint != NULL ? stay : NULL;
}

/* ---- What is told ---- */

static bool stay_told(const struct stay *stays, unsigned count, const struct health_event *event)
{
    for (unsigned i = 0; i < count; i++) {
        if (stays[i].endpoint != NULL && strcmp(stays[i].address, event->address) == 0)
            return true;
    }
    return false;
}

/* Of whom they speak: of a member, or of one that leaves, that it is gone. */
static void check_events(struct model *m)
{
    struct health_event event;

    while (events_read(health_events(m->f.health), m->event_id, &event, 1) == 1) {
        bool gone = event.type == EVENT_ENDPOINT && strcmp(event.to, "gone") == 0;

        cr_assert_eq(event.id, ++m->event_id);
        m->gone += gone;
        m->ejections += event.type == EVENT_OUTLIER && strcmp(event.to, "ejected") == 0;
        if (event.endpoint[0] == '\0')
            continue;
        if (gone)
            cr_assert(stay_told(m->left, LEFT, &event), "%s", event.address);
        else
            cr_assert(stay_told(m->members, MEMBERS, &event), "%s: %s %s", event.address,
                      event_type_name(event.type), event.to);
    }
}

/* ---- Settings ---- */

static struct config_pool *config_draw(struct model *m)
{
    struct config_pool *config = xmalloc(sizeof(*config));
    static const uint64_t windows_ms[] = {1000, 5000, 10000};

    *config = m->f.config;
    config->slow_start_ms = draw(m, 2) * 5000;
    config->failover.panic_percent = draw(m, 4) == 0 ? 50 : 0;
    config->outlier.consecutive_5xx = (unsigned)draw(m, 6);
    config->outlier.error_percent = (unsigned)draw(m, 3) * 20;
    config->outlier.max_ejected_percent = (unsigned)draw(m, 5) * 25;
    config->outlier.window_ms = windows_ms[draw(m, 3)];
    config->outlier.base_ejection_ms = 1000 + draw(m, 5000);
    config->breaker.failure_threshold = (unsigned)draw(m, 6);
    config->breaker.window_ms = windows_ms[draw(m, 3)];
    config->breaker.half_open_max = (unsigned)draw(m, 5);
    config->breaker.success_threshold = 1 + (unsigned)draw(m, 3);
    config->breaker.recovery_timeout_ms = 500 + draw(m, 5000);
    config->timeouts.response_ms = 1000;
    if (draw(m, 3) > 0) {
        m->checks = xmalloc(sizeof(*m->checks));
        *m->checks = m->f.checks;
        config->health = m->checks;
    } else {
        m->checks = NULL;
    }
    return config;
}

static void settle(struct model *m)
{
    health_pool_settle(m->f.pool, m->f.now_us);
    balancer_pool_reclaim(m->f.balancer);
}

static void act_change(struct model *m)
{
    struct config_pool *before = m->config;
    struct config_health *checks_before = m->checks;

    m->config = config_draw(m);
    balancer_pool_change(m->f.balancer, m->config, NULL);
    health_pool_change(m->f.pool, m->config, m->f.now_us);
    settle(m);
    free(checks_before);
    free(before);
    m->changes++;
}

/* ---- Members ---- */

static void act_join(struct model *m, bool starting)
{
    struct stay *stay = NULL;

    for (unsigned i = 0; i < MEMBERS && stay == NULL; i++)
        stay = m->members[i].endpoint == NULL ? &m->members[i] : NULL;
    if (stay == NULL)
        return;
    m->stays++;
    snprintf(stay->id, sizeof(stay->id), "%u", (unsigned)draw(m, IDS));
    snprintf(stay->address, sizeof(stay->address), "10.0.0.1:%u", m->stays);
    stay->backend = (struct config_backend){.id = stay->id,
                                            .checked = true,
                                            .address = stay->address,
                                            .weight = (unsigned)draw(m, 4),
                                            .priority = 1 + (unsigned)draw(m, 3),
                                            .drain = draw(m, 8) == 0,
                                            .place = {.region = "", .zone = ""}};
    stay->endpoint = balancer_pool_add(m->f.balancer, &stay->backend);
    health_pool_join(m->f.pool, stay->endpoint, "drawn", starting, m->f.now_us);
    stay->heard_of = atomic_load(&stay->endpoint->status);
    if (draw(m, 2) == 0)
        settle(m);
}

static void act_leave(struct model *m)
{
    struct stay *stay = any_member(m), *left = NULL;

    for (unsigned i = 0; i < LEFT && left == NULL; i++)
        left = m->left[i].endpoint == NULL ? &m->left[i] : NULL;
    if (stay == NULL || left == NULL)
        return;
    balancer_pool_leave(m->f.balancer, stay->endpoint);
    health_pool_leave(m->f.pool, stay->endpoint, "drawn", m->f.now_us);
    atomic_store(&stay->endpoint->backend, NULL);
    check_events(m); /* the last ones that may be of a member */
    *left = *stay;
    stay->endpoint = NULL;
    for (unsigned i = 0; i < HELD; i++) {
        if (m->held[i].stay == stay)
            m->held[i].stay = left;
    }
    settle(m);
}

static void forget(struct model *m, struct stay *stay)
{
    if (stay->endpoint == NULL || atomic_load(&stay->endpoint->active) > 0)
        return;
    health_pool_forget(m->f.pool, stay->endpoint);
    balancer_pool_forget(m->f.balancer, stay->endpoint);
    check_events(m);
    stay->endpoint = NULL;
    settle(m);
}

/* ---- Requests ---- */

static void act_pick(struct model *m, struct held *held)
{
    struct balancer_request request = {.random = fixture_random(&m->random), .now_us = m->f.now_us};
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(m->f.balancer, &request, &tried, &error);
    balancer_tried_fini(&tried);
    if (e == NULL)
        return;
    *held = (struct held){.stay = stay_of(m, e), .picked_us = m->f.now_us};
    cr_assert_not_null(held->stay);
    cr_assert(held->stay >= m->members && held->stay < m->members + MEMBERS, "it has left");
}

/* Not more than the share that is allowed of those that are meant to serve, and never the last. */
static void check_ejection(struct model *m, const struct endpoint *ejected)
{
    unsigned meant = 0, out = 0;

    for (unsigned i = 0; i < MEMBERS; i++) {
        const struct endpoint *e = m->members[i].endpoint;

        if (e == NULL || atomic_load(&e->draining) || atomic_load(&e->weight) == 0)
            continue;
        meant++;
        out += atomic_load(&e->ejected);
    }
    cr_assert_leq(out * 100, meant * m->config->outlier.max_ejected_percent);
    cr_assert(pool_has_usable(m->f.pool, ejected->health));
}

static void act_finish(struct model *m, struct held *held)
{
    struct endpoint *e = held->stay->endpoint;
    unsigned ejected = m->f.pool->ejected;
    unsigned mood = (unsigned)draw(m, 10);
    struct health_report r = {.picked_us = held->picked_us, .told = held->told};

    /* Each id has a mood of its own: some fail much, some never. */
    if (mood == 0) {
        r.result = HEALTH_CANCELLED;
    } else if (mood <= (unsigned)(held->stay->id[0] - '0')) {
        r.result = HEALTH_FAILURE;
        r.error = mood % 2 == 0 ? EG_E_CONNECT : EG_OK;
        r.status = mood % 2 == 0 ? 0 : 503;
    } else {
        r.result = HEALTH_SUCCESS;
        r.status = 200;
        r.latency_us = m->f.now_us - held->picked_us;
    }
    health_report(m->f.pool, e, &r, m->f.now_us);
    if (r.result == HEALTH_SUCCESS && draw(m, 16) == 0) {
        r.result = HEALTH_FAILURE;
        r.told = r.late = true;
        health_report(m->f.pool, e, &r, m->f.now_us);
    }
    if (m->f.pool->ejected > ejected)
        check_ejection(m, e);
    balancer_done(m->f.balancer, e, BALANCER_SUCCESS, 1000, m->f.now_us);
    held->stay = NULL;
}

static void act_request(struct model *m)
{
    struct held *held = &m->held[draw(m, HELD)];
    uint64_t limit_us;

    if (held->stay == NULL) {
        act_pick(m, held);
        return;
    }
    limit_us = health_stall_limit_us(m->f.pool, held->stay->endpoint);
    if (limit_us != 0 && m->f.now_us - held->picked_us > limit_us)
        health_stalled(m->f.pool, held->stay->endpoint, held->picked_us, m->f.now_us);
    if (draw(m, 8) == 0) {
        health_answered(m->f.pool, held->stay->endpoint, held->picked_us, 1000, m->f.now_us);
        held->told = true;
    } else if (draw(m, 4) > 0) {
        act_finish(m, held);
    }
}

/* ---- Checks and orders ---- */

static void act_check(struct model *m)
{
    static const enum check_verdict verdicts[] = {CHECK_PASS, CHECK_PASS, CHECK_DEGRADED,
                                                  CHECK_FAIL, CHECK_FAIL};
    struct check_result result = {.verdict = verdicts[draw(m, 5)], .why = "status 503"};
    struct stay *stay = draw(m, 8) > 0 ? any_member(m) : &m->left[draw(m, LEFT)];

    if (stay != NULL && stay->endpoint != NULL)
        health_check_result(m->f.pool, stay->endpoint, &result, m->f.now_us);
}

static void act_order(struct model *m)
{
    struct stay *stay = draw(m, 8) > 0 ? any_member(m) : &m->left[draw(m, LEFT)];

    if (stay == NULL || stay->endpoint == NULL)
        return;
    switch (draw(m, 8)) {
    case 0:
        health_trip(m->f.pool, stay->endpoint, "drawn", m->f.now_us);
        break;
    case 1:
    case 2:
        health_reset(m->f.pool, stay->endpoint, "drawn", m->f.now_us);
        break;
    case 3:
    case 4:
        health_set_draining(m->f.pool, stay->endpoint, draw(m, 3) == 0, "drawn", m->f.now_us);
        break;
    case 5:
        health_set_weight(m->f.pool, stay->endpoint, (unsigned)draw(m, 4));
        break;
    default:
        health_set_resolved(m->f.pool, stay->endpoint, draw(m, 4) > 0);
        break;
    }
}

static void act_wait(struct model *m)
{
    uint64_t most_us = draw(m, 20) == 0 ? 10000000 : draw(m, 4) == 0 ? 300000 : 3000;

    m->f.now_us += draw(m, most_us);
    m->f.next_us = health_keep(m->f.health, m->f.now_us);
}

/* ---- What must hold ---- */

static void check_stay(struct model *m, const struct stay *stay, bool leaving)
{
    const struct endpoint *e = stay->endpoint;
    const struct record *r;

    if (e == NULL)
        return;
    r = e->health;
    cr_assert(r->endpoint == e && r->leaving == leaving);
    cr_assert(m->f.pool->records[r->position] == r);
    cr_assert(r->breaker.config == &m->config->breaker);
    cr_assert(r->outlier.config == &m->config->outlier);
    cr_assert_eq(atomic_load(&e->breaker), r->breaker.state);
    cr_assert_eq(atomic_load(&e->stall), r->stall.state);
    cr_assert_eq(atomic_load(&e->ejected), r->outlier.ejected);
    cr_assert_eq(atomic_load(&e->tripped), breaker_is_tripped(&r->breaker));
    cr_assert_leq(atomic_load(&e->probes), r->places);
    cr_assert_eq(atomic_load(&e->draining), leaving || r->draining);
    cr_assert(!leaving || !endpoint_usable(e));
    cr_assert(m->checks != NULL || r->draining || leaving ||
              atomic_load(&e->status) == ENDPOINT_HEALTHY);
}

static void check_pool(struct model *m)
{
    unsigned members = 0, left = 0, ejected = 0;

    for (unsigned i = 0; i < MEMBERS; i++) {
        const struct endpoint *e = m->members[i].endpoint;

        check_stay(m, &m->members[i], false);
        members += e != NULL;
        ejected += e != NULL && record_counts_as_ejected(e->health);
    }
    for (unsigned i = 0; i < LEFT; i++) {
        check_stay(m, &m->left[i], true);
        left += m->left[i].endpoint != NULL;
    }
    cr_assert_eq(m->f.pool->members, members);
    cr_assert_eq(m->f.pool->count, members + left);
    cr_assert_eq(m->f.pool->ejected, ejected);
    cr_assert_eq(m->f.pool->window.bucket_us, m->config->outlier.window_ms * 1000 / WINDOW_BUCKETS);
}

static void on_status(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct model *m = arg;
    struct stay *stay = stay_of(m, endpoint);

    cr_assert(stay >= m->members && stay < m->members + MEMBERS, "it has left");
    cr_assert(from == stay->heard_of && from != to);
    stay->heard_of = to;
}

static void log_nothing(void *arg, enum event_severity severity, const char *line)
{
}

/* ---- The run ---- */

static void model_start(struct model *m, uint64_t seed)
{
    const struct health_params params = {
        .events = FIXTURE_EVENTS, .on_status = on_status, .arg = m};

    *m = (struct model){.random = seed};
    fixture_init(&m->f, 0);
    m->config = config_draw(m);
    m->f.balancer = balancer_pool_new(m->config, NULL);
    m->f.health = health_new(&params);
    events_set_log(health_events(m->f.health), log_nothing, NULL);
    m->f.pool = health_pool_add(m->f.health, m->f.balancer, m->config, m->f.now_us);
    for (unsigned i = 0; i < MEMBERS / 2; i++)
        act_join(m, true);
    settle(m);
}

static void model_step(struct model *m)
{
    uint64_t what = draw(m, 1000);

    m->f.now_us += draw(m, 1000);
    if (what < 650)
        act_request(m);
    else if (what < 800)
        act_wait(m);
    else if (what < 880)
        act_check(m);
    else if (what < 950)
        act_order(m);
    else if (what < 965)
        act_join(m, false);
    else if (what < 975)
        act_leave(m);
    else if (what < 990)
        forget(m, &m->left[draw(m, LEFT)]);
    else
        act_change(m);
    check_events(m);
    check_pool(m);
}

/* Whoever is asked for the last time has all places of probes again. */
static void model_end(struct model *m)
{
    for (unsigned i = 0; i < HELD; i++) {
        if (m->held[i].stay != NULL)
            act_finish(m, &m->held[i]);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct endpoint *e = m->members[i].endpoint;

        if (e == NULL)
            continue;
        health_reset(m->f.pool, e, "over", m->f.now_us);
        cr_assert_eq(atomic_load(&e->probes), 0);
        cr_assert_eq(atomic_load(&e->active), 0);
        cr_assert_eq(((struct record *)e->health)->overdrawn, 0);
    }
    check_events(m);
    while (m->f.pool->members > 0) {
        act_leave(m);
        for (unsigned i = 0; i < LEFT; i++)
            forget(m, &m->left[i]);
    }
    check_pool(m);
    cr_assert_eq(m->f.pool->count, 0);
    health_pool_remove(m->f.health, m->f.pool);
    health_free(m->f.health);
    balancer_pool_free(m->f.balancer);
    free(m->checks);
    free(m->config);
}

Test(member_model, whatever_comes_and_goes_the_pool_knows_who_is_there)
{
    static struct model m;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        model_start(&m, seed);
        for (unsigned i = 0; i < STEPS; i++)
            model_step(&m);
        model_end(&m);
        cr_assert_gt(m.stays, 100);
        cr_assert_gt(m.gone, 10);
        cr_assert_gt(m.ejections, 10);
        cr_assert_gt(m.changes, 100);
    }
}
