/*
 * What an operator does to the state of an endpoint or a pool by hand: breaker, checks, failback.
 * Each applies at once, to all workers, leaves what is in flight alone, is told as an event with
 * its reason, and answers with the object as it now stands. Doing it twice is harmless.
 *
 * State ends with the process. What is to last (drain) is an edit of the configuration:
 * admin_register.c.
 */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/admin_objects.h"
#include "base/clock.h"

typedef void (*act_cb)(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                       uint64_t now_us);

static void act(struct admin_call *call, act_cb act_on)
{
    struct admin_target target;
    char *why;

    if (!admin_call_endpoint(call, &target) || !admin_call_why(call, &why))
        return;
    act_on(target.health, target.endpoint, why, clock_monotonic_us());
    free(why);
    admin_reply_json(call->request, 200, admin_endpoint_object(&target, admin_now()));
}

void admin_trip(struct admin_call *call)
{
    act(call, health_trip);
}

void admin_reset(struct admin_call *call)
{
    act(call, health_reset);
}

/* The verdict comes later: as an event when it changes something, and in `check.last`. */
void admin_check(struct admin_call *call)
{
    struct admin_target target;
    char *why;

    if (!admin_call_endpoint(call, &target) || !admin_call_why(call, &why))
        return;
    free(why);
    if (!target.config->health) {
        admin_reply_error(call->request, 409, "conflict", "pool \"%s\" has no health checks",
                          target.config->name);
        return;
    }
    server_check_now(call->server, call->server->runtimes[target.pool], target.endpoint);
    admin_reply_json(call->request, 200, admin_endpoint_object(&target, admin_now()));
}

void admin_fail_back(struct admin_call *call)
{
    struct admin_target pool;
    char *why;

    if (!admin_call_pool(call, &pool) || !admin_call_why(call, &why))
        return;
    free(why);
    server_fail_back(call->server, call->server->runtimes[pool.pool]);
    admin_reply_json(call->request, 200, admin_pool_object(call->server, &pool));
}
