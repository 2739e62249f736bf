/*
 * The redis check: is it alive, and is it the primary or a standby?
 *
 *   [ Sentinel: who is the master? ─► it is this endpoint, or not ] ─► endpoint: [AUTH] PING ROLE
 *
 * Vocabulary: Redis says *master* and *replica* (ROLE says "slave"), we say primary and standby.
 *
 * With Sentinels configured the master is whom they name: they are asked in turn until one answers,
 * each with a share of the timeout, so that a dead one does not eat it up. The endpoint is asked
 * all the same: a dead master is named until its successor is chosen, and a restarted one believes
 * in itself until a Sentinel corrects it. A server is the primary only when both say so, as
 * Redis's own rules for clients want it.
 *
 * Commands to the endpoint are sent at once, and the first answer that decides ends the check. An
 * error's own words are the evidence: "LOADING Redis is loading the dataset in memory",
 * "NOAUTH Authentication required.".
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/probe.h"
#include "checks/redis_link.h"
#include "checks/redis_words.h"
#include "checks/secret.h"
#include "checks/sentinels.h"
#include "checks/words.h"
#include "net/tls.h"

enum { SENTINEL_SHARE_LEAST_MS = 20, LAST_FAILURE_BYTES = 120 };

struct redis_shared {
    struct secret password;
    struct sentinels sentinels;
};

enum redis_question { REDIS_AUTH, REDIS_PING, REDIS_ROLE, REDIS_ANSWERED };

struct redis_probe {
    struct probe probe;
    struct redis_link endpoint;
    enum redis_question next_answer; /* of the endpoint */
    /* Asking Sentinels. */
    struct redis_link link; /* to the one being asked */
    const struct sentinel *sentinel;
    unsigned first, turn;
    bool sentinel_auth;      /* it wanted a password and got ours: one answer is AUTH's */
    struct loop_timer share; /* the time of this one */
    struct loop_task next;   /* asks the next one, not from within a callback of the last */
    char failure[LAST_FAILURE_BYTES]; /* of the last one asked */
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

/* No TLS on Unix sockets: Redis speaks none there. */
static struct tls_session *new_session(const struct redis_probe *redis, const struct address *to,
                                       const char *name)
{
    struct tls_context *context = redis->probe.target.pool->tls;

    return context && to->sa.sa_family != AF_UNIX ? tls_session_new_client(context, name, NULL)
                                                  : NULL;
}

static void send_words(struct redis_link *link, const char *const *words)
{
    struct slice slices[4];
    size_t count = 0;

    while (words[count]) {
        CHECK(count < sizeof(slices) / sizeof(slices[0]));
        slices[count] = slice_str(words[count]);
        count++;
    }
    redis_link_send(link, slices, count);
}

static void send_auth(struct redis_probe *redis, struct redis_link *link)
{
    const char *user = probe_config(&redis->probe)->user;
    const char *password = redis_shared_of(redis)->password.text;

    if (user[0])
        send_words(link, (const char *const[]){"AUTH", user, password, NULL});
    else
        send_words(link, (const char *const[]){"AUTH", password, NULL});
}

static bool reply_error(struct slice reply, struct slice *ret_text)
{
    struct resp_element element;

    if (!resp_take(&reply, &element) || element.type != RESP_ERROR)
        return false;
    *ret_text = element.text;
    return true;
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
    else if (reply_error(reply, &error) && wanted_role(redis) == CONFIG_ROLE_ANY)
        probe_pass(&redis->probe);
    else if (reply_error(reply, &error))
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
    } else if (reply_error(reply, &error)) {
        if (answered == REDIS_AUTH)
            secret_refresh(&redis_shared_of(redis)->password); /* it may have been changed */
        probe_fail(&redis->probe, "%s%s", answered == REDIS_AUTH ? "AUTH: " : "",
                   words_quote(quote, error));
    }
}

static void on_endpoint_connected(struct redis_link *link)
{
    struct redis_probe *redis = container_of(link, struct redis_probe, endpoint);

    redis->probe.awaits = "answer";
    redis->next_answer = REDIS_PING;
    if (redis_shared_of(redis)->password.text) {
        redis->next_answer = REDIS_AUTH;
        send_auth(redis, link);
    }
    send_words(link, (const char *const[]){"PING", NULL});
    send_words(link, (const char *const[]){"ROLE", NULL});
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
    int err =
        redis_link_open(&redis->endpoint, target->pool->loop, &target->address,
                        new_session(redis, &target->address, target->server_name), &endpoint_ops);
    if (err != 0)
        probe_fail_transport(&redis->probe, &redis->endpoint.transport, err);
}

/* ---- Sentinels ---------------------------------------------------------------------------- */

static struct redis_probe *redis_of_sentinel(struct redis_link *link)
{
    return container_of(link, struct redis_probe, link);
}

/* On to the next one, when this turn is over. */
static void give_up_sentinel(struct redis_probe *redis, const char *why)
{
    snprintf(redis->failure, sizeof(redis->failure), "%s: %s", redis->sentinel->text, why);
    loop_timer_cancel(&redis->share);
    redis_link_close(&redis->link);
    loop_soon(probe_loop(&redis->probe), &redis->next);
}

static void send_sentinel_question(struct redis_probe *redis)
{
    send_words(&redis->link, (const char *const[]){"SENTINEL", "get-master-addr-by-name",
                                                   probe_config(&redis->probe)->master_name, NULL});
}

static void on_sentinel_connected(struct redis_link *link)
{
    send_sentinel_question(redis_of_sentinel(link));
}

/* It wants a password: the servers' may be its as well. False when that is not the matter. */
static bool authenticate_sentinel(struct redis_probe *redis, struct slice error)
{
    if (redis->sentinel_auth || !redis_shared_of(redis)->password.text ||
        !slice_starts_with(error, SLICE_LIT("NOAUTH")))
        return false;
    redis->sentinel_auth = true;
    send_auth(redis, &redis->link);
    send_sentinel_question(redis);
    return true;
}

static void judge_master(struct redis_probe *redis, struct slice host, struct slice port)
{
    const struct probe_target *target = &redis->probe.target;
    bool is_master = redis_master_is(host, port, &target->address, target->backend);
    char quoted_host[WORDS_QUOTE_BYTES], quoted_port[WORDS_QUOTE_BYTES];

    if (is_master == (wanted_role(redis) == CONFIG_ROLE_PRIMARY))
        ask_endpoint(redis);
    else if (is_master)
        probe_fail(&redis->probe,
                   "is the primary, expected a standby: Sentinel names it the master");
    else
        probe_fail(&redis->probe, "is not the primary: Sentinel names %s:%s",
                   words_quote(quoted_host, host), words_quote(quoted_port, port));
}

static void on_sentinel_reply(struct redis_link *link, struct slice reply)
{
    struct redis_probe *redis = redis_of_sentinel(link);
    char quote[WORDS_QUOTE_BYTES];
    struct slice error, host, port;

    if (reply_error(reply, &error)) {
        if (!authenticate_sentinel(redis, error))
            give_up_sentinel(redis, words_quote(quote, error));
    } else if (redis_master_read(&host, &port, reply)) {
        loop_timer_cancel(&redis->share);
        sentinels_note_answer(&redis_shared_of(redis)->sentinels, redis->sentinel);
        redis_link_close(link);
        judge_master(redis, host, port);
    } else if (reply.p[0] != '+') { /* AUTH's OK is followed by the answer */
        give_up_sentinel(redis, "knows no such master");
    }
}

static void on_sentinel_failed(struct redis_link *link, int code, const char *why)
{
    char text[WORDS_ERROR_BYTES];

    if (code != 0)
        why = words_transport_error(text, &link->transport, code);
    give_up_sentinel(redis_of_sentinel(link), why);
}

static const struct redis_link_ops sentinel_ops = {
    .on_connected = on_sentinel_connected,
    .on_reply = on_sentinel_reply,
    .on_failed = on_sentinel_failed,
};

static void on_share_over(struct loop_timer *timer)
{
    give_up_sentinel(container_of(timer, struct redis_probe, share), "no answer in time");
}

/* What is left of the timeout, in equal parts for those not asked yet and for the endpoint. */
static uint64_t share_ms(const struct redis_probe *redis)
{
    uint64_t timeout_ms = probe_config(&redis->probe)->timeout_ms;
    uint64_t spent_ms = (probe_loop(&redis->probe)->now_us - redis->probe.started_us) / 1000;
    unsigned others = redis_shared_of(redis)->sentinels.count - redis->turn;
    uint64_t share = (timeout_ms - (spent_ms < timeout_ms ? spent_ms : timeout_ms)) / (others + 1);

    return share > SENTINEL_SHARE_LEAST_MS ? share : SENTINEL_SHARE_LEAST_MS;
}

static void open_sentinel(struct redis_probe *redis)
{
    const struct sentinel *sentinel = redis->sentinel;
    const struct config_pool_tls *tls = redis->probe.target.pool->config->tls;
    const char *name = tls && tls->sni ? tls->sni : sentinel->host;
    struct loop *loop = probe_loop(&redis->probe);

    redis->sentinel_auth = false;
    loop_timer_set(loop, &redis->share, share_ms(redis));
    int err = redis_link_open(&redis->link, loop, &sentinel->address,
                              new_session(redis, &sentinel->address, name), &sentinel_ops);
    if (err != 0)
        on_sentinel_failed(&redis->link, err, NULL);
}

static void ask_next_sentinel(struct redis_probe *redis)
{
    const struct sentinels *sentinels = &redis_shared_of(redis)->sentinels;

    redis->sentinel = sentinels_in_turn(sentinels, redis->first, redis->turn);
    if (!redis->sentinel) {
        probe_fail(&redis->probe, "no Sentinel tells who is the primary; %s", redis->failure);
        return;
    }
    if (redis->sentinel->known)
        open_sentinel(redis);
    else
        give_up_sentinel(redis, "its name is not resolved");
    redis->turn++;
}

static void on_next(struct loop_task *task)
{
    ask_next_sentinel(container_of(task, struct redis_probe, next));
}

/* ---- the type ----------------------------------------------------------------------------- */

static int redis_open(struct probe_pool *pool, char **ret_why)
{
    const struct config_health *config = pool->config->health;
    struct redis_shared *shared = xcalloc(1, sizeof(*shared));

    pool->shared = shared;
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
    const struct sentinels *sentinels = &redis_shared_of(redis)->sentinels;

    loop_timer_init(&redis->share, on_share_over);
    loop_task_init(&redis->next, on_next);
    redis->first = sentinels->last;
    if (sentinels->count == 0) {
        ask_endpoint(redis);
        return;
    }
    probe->awaits = "answer from a Sentinel";
    ask_next_sentinel(redis);
}

static void redis_stop(struct probe *probe)
{
    struct redis_probe *redis = container_of(probe, struct redis_probe, probe);

    loop_timer_cancel(&redis->share);
    loop_task_cancel(&redis->next);
    redis_link_close(&redis->link);
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
