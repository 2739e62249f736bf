/*
 * The redis check: is it alive, and is it the primary or a standby?
 *
 *   [ Sentinel: who is the master? ─► it is this endpoint, or not ] ─► endpoint: [AUTH] PING ROLE
 *
 * Vocabulary: Redis says *master* and *replica* (ROLE says "slave"), we say primary and standby.
 *
 * With Sentinels configured the master is whom they name. The endpoint is asked all the same: a
 * dead master is named until its successor is chosen, and a restarted one believes in itself until
 * a Sentinel corrects it. A server is the primary only when both say so, as Redis's own rules for
 * clients want it.
 *
 * Commands to the endpoint are sent at once, and the first answer that decides ends the check. An
 * error's own words are the evidence: "LOADING Redis is loading the dataset in memory",
 * "NOAUTH Authentication required.".
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "checks/probe.h"
#include "checks/redis_link.h"
#include "checks/redis_words.h"
#include "checks/sentinel_query.h"
#include "client/secret.h"
#include "client/words.h"

enum { REDIS_WORD_BYTES = SECRET_MAX_BYTES };

struct redis_shared {
    struct secret password;
    struct sentinels sentinels;
};

enum redis_question { REDIS_AUTH, REDIS_PING, REDIS_ROLE, REDIS_ANSWERED };

struct redis_probe {
    struct probe probe;
    struct redis_link endpoint;
    enum redis_question next_answer; /* of the endpoint */
    struct sentinel_query query;     /* to the Sentinels */
};

static struct redis_shared *redis_shared_of(const struct redis_probe *redis)
{
    return redis->probe.target.pool->shared;
}

/* With Sentinels, "any" would leave them nothing to say: who is not the master is then no primary.
 */
static enum config_role wanted_role(const struct redis_probe *redis)
{
    enum config_role role = probe_config(&redis->probe)->role;
    bool asks_sentinels = redis_shared_of(redis)->sentinels.count > 0;

    return role == CONFIG_ROLE_ANY && asks_sentinels ? CONFIG_ROLE_PRIMARY : role;
}

/* ---- the endpoint ------------------------------------------------------------------------- */

static void judge_role(struct redis_probe *redis, const struct redis_standing *standing)
{
    bool named = redis_shared_of(redis)->sentinels.count > 0;
    enum config_role wanted = wanted_role(redis);
    struct probe *probe = &redis->probe;
    char host[WORDS_QUOTE_BYTES], state[WORDS_QUOTE_BYTES];

    if (wanted == CONFIG_ROLE_PRIMARY && standing->standby) {
        probe_fail(probe, named ? "is a standby, although Sentinel names it the master"
                                : "is a standby, expected the primary");
    } else if (wanted == CONFIG_ROLE_STANDBY && !standing->standby) {
        probe_fail(probe, named ? "is a primary, although Sentinel names another"
                                : "is the primary, expected a standby");
    } else if (!standing->linked) {
        probe_degrade(probe, "its link to the primary %s:%lld is down (%s)",
                      words_quote(host, standing->master_host), standing->master_port,
                      words_quote(state, standing->link_state));
    } else {
        probe_pass(probe);
    }
}

/* Who may be either need not say which: a user without the right to ask, or a proxy in front of
 * Redis, which knows no ROLE. */
static void on_role(struct redis_probe *redis, struct slice reply)
{
    struct redis_standing standing;
    char quote[WORDS_QUOTE_BYTES];
    struct slice error;

    if (redis_standing_read(&standing, reply))
        judge_role(redis, &standing);
    else if (redis_error_read(&error, reply) && wanted_role(redis) == CONFIG_ROLE_ANY)
        probe_pass(&redis->probe);
    else if (redis_error_read(&error, reply))
        probe_fail(&redis->probe, "ROLE: %s", words_quote(quote, error));
    else
        probe_fail(&redis->probe, "is no primary and no standby: a Sentinel?");
}

static void on_endpoint_reply(struct redis_link *link, struct slice reply)
{
    struct redis_probe *redis = container_of(link, struct redis_probe, endpoint);
    enum redis_question answered = redis->next_answer++;
    char quote[WORDS_QUOTE_BYTES];
    struct slice error;

    if (answered == REDIS_ROLE) {
        on_role(redis, reply);
    } else if (redis_error_read(&error, reply)) {
        if (answered == REDIS_AUTH)
            secret_refresh(&redis_shared_of(redis)->password); /* it may have been changed */
        probe_fail(&redis->probe, "%s%s", answered == REDIS_AUTH ? "AUTH: " : "",
                   words_quote(quote, error));
    }
}

static void on_endpoint_connected(struct redis_link *link)
{
    struct redis_probe *redis = container_of(link, struct redis_probe, endpoint);
    const char *password = redis_shared_of(redis)->password.text;

    redis->probe.awaits = "answer";
    redis->next_answer = REDIS_PING;
    if (password) {
        redis->next_answer = REDIS_AUTH;
        redis_link_auth(link, probe_config(&redis->probe)->user, password);
    }
    redis_link_command(link, (const char *const[]){"PING", NULL});
    redis_link_command(link, (const char *const[]){"ROLE", NULL});
}

static void on_endpoint_failed(struct redis_link *link, int code, const char *why)
{
    struct redis_probe *redis = container_of(link, struct redis_probe, endpoint);

    if (code != 0)
        probe_fail_transport(&redis->probe, &link->transport, code);
    else
        probe_fail(&redis->probe, "%s", why);
}

static const struct redis_link_ops endpoint_ops = {
    .on_connected = on_endpoint_connected,
    .on_reply = on_endpoint_reply,
    .on_failed = on_endpoint_failed,
};

static void ask_endpoint(struct redis_probe *redis)
{
    const struct probe_target *target = &redis->probe.target;

    redis->probe.awaits = "connection";
    int err = redis_link_open(&redis->endpoint, target->pool->loop, &target->address,
                              target->pool->tls, target->server_name, &endpoint_ops);
    if (err != 0)
        probe_fail_transport(&redis->probe, &redis->endpoint.transport, err);
}

/* ---- Sentinels ---------------------------------------------------------------------------- */

static struct redis_probe *redis_of_query(struct sentinel_query *query)
{
    return container_of(query, struct redis_probe, query);
}

static void on_named(struct sentinel_query *query, struct slice host, struct slice port)
{
    struct redis_probe *redis = redis_of_query(query);
    const struct probe_target *target = &redis->probe.target;
    bool is_primary = redis_master_is(host, port, &target->address, target->backend);
    char named_host[WORDS_QUOTE_BYTES], named_port[WORDS_QUOTE_BYTES];

    words_quote(named_host, host); /* the link's buffer goes with it */
    words_quote(named_port, port);
    sentinel_query_stop(query);
    if (is_primary == (wanted_role(redis) == CONFIG_ROLE_PRIMARY))
        ask_endpoint(redis);
    else if (is_primary)
        probe_fail(&redis->probe,
                   "is the primary, expected a standby: Sentinel names it the master");
    else
        probe_fail(&redis->probe, "is not the primary: Sentinel names %s:%s", named_host,
                   named_port);
}

static void on_nobody(struct sentinel_query *query, const char *why)
{
    struct probe *probe = &redis_of_query(query)->probe;

    if (query->no_descriptors)
        probe_skip(probe, why);
    else
        probe_fail(probe, "no Sentinel tells who is the primary; %s", why);
}

static const struct sentinel_query_ops query_ops = {
    .on_named = on_named,
    .on_nobody = on_nobody,
};

static void ask_sentinels(struct redis_probe *redis)
{
    const struct probe_pool *pool = redis->probe.target.pool;

    redis->probe.awaits = "answer from a Sentinel";
    redis->query.loop = pool->loop;
    redis->query.config = redis->probe.target.config;
    redis->query.sentinels = &redis_shared_of(redis)->sentinels;
    redis->query.password = &redis_shared_of(redis)->password;
    redis->query.tls = pool->tls;
    redis->query.ops = &query_ops;
    sentinel_query_start(&redis->query, probe_config(&redis->probe)->timeout_ms);
}

/* ---- the type ----------------------------------------------------------------------------- */

static int redis_open(struct probe_pool *pool, const struct config_health *config, char **ret_why)
{
    struct redis_shared *shared = xcalloc(1, sizeof(*shared));

    pool->shared = shared;
    if (strlen(config->user) > REDIS_WORD_BYTES ||
        (config->master_name && strlen(config->master_name) > REDIS_WORD_BYTES)) {
        *ret_why = xasprintf("user and master have at most %d bytes", REDIS_WORD_BYTES);
        return EG_E_INTERNAL;
    }
    int err = secret_init(&shared->password, config->password_file, ret_why);
    return err ? err : sentinels_init(&shared->sentinels, pool->loop, config->sentinels, ret_why);
}

static void redis_close(struct probe_pool *pool)
{
    struct redis_shared *shared = pool->shared;

    if (!shared)
        return;
    secret_fini(&shared->password);
    sentinels_fini(&shared->sentinels);
    free(shared);
    pool->shared = NULL;
}

static void redis_start(struct probe *probe)
{
    struct redis_probe *redis = container_of(probe, struct redis_probe, probe);

    if (redis_shared_of(redis)->sentinels.count > 0)
        ask_sentinels(redis);
    else
        ask_endpoint(redis);
}

static void redis_stop(struct probe *probe)
{
    struct redis_probe *redis = container_of(probe, struct redis_probe, probe);

    sentinel_query_stop(&redis->query);
    redis_link_close(&redis->endpoint);
}

const struct probe_type probe_redis = {
    .name = "redis",
    .size_bytes = sizeof(struct redis_probe),
    .open = redis_open,
    .close = redis_close,
    .start = redis_start,
    .stop = redis_stop,
};
