/*
 * Failover, failback and panic: what the balancer did with the load, and the numbers behind it.
 *
 * Which of the two it is follows from where the load is on the whole: a later tier than before is
 * failover. The event names the tier that lost most and the one that gained most.
 */
#include <stdio.h>
#include <string.h>

#include "health/health_internal.h"

struct tier_name {
    char text[24];
};

static struct tier_name tier_name(const struct balancer_tier *tier)
{
    struct tier_name name;

    if (tier == NULL)
        snprintf(name.text, sizeof(name.text), "nobody");
    else if (tier->priority == 0)
        snprintf(name.text, sizeof(name.text), "backups%s%s", tier->where[0] != '\0' ? " " : "",
                 tier->where);
    else
        snprintf(name.text, sizeof(name.text), "priority %u%s%s", tier->priority,
                 tier->where[0] != '\0' ? " " : "", tier->where);
    return name;
}

struct tier_move {
    const struct balancer_tier *from, *to; /* as they stand now; NULL: nobody */
    int distance;                          /* of the load on the whole; over 0: to later tiers */
};

/* Load that nobody takes stands behind the last tier. */
static int tiers_position(const struct balancer_tier *tiers, unsigned count)
{
    int position = 0, load = 0;

    for (unsigned i = 0; i < count; i++) {
        position += (int)i * (int)tiers[i].load_percent;
        load += (int)tiers[i].load_percent;
    }
    return position + (int)count * (load < 100 ? 100 - load : 0);
}

static struct tier_move tiers_compare(const struct balancer_tier *before,
                                      const struct balancer_tier *now, unsigned count)
{
    struct tier_move move = {.distance =
                                 tiers_position(now, count) - tiers_position(before, count)};
    int lost = 0, gained = 0;

    for (unsigned i = 0; i < count; i++) {
        int change = (int)now[i].load_percent - (int)before[i].load_percent;

        if (change < lost) {
            lost = change;
            move.from = &now[i];
        } else if (change > gained) {
            gained = change;
            move.to = &now[i];
        }
    }
    return move;
}

static void tell_move(struct health_pool *pool, const struct tier_move *move, uint64_t now_us)
{
    bool over = move->distance > 0;
    const struct balancer_tier *cause = over ? move->from : move->to;
    struct health_event event = {
        .type = over ? EVENT_FAILOVER : EVENT_FAILBACK,
        .severity = move->to == NULL ? EVENT_ERROR
                    : over           ? EVENT_WARN
                                     : EVENT_INFO,
        .was_us = now_us - pool->tiers_since_us,
    };

    snprintf(event.from, sizeof(event.from), "%s", tier_name(move->from).text);
    snprintf(event.to, sizeof(event.to), "%s", tier_name(move->to).text);
    if (cause != NULL && cause->endpoints == 0)
        snprintf(event.why, sizeof(event.why), "%s has no endpoints", tier_name(cause).text);
    else if (cause != NULL)
        snprintf(event.why, sizeof(event.why),
                 "%s has %u %% of its capacity%s (%u of %u endpoints healthy)",
                 tier_name(cause).text, cause->capacity_percent, over ? " left" : "",
                 cause->healthy, cause->endpoints);
    if (move->to == NULL)
        snprintf(event.next, sizeof(event.next), "no tier can take requests");
    else
        snprintf(event.next, sizeof(event.next), "%s takes %u %% of the requests%s",
                 tier_name(move->to).text, move->to->load_percent,
                 move->to->held_back ? "; the rest follows as failback says" : "");
    pthread_mutex_lock(&pool->mutex);
    tell_locked(pool, NULL, &event);
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- What it is compared with ---- */

/* Tiers before and now, side by side: one that is in one list only has nobody in the other. */
struct tier_lists {
    struct balancer_tier before[2 * HEALTH_TIERS], now[2 * HEALTH_TIERS];
    unsigned count;
};

/* Sorts as the balancer does: by priority, then distance, backups last. */
static unsigned tier_key(const struct balancer_tier *tier)
{
    static const char *const wheres[] = {"", "zone", "region", "elsewhere"};
    enum { WHERES = sizeof(wheres) / sizeof(wheres[0]) };
    unsigned where = 0;

    while (where + 1 < WHERES && strcmp(wheres[where], tier->where) != 0)
        where++;
    return (tier->priority > 0 ? tier->priority : UINT16_MAX) * WHERES + where;
}

static void lists_add(struct tier_lists *lists, const struct balancer_tier *before,
                      const struct balancer_tier *now)
{
    const struct balancer_tier *either = now != NULL ? now : before;
    const struct balancer_tier nobody = {.priority = either->priority, .where = either->where};

    lists->before[lists->count] = before != NULL ? *before : nobody;
    lists->now[lists->count++] = now != NULL ? *now : nobody;
}

static void lists_merge(struct tier_lists *lists, const struct health_pool *pool,
                        const struct balancer_tier *now, unsigned count)
{
    const struct balancer_tier *before = pool->tiers;
    unsigned b = 0, n = 0;

    lists->count = 0;
    while (b < pool->tier_count || n < count) {
        unsigned before_key = b < pool->tier_count ? tier_key(&before[b]) : UINT32_MAX;
        unsigned now_key = n < count ? tier_key(&now[n]) : UINT32_MAX;

        lists_add(lists, before_key <= now_key ? &before[b] : NULL,
                  now_key <= before_key ? &now[n] : NULL);
        b += before_key <= now_key;
        n += now_key <= before_key;
    }
}

/* Tiers by distance cannot be compared with tiers without. */
static bool tiers_comparable(const struct health_pool *pool, const struct balancer_tier *now,
                             unsigned count)
{
    return pool->tier_count == 0 || count == 0 ||
           (pool->tiers[0].where[0] == '\0') == (now[0].where[0] == '\0');
}

/* A pool that was filled, and whose endpoints come up for the first time, has not failed back. */
static bool tiers_served(const struct health_pool *pool)
{
    bool served = pool->tiers_served;
    unsigned endpoints = 0;

    for (unsigned i = 0; i < pool->tier_count; i++) {
        endpoints += pool->tiers[i].endpoints;
        served = served || pool->tiers[i].load_percent > 0;
    }
    return served && endpoints > 0;
}

void tell_tiers(struct health_pool *pool, uint64_t now_us)
{
    struct balancer_tier now[HEALTH_TIERS];
    unsigned count = balancer_pool_tiers(pool->balancer, now, HEALTH_TIERS);
    struct tier_lists lists;
    struct tier_move move;

    if (pool->tiers_served && tiers_comparable(pool, now, count)) {
        lists_merge(&lists, pool, now, count);
        move = tiers_compare(lists.before, lists.now, lists.count);
        if (move.distance != 0) {
            tell_move(pool, &move, now_us);
            pool->tiers_since_us = now_us;
        }
    }
    memcpy(pool->tiers, now, count * sizeof(now[0]));
    pool->tier_count = count;
    pool->tiers_served = tiers_served(pool);
}

void tell_panic(struct health_pool *pool, uint64_t now_us)
{
    bool panicking = balancer_pool_panicking(pool->balancer);
    struct health_event event = {
        .type = EVENT_PANIC,
        .severity = panicking ? EVENT_ERROR : EVENT_INFO,
        .was_us = now_us - pool->panic_since_us,
    };

    if (panicking == pool->panicking)
        return;
    pool->panicking = panicking;
    pool->panic_since_us = now_us;
    snprintf(event.from, sizeof(event.from), "%s", panicking ? "off" : "on");
    snprintf(event.to, sizeof(event.to), "%s", panicking ? "on" : "off");
    snprintf(event.why, sizeof(event.why), "%s than %u %% of its endpoints can be used",
             panicking ? "fewer" : "no fewer", pool_config(pool)->failover.panic_percent);
    snprintf(event.next, sizeof(event.next), "%s",
             panicking ? "requests go to every endpoint, well or not"
                       : "requests go to those that are well");
    pthread_mutex_lock(&pool->mutex);
    tell_locked(pool, NULL, &event);
    pthread_mutex_unlock(&pool->mutex);
}
