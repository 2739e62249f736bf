/* Sentences about endpoints and pools: see admin_summary.h. */
#include "admin/admin_summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "base/timestamp.h"
#include "health/duration.h"

/* "WHAT since 02:58:11 UTC (4 m 12 s): WHY. NEXT." `next` is freed. */
static char *sentence(const struct admin_facts *facts, const char *what, uint64_t for_us,
                      const char *why, char *next)
{
    char begun[TIMESTAMP_LOG_BYTES], *text;

    timestamp_log(begun, facts->wall_us - for_us);
    text = xasprintf("%s since %.8s UTC (%s)%s%s. %s.", what, begun + strlen("2026-11-21T"),
                     duration_text(for_us).text, why[0] ? ": " : "", why, next);
    free(next);
    return text;
}

static char *leaving(const struct admin_facts *facts)
{
    return xasprintf("Deregistered: it gets no new requests, and is forgotten when those in flight "
                     "(%d) have ended.",
                     facts->active > 0 ? facts->active : 0);
}

static char *draining(const struct admin_facts *facts)
{
    return sentence(
        facts, "Draining", facts->view->status_for_us, facts->view->why,
        xasprintf("It gets no new requests, %d %s still in flight; undrain brings it back",
                  facts->active, facts->active == 1 ? "is" : "are"));
}

/* What the last bad check found, where that is not what made the endpoint unhealthy: it may have
 * come as far as starting up. Heap. */
static char *newer_evidence(const struct health_view *view)
{
    char told[HEALTH_VERDICT_BYTES + 1];

    snprintf(told, sizeof(told), "%.*s", HEALTH_VERDICT_BYTES, view->check_why);
    if (told[0] == '\0' || strstr(view->why, told))
        return xstrdup("");
    return xasprintf("The last bad check: %s. ", view->check_why);
}

static char *unhealthy(const struct admin_facts *facts)
{
    const struct health_view *view = facts->view;
    const struct config_health *health = facts->config->health;
    const struct config_recovery *recovery = facts->config->recovery;
    char *newer, *next;

    if (view->by_report)
        return sentence(facts, "Unhealthy", view->status_for_us, view->why,
                        xstrdup("It gets no requests until discovery reports it better"));
    if (!health)
        return sentence(facts, "Unhealthy", view->status_for_us, view->why,
                        xstrdup("It gets no requests"));
    newer = newer_evidence(view);
    next = xasprintf("%sIt gets no requests and is checked every %s: %u good checks in a row bring "
                     "it back%s",
                     newer, duration_text(health->fast_interval_ms * 1000).text, health->rise,
                     recovery ? ", and its recovery action is tried" : "");
    free(newer);
    return sentence(facts, "Unhealthy", view->status_for_us, view->why, next);
}

static char *breaker_open(const struct admin_facts *facts)
{
    const struct health_view *view = facts->view;
    char *next;

    if (view->tripped)
        next = xstrdup("It gets no requests until its breaker is reset");
    else
        next =
            xasprintf("It gets no requests; in %s up to %u at a time find out whether it is "
                      "well again",
                      duration_text(view->retry_in_us).text, facts->config->breaker.half_open_max);
    return sentence(facts, "Breaker open", view->breaker_for_us, view->breaker_why, next);
}

static char *breaker_half_open(const struct admin_facts *facts)
{
    const struct config_breaker *breaker = &facts->config->breaker;

    return sentence(facts, "Breaker half open", facts->view->breaker_for_us,
                    facts->view->breaker_why,
                    xasprintf("Up to %u requests at a time find out: %u good answers close it, a "
                              "failure opens it for longer",
                              breaker->half_open_max, breaker->success_threshold));
}

static char *ejected(const struct admin_facts *facts)
{
    const struct health_view *view = facts->view;

    return sentence(facts, "Ejected", view->ejected_for_us, view->ejected_why,
                    xasprintf("It gets no requests and returns in %s (ejection number %u)",
                              duration_text(view->retry_in_us).text, view->ejections));
}

static char *stalled(const struct admin_facts *facts)
{
    const struct health_view *view = facts->view;
    const char *next = view->stall == STALL_PROBING
                           ? "One more was sent to find out"
                           : "It gets new ones only when nothing better can serve; one at a time "
                             "finds out";

    if (view->usual_us == 0)
        return xasprintf("Stalled: requests wait for it and none is answered. %s, and any answer "
                         "clears it.",
                         next);
    return xasprintf("Stalled: requests waited much longer than its usual %s and none was "
                     "answered. %s, and any answer clears it.",
                     duration_text(view->usual_us).text, next);
}

static char *unknown(const struct admin_facts *facts)
{
    return xstrdup("Not checked yet: it is used only while no endpoint is healthy. One good check "
                   "is enough.");
}

static char *healthy(const struct admin_facts *facts)
{
    return sentence(
        facts, "Healthy", facts->view->status_for_us, "",
        facts->share_percent < 100
            ? xasprintf("It starts slowly: %u %% of its share by now", facts->share_percent)
            : xstrdup("It gets its share of the requests"));
}

/* What keeps it from serving comes first, in the order in which it would have to be cured. */
static char *condition(const struct admin_facts *facts)
{
    const struct health_view *view = facts->view;

    if (facts->leaving)
        return leaving(facts);
    if (view->status == ENDPOINT_DRAINING)
        return draining(facts);
    if (facts->weight == 0)
        return xstrdup("Its weight is 0: it gets no new requests until somebody gives it one.");
    if (!facts->resolved)
        return xstrdup("Its name has no address: it gets no requests until the name resolves, "
                       "which is asked again and again.");
    if (view->status == ENDPOINT_UNHEALTHY)
        return unhealthy(facts);
    if (view->breaker == BREAKER_OPEN)
        return breaker_open(facts);
    if (view->breaker == BREAKER_HALF_OPEN)
        return breaker_half_open(facts);
    if (view->ejected)
        return ejected(facts);
    if (view->stall != STALL_CLEAR)
        return stalled(facts);
    if (view->status == ENDPOINT_UNKNOWN)
        return unknown(facts);
    if (view->status == ENDPOINT_DEGRADED)
        return sentence(facts, "Degraded", view->status_for_us, view->why,
                        xstrdup("It is used only when no healthy endpoint can serve"));
    return healthy(facts);
}

char *admin_endpoint_summary(const struct admin_facts *facts)
{
    bool taken_out =
        facts->leaving || facts->view->status == ENDPOINT_DRAINING || facts->weight == 0;
    char *text = condition(facts), *both;

    if (!facts->panicking || taken_out || !facts->resolved)
        return text;
    both = xasprintf("%s But its pool panics: too few endpoints are left, so requests are given to "
                     "all of them, the unhealthy too.",
                     text);
    free(text);
    return both;
}

/* Where load is that does not belong there: on any level but the first that has endpoints. */
static char *add_tier(char *text, const struct balancer_tier *tier)
{
    char *longer;

    if (tier->priority == 0)
        longer = xasprintf("%s; %u %% of the load is on the backups", text, tier->load_percent);
    else
        longer = xasprintf("%s; %u %% of the load is on priority %u%s%s", text, tier->load_percent,
                           tier->priority, tier->where[0] ? ", " : "", tier->where);
    free(text);
    return longer;
}

static char *add_held_back(char *text, const struct balancer_tier *tier)
{
    char *longer = xasprintf("%s; priority %u could take more, but the failback policy waits", text,
                             tier->priority);

    free(text);
    return longer;
}

char *admin_pool_summary(const struct balancer_tier *tiers, unsigned tier_count, unsigned usable,
                         unsigned endpoints, bool panicking)
{
    char *text =
        xasprintf("%s%u of %u endpoint%s can serve", panicking ? "Panic, health is ignored: " : "",
                  usable, endpoints, plural(endpoints));

    for (unsigned i = 0; i < tier_count; i++) {
        if (i > 0 && tiers[i].load_percent > 0)
            text = add_tier(text, &tiers[i]);
        if (tiers[i].held_back)
            text = add_held_back(text, &tiers[i]);
    }
    return text;
}
