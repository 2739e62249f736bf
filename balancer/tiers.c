/* Levels, and the load on them: see tiers.h. */
#include "balancer/tiers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* What stands at a level now; weights. */
struct tier_account {
    uint64_t total;
    uint64_t fit[PREFER_COUNT];
    unsigned healthy; /* endpoints */
    bool settled;
};

enum distance { DISTANCE_ZONE, DISTANCE_REGION, DISTANCE_ELSEWHERE, DISTANCE_COUNT };

static const char *const distance_names[DISTANCE_COUNT] = {"zone", "region", "elsewhere"};

/* ---- Which levels there are ---- */

static bool place_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && *a != '\0' && strcmp(a, b) == 0;
}

static bool place_said(const char *name)
{
    return name != NULL && *name != '\0';
}

/* Zones of different regions may have the same name; a region that is not said contradicts none. */
static enum distance distance_of(const struct config_place *here, const struct config_place *there)
{
    bool region_differs = place_said(here->region) && place_said(there->region) &&
                          !place_same(here->region, there->region);

    if (place_same(here->zone, there->zone) && !region_differs)
        return DISTANCE_ZONE;
    return place_same(here->region, there->region) ? DISTANCE_REGION : DISTANCE_ELSEWHERE;
}

/* Numbers that sort as the levels do: backup, priority, distance. The priorities of backups do not
 * count: they are one tier. */
static unsigned level_key(const struct config_backend *backend, const struct config_pool *config,
                          const struct config_place *place)
{
    unsigned tier = backend->backup ? UINT16_MAX : backend->priority;
    enum distance distance = 0;

    if (config->locality == CONFIG_LOCALITY_PREFER && place != NULL)
        distance = distance_of(place, &backend->place);
    return tier * DISTANCE_COUNT + distance;
}

static int key_compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

/* Sorts and removes repetitions; returns how many are left. */
static unsigned keys_unique(unsigned *keys, unsigned count)
{
    unsigned unique = 0;

    qsort(keys, count, sizeof(*keys), key_compare);
    for (unsigned i = 0; i < count; i++) {
        if (unique == 0 || keys[unique - 1] != keys[i])
            keys[unique++] = keys[i];
    }
    return unique;
}

static void tiers_set_level(struct tiers *tiers, unsigned level, unsigned key, bool located)
{
    unsigned tier = key / DISTANCE_COUNT;
    bool backup = tier == UINT16_MAX;

    tiers->levels[level].backup = backup;
    tiers->regular += !backup;
    tiers->shown[level] = (struct balancer_tier){
        .priority = backup ? 0 : tier,
        .where = located ? distance_names[key % DISTANCE_COUNT] : "",
    };
}

static void tiers_assign(struct tiers *tiers, const struct config_pool *config,
                         const struct config_place *place, struct endpoint *const *endpoints)
{
    bool located = config->locality == CONFIG_LOCALITY_PREFER && place != NULL;
    unsigned size = (unsigned)config->backend_count;
    unsigned *keys = xcalloc(size, sizeof(*keys));

    for (unsigned i = 0; i < size; i++)
        keys[i] = level_key(&config->backends[i], config, place);
    tiers->count = keys_unique(keys, size);
    tiers->levels = xcalloc(tiers->count, sizeof(*tiers->levels));
    tiers->shown = xcalloc(tiers->count, sizeof(*tiers->shown));
    for (unsigned i = 0; i < tiers->count; i++)
        tiers_set_level(tiers, i, keys[i], located);
    for (unsigned i = 0; i < size; i++) {
        unsigned key = level_key(&config->backends[i], config, place);
        unsigned *found = bsearch(&key, keys, tiers->count, sizeof(key), key_compare);

        CHECK(found != NULL);
        endpoints[i]->level = (unsigned)(found - keys);
        tiers->shown[endpoints[i]->level].endpoints++;
    }
    free(keys);
}

void tiers_init(struct tiers *tiers, const struct config_pool *config,
                const struct config_place *place, struct endpoint *const *endpoints)
{
    *tiers = (struct tiers){.min_healthy_percent = config->failover.min_healthy_percent};
    tiers_assign(tiers, config, place, endpoints);
    failback_init(&tiers->failback, &config->failback, tiers->count);
    tiers->accounts = xcalloc(tiers->count, sizeof(*tiers->accounts));
    tiers->wanted = xcalloc(tiers->count, sizeof(*tiers->wanted));
    tiers->can = xcalloc(tiers->count, sizeof(*tiers->can));
    tiers->load = xcalloc(tiers->count, sizeof(*tiers->load));
    tiers->settled = xcalloc(tiers->count, sizeof(*tiers->settled));
    CHECK(pthread_mutex_init(&tiers->lock, NULL) == 0);
}

void tiers_fini(struct tiers *tiers)
{
    pthread_mutex_destroy(&tiers->lock);
    free(tiers->settled);
    free(tiers->load);
    free(tiers->can);
    free(tiers->wanted);
    free(tiers->accounts);
    failback_fini(&tiers->failback);
    free(tiers->shown);
    free(tiers->levels);
}

/* ---- What they are worth now ---- */

static void account_add(struct tier_account *account, const struct endpoint *e)
{
    enum balancer_preference standing = endpoint_standing(e);
    unsigned weight = atomic_load_explicit(&e->weight, memory_order_relaxed);
    bool fit = standing != PREFER_NEVER && !endpoint_probing(e);

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
    for (unsigned i = 0; i < input->size; i++)
        account_add(&tiers->accounts[input->endpoints[i]->level], input->endpoints[i]);
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
    unsigned count = tiers->count < max ? tiers->count : max;

    pthread_mutex_lock(&tiers->lock);
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
