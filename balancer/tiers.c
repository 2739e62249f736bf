/* The load on the levels: see tiers.h. */
#include "balancer/tiers.h"

#include <stdlib.h>
#include <string.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"
#include "base/check.h"

/* What stands at a level now; weights. */
struct tier_account {
    uint64_t total;
    uint64_t newcomers; /* not in `total` */
    uint64_t fit[PREFER_COUNT];
    unsigned healthy; /* endpoints */
    bool settled;
};

/* ---- Which levels there are ---- */

void tiers_init(struct tiers *tiers)
{
    *tiers = (struct tiers){0};
    CHECK(pthread_mutex_init(&tiers->lock, NULL) == 0);
}

static void tiers_free_levels(struct tiers *tiers)
{
    free(tiers->settled);
    free(tiers->load);
    free(tiers->can);
    free(tiers->wanted);
    free(tiers->accounts);
    failback_fini(&tiers->failback);
    free(tiers->levels);
    free(tiers->keys);
}

void tiers_fini(struct tiers *tiers)
{
    tiers_free_levels(tiers);
    free(tiers->shown);
    pthread_mutex_destroy(&tiers->lock);
}

void tiers_change(struct tiers *tiers, const struct config_pool *config)
{
    tiers->min_healthy_percent = config->failover.min_healthy_percent;
    tiers->failback.policy = config->failback;
}

static void tiers_show_levels(struct tiers *tiers, const struct levels *levels)
{
    struct balancer_tier *shown = xcalloc(levels->count, sizeof(*shown));

    for (unsigned i = 0; i < levels->count; i++) {
        shown[i].priority = levels->at[i].priority;
        shown[i].where = levels->at[i].where;
        shown[i].endpoints = levels->at[i].endpoints;
    }
    pthread_mutex_lock(&tiers->lock);
    free(tiers->shown);
    tiers->shown = shown;
    tiers->count = levels->count;
    pthread_mutex_unlock(&tiers->lock);
}

static unsigned tiers_find(const struct tiers *tiers, unsigned key)
{
    for (unsigned i = 0; i < tiers->count; i++) {
        if (tiers->keys[i] == key)
            return i;
    }
    return LEVEL_NONE;
}

/* The load stays where it is, on the levels that stay; what a level that goes had is for those
 * behind it, until the refresh has worked out where it belongs. */
static void tiers_carry(struct tiers *tiers, const struct tiers *before)
{
    unsigned *before_of = xcalloc(tiers->count, sizeof(*before_of));

    for (unsigned i = 0; i < tiers->count; i++) {
        before_of[i] = tiers_find(before, tiers->keys[i]);
        if (before_of[i] != LEVEL_NONE)
            tiers->load[i] = before->load[before_of[i]];
        else
            before_of[i] = FAILBACK_NEW;
    }
    failback_carry(&tiers->failback, &before->failback, before_of);
    free(before_of);
}

void tiers_set_levels(struct tiers *tiers, const struct levels *levels)
{
    struct tiers before = *tiers;

    tiers_show_levels(tiers, levels);
    tiers->regular = levels->regular;
    tiers->keys = xcalloc(levels->count, sizeof(*tiers->keys));
    tiers->levels = xcalloc(levels->count, sizeof(*tiers->levels));
    tiers->accounts = xcalloc(levels->count, sizeof(*tiers->accounts));
    tiers->wanted = xcalloc(levels->count, sizeof(*tiers->wanted));
    tiers->can = xcalloc(levels->count, sizeof(*tiers->can));
    tiers->load = xcalloc(levels->count, sizeof(*tiers->load));
    tiers->settled = xcalloc(levels->count, sizeof(*tiers->settled));
    failback_init(&tiers->failback, &before.failback.policy, levels->count);
    for (unsigned i = 0; i < levels->count; i++) {
        tiers->keys[i] = levels->at[i].key;
        tiers->levels[i].backup = levels->at[i].backup;
    }
    tiers_carry(tiers, &before);
    tiers_free_levels(&before);
}

/* ---- What they are worth now ---- */

/* One that has joined a level which serves is no capacity that was lost before it had an address
 * and its first verdict: or the load would leave the level because it is made larger. */
static bool is_newcomer(struct endpoint *e)
{
    enum endpoint_status status = atomic_load_explicit(&e->status, memory_order_relaxed);

    if (status != ENDPOINT_UNKNOWN && status != ENDPOINT_DRAINING &&
        atomic_load_explicit(&e->resolved, memory_order_relaxed))
        e->proven = true;
    return !e->proven && endpoint_meant_to_serve(e);
}

static void account_add(struct tier_account *account, struct endpoint *e, bool level_started)
{
    enum balancer_preference standing = endpoint_standing(e);
    unsigned weight = atomic_load_explicit(&e->weight, memory_order_relaxed);
    bool fit = standing != PREFER_NEVER && !endpoint_probing(e);

    if (is_newcomer(e) && level_started && standing != PREFER_HEALTHY)
        account->newcomers += weight;
    else
        account->total += weight;
    if (fit)
        account->fit[standing] += weight;
    account->healthy += fit && endpoint_condition(e) == PREFER_HEALTHY;
    if (atomic_load_explicit(&e->status, memory_order_relaxed) == ENDPOINT_UNKNOWN ||
        !atomic_load_explicit(&e->resolved, memory_order_relaxed))
        account->settled = false;
}

/* Nobody waits for a verdict that would matter: an endpoint whose name never resolves must not keep
 * a level that can carry all of its load from having started. */
static bool account_is_settled(const struct tier_account *account, unsigned min_healthy_percent)
{
    uint64_t healthy = account->fit[PREFER_HEALTHY];

    return account->settled ||
           (healthy > 0 && healthy * 100 >= account->total * min_healthy_percent);
}

static void tiers_account(struct tiers *tiers, const struct tiers_input *input)
{
    for (unsigned i = 0; i < tiers->count; i++)
        tiers->accounts[i] = (struct tier_account){.settled = true};
    for (unsigned i = 0; i < input->members->size; i++) {
        struct endpoint *e = input->members->endpoints[i];

        if (e != NULL) {
            unsigned level = input->level_of[i];

            account_add(&tiers->accounts[level], e, tiers->failback.started[level]);
        }
    }
    for (unsigned i = 0; i < tiers->count; i++) {
        tiers->levels[i].total = tiers->accounts[i].total;
        tiers->settled[i] = account_is_settled(&tiers->accounts[i], tiers->min_healthy_percent);
    }
}

/* Tells the levels first .. end-1 who is fit; false: nobody. */
static bool tiers_take_fit(struct tiers *tiers, enum balancer_preference preference, unsigned first,
                           unsigned end)
{
    bool any = false;

    for (unsigned i = 0; i < tiers->count; i++) {
        bool counts = i >= first && i < end;

        tiers->levels[i].fit = counts ? tiers->accounts[i].fit[preference] : 0;
        if (preference == PREFER_UNKNOWN) /* then they are all that there is */
            tiers->levels[i].total += tiers->accounts[i].newcomers;
        any = any || tiers->levels[i].fit > 0;
    }
    return any;
}

static enum balancer_preference tiers_choose_fit(struct tiers *tiers)
{
    unsigned regular = tiers->regular, count = tiers->count;

    if (tiers_take_fit(tiers, PREFER_HEALTHY, 0, regular))
        return PREFER_HEALTHY;
    if (tiers_take_fit(tiers, PREFER_DEGRADED, 0, regular))
        return PREFER_DEGRADED;
    if (tiers_take_fit(tiers, PREFER_HEALTHY, regular, count))
        return PREFER_HEALTHY;
    if (tiers_take_fit(tiers, PREFER_DEGRADED, regular, count))
        return PREFER_DEGRADED;
    if (tiers_take_fit(tiers, PREFER_STALLED, 0, count))
        return PREFER_STALLED;
    if (tiers_take_fit(tiers, PREFER_UNKNOWN, 0, count))
        return PREFER_UNKNOWN;
    return PREFER_HEALTHY; /* of whom there are none */
}

/* In panic nobody knows who can serve: every level is as large as its share of the weight. */
static void tiers_level_out(struct tiers *tiers)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < tiers->count; i++)
        sum += tiers->levels[i].fit;
    for (unsigned i = 0; i < tiers->count; i++)
        tiers->levels[i].total = sum;
}

/* ---- To be shown ---- */

static unsigned percent_until(unsigned load_sum)
{
    return (load_sum * 100 + SPILL_WHOLE / 2) / SPILL_WHOLE;
}

static void tiers_publish(struct tiers *tiers)
{
    unsigned sum = 0;

    pthread_mutex_lock(&tiers->lock);
    for (unsigned i = 0; i < tiers->count; i++) {
        const struct tier_account *account = &tiers->accounts[i];
        struct balancer_tier *shown = &tiers->shown[i];
        unsigned before = sum;

        sum += tiers->load[i];
        shown->healthy = account->healthy;
        shown->capacity_percent =
            account->total > 0 ? (unsigned)(account->fit[PREFER_HEALTHY] * 100 / account->total)
                               : 0;
        shown->load_percent = percent_until(sum) - percent_until(before);
        shown->held_back = tiers->load[i] < tiers->wanted[i];
    }
    pthread_mutex_unlock(&tiers->lock);
}

unsigned tiers_show(struct tiers *tiers, struct balancer_tier *out, unsigned max)
{
    unsigned count;

    pthread_mutex_lock(&tiers->lock);
    count = tiers->count < max ? tiers->count : max;
    if (count > 0)
        memcpy(out, tiers->shown, count * sizeof(*out));
    pthread_mutex_unlock(&tiers->lock);
    return count;
}

/* ---- Putting it together ---- */

static bool tiers_move(struct tiers *tiers, const struct tiers_input *input, uint64_t *ret_next_us)
{
    const struct failback_input failback = {
        .wanted = tiers->wanted,
        .can = tiers->can,
        .settled = tiers->settled,
        .at_once = input->fail_back || input->panicking,
        .now_us = input->now_us,
    };
    unsigned *before = xcalloc(tiers->count, sizeof(*before));
    bool changed = false;

    for (unsigned i = 0; i < tiers->count; i++)
        before[i] = tiers->load[i];
    *ret_next_us = failback_update(&tiers->failback, &failback, tiers->load);
    for (unsigned i = 0; i < tiers->count; i++)
        changed = changed || before[i] != tiers->load[i];
    free(before);
    return changed;
}

struct tiers_result tiers_refresh(struct tiers *tiers, const struct tiers_input *input)
{
    struct tiers_result result = {0};
    unsigned min_healthy_percent = input->panicking ? 100 : tiers->min_healthy_percent;

    tiers_account(tiers, input);
    result.preference = tiers_choose_fit(tiers);
    if (input->panicking)
        tiers_level_out(tiers);
    spill_shares(tiers->levels, tiers->count, min_healthy_percent, tiers->can, tiers->wanted);
    result.changed = tiers_move(tiers, input, &result.next_us);
    tiers_publish(tiers);
    return result;
}
