/*
 * Idle connections of one endpoint: last in, first out, so that the ones in use stay warm and the
 * surplus grows old at the tail until its keep-alive timeout takes it.
 *
 * What stands here is clean: its last answer ended exactly where its framing said and nothing
 * followed. Anything that the backend does to an idle connection, be it FIN, reset or bytes nobody
 * asked for, closes it (connection.c): such bytes would be read as the answer to the next request.
 *
 * How many there are is bounded per endpoint and worker; that the sum over all endpoints may be
 * more than this process can have open is met where it happens: a new connection that finds no
 * descriptor gets that of the worker's oldest idle one (loop_offer_descriptor).
 */
#include "upstream/upstream_internal.h"

#define CONNECTION_OF(item) container_of(item, struct upstream_connection, node)

static void start_keepalive(struct upstream_connection *c)
{
    uint64_t timeout_ms = c->cluster->config->keepalive.timeout_ms;

    if (timeout_ms > 0)
        loop_timer_set(c->cluster->loop, &c->timer, timeout_ms);
    else
        loop_timer_cancel(&c->timer);
}

void upstream_idle_enter(struct upstream_connection *c)
{
    list_push_front(&c->endpoint->idle, &c->node);
    c->endpoint->idle_count++;
    c->cluster->stats.idle++;
    if (c->paused) /* an idle connection must hear the backend leave */
        transport_resume(&c->transport);
    start_keepalive(c);
    loop_offer_descriptor(c->cluster->loop, &c->offer);
}

void upstream_idle_leave(struct upstream_connection *c)
{
    c->endpoint->idle_count--;
    c->cluster->stats.idle--;
    loop_task_cancel(&c->offer);
}

/* Somebody of this worker needs a descriptor, and there is none left. */
void upstream_idle_on_taken(struct loop_task *task)
{
    upstream_connection_set_state(container_of(task, struct upstream_connection, offer),
                                  UPSTREAM_CLOSED);
}

struct upstream_connection *upstream_idle_take(struct upstream_endpoint *endpoint, bool check)
{
    while (!list_empty(&endpoint->idle)) {
        struct upstream_connection *c = CONNECTION_OF(endpoint->idle.next);

        if (!check || transport_alive(&c->transport))
            return c;
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
    }
    return NULL;
}

static bool address_still_there(struct upstream_connection *c)
{
    const struct upstream_endpoint *endpoint = c->endpoint;

    if (c->generation == endpoint->generation)
        return true;
    for (size_t i = 0; i < endpoint->address_count; i++) {
        if (address_equal(&c->address, &endpoint->addresses[i])) {
            c->generation = endpoint->generation;
            return true;
        }
    }
    return false;
}

/* Besides the limit of how many. */
static bool may_be_kept(struct upstream_connection *c)
{
    const struct config_pool *config = c->cluster->config;
    uint64_t max_requests = config->keepalive.max_requests;

    if (config->keepalive.idle == 0 || (max_requests != 0 && c->requests >= max_requests))
        return false;
    /* One that began before a change of TLS was proved by other rules. */
    return c->identity == c->endpoint->identity && address_still_there(c);
}

/* Room is made at the tail: the oldest is the likeliest to be closed by the backend soon. */
static void keep_at_most(struct upstream_endpoint *endpoint, unsigned limit)
{
    while (endpoint->idle_count > limit)
        upstream_connection_set_state(CONNECTION_OF(endpoint->idle.prev), UPSTREAM_CLOSED);
}

void upstream_idle_put(struct upstream_connection *c)
{
    if (!may_be_kept(c)) {
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
        return;
    }
    keep_at_most(c->endpoint, c->cluster->config->keepalive.idle - 1);
    upstream_connection_set_state(c, UPSTREAM_IDLE);
}

void upstream_idle_close_all(struct upstream_endpoint *endpoint)
{
    keep_at_most(endpoint, 0);
}

void upstream_idle_review(struct upstream_cluster *cluster, struct upstream_endpoint *endpoint,
                          bool restart_timeout)
{
    list_for_each_safe(item, tmp, &endpoint->idle)
    {
        struct upstream_connection *c = CONNECTION_OF(item);

        if (!may_be_kept(c))
            upstream_connection_set_state(c, UPSTREAM_CLOSED);
        else if (restart_timeout)
            start_keepalive(c);
    }
    keep_at_most(endpoint, cluster->config->keepalive.idle);
}
