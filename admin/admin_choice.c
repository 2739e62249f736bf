/*
 * Which endpoint of a pool a request would get, and why: see admin_choice.h.
 *
 * The balancer makes the choice, on a copy (balancer_pool_explain); what it is given here is what
 * an exchange would give it (proxy/exchange_pick.c): the hash of the pool's key, the session of the
 * client's cookie.
 */
#include "admin/admin_choice.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "proxy/request_key.h"
#include "proxy/sticky_token.h"

/* One choice, while it is put together. */
struct choice {
    const struct admin_target *pool;
    const struct pool_runtime *runtime;
    const struct admin_question *question;
    struct balancer_request request;
    bool has_cookie; /* that is ours and has not expired */
    struct balancer_candidate *candidates;
    unsigned count;
    const struct endpoint *chosen; /* NULL: nobody */
};

/* ---- What the choice depends on ---- */

static void read_session(struct choice *choice, uint64_t random)
{
    const struct config_sticky *sticky = choice->pool->config->sticky;
    struct slice pool = slice_str(choice->pool->config->name), secret, value;
    struct sticky_token token;

    if (!sticky)
        return;
    secret = pool_runtime_secret(choice->runtime, choice->pool->config);
    value = request_cookie(&choice->question->head.fields, slice_str(sticky->cookie));
    choice->has_cookie =
        value.n > 0 && sticky_token_read(secret, pool, value, clock_wall_us() / 1000000, &token);
    choice->request.session = choice->has_cookie ? token.session : random | 1;
    if (choice->has_cookie)
        choice->request.session_endpoint = pool_runtime_tagged(choice->runtime, token.endpoint_tag);
}

static void describe_request(struct choice *choice)
{
    const struct admin_question *question = choice->question;
    uint64_t random[2] = {0};

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random[0] = clock_wall_us();
    choice->request.random = random[0];
    choice->request.now_us = clock_monotonic_us();
    if (request_key_matters(choice->pool->config))
        choice->request.hash = balancer_hash(
            request_key_of(choice->pool->config, &question->head, question->client_host));
    read_session(choice, random[1]);
}

/* null: the algorithm hashes nothing. */
static json_t *hash_key(const struct choice *choice)
{
    static const char *const sources[] = {"ip", "uri", "header", "cookie"};
    const struct config_pool *config = choice->pool->config;
    const struct admin_question *question = choice->question;
    bool by_ip = config->algorithm == CONFIG_IP_HASH;
    json_t *object;

    if (!request_key_matters(config))
        return json_null();
    object = json_object();
    admin_json_set_text(object, "by", by_ip ? "ip" : sources[config->hash_key]);
    admin_json_set_text(object, "name", config->hash_name[0] ? config->hash_name : NULL);
    admin_json_set(
        object, "value",
        admin_json_slice(request_key_of(config, &question->head, question->client_host)));
    return object;
}

/* null: the pool is not sticky. */
static json_t *session(const struct choice *choice)
{
    const struct config_sticky *sticky = choice->pool->config->sticky;
    const struct endpoint *endpoint = choice->request.session_endpoint;
    json_t *object;

    if (!sticky)
        return json_null();
    object = json_object();
    admin_json_set_text(object, "cookie", sticky->cookie);
    admin_json_set_bool(object, "known", choice->has_cookie);
    admin_json_set_text(object, "endpoint", endpoint ? endpoint->id : NULL);
    return object;
}

/* ---- What came of it ---- */

static unsigned count_verdicts(const struct choice *choice, enum balancer_verdict verdict)
{
    unsigned n = 0;

    for (unsigned i = 0; i < choice->count; i++)
        n += choice->candidates[i].verdict == verdict;
    return n;
}

/* Those that could serve if all were well: nobody took them out on purpose. */
static unsigned count_meant(const struct choice *choice)
{
    return choice->count - count_verdicts(choice, BALANCER_IS_LEAVING) -
           count_verdicts(choice, BALANCER_IS_DRAINING) -
           count_verdicts(choice, BALANCER_IS_WEIGHTLESS);
}

/* As balancer_pick would call it. */
static int error_of(const struct choice *choice)
{
    unsigned meant = count_meant(choice);
    unsigned broken = count_verdicts(choice, BALANCER_BREAKER_OPEN) +
                      count_verdicts(choice, BALANCER_BREAKER_HALF_OPEN);

    if (count_verdicts(choice, BALANCER_IS_FULL) > 0)
        return EG_E_OVERLOAD;
    if (meant > 0 && broken == meant)
        return EG_E_BREAKER_OPEN;
    if (meant > 0 && count_verdicts(choice, BALANCER_IS_UNRESOLVED) == meant)
        return EG_E_RESOLVE;
    return EG_E_NO_ENDPOINT;
}

/* What happens instead: the queue, the fallback's ways in their order, the error. */
static json_t *instead(const struct server *server, const struct choice *choice)
{
    const struct config_fallback *fallback = &choice->pool->config->fallback;
    int code = error_of(choice);
    json_t *object = json_object();

    admin_json_set_number(object, "status", (uint64_t)error_http_status(code));
    admin_json_set_text(object, "type", error_type_name(error_type_of(code)));
    admin_json_set_text(object, "message", error_text(code));
    admin_json_set_bool(object, "waits",
                        code == EG_E_OVERLOAD && choice->pool->config->max_pending > 0);
    admin_json_set_bool(object, "stale_answer", fallback->stale_ms > 0);
    admin_json_set_text(object, "fallback_pool",
                        fallback->pool >= 0 ? server->config->pools[fallback->pool].name : NULL);
    admin_json_set_text(object, "fallback_file", fallback->body_file);
    return object;
}

/* How the algorithm came to it, among those that were left. */
static const char *rule(const struct choice *choice)
{
    static const char *const rules[CONFIG_ALGORITHM_COUNT] = {
        [CONFIG_ROUND_ROBIN] = "it is its turn; the next request is another's",
        [CONFIG_WEIGHTED] = "it is its turn by weight",
        [CONFIG_LEAST_CONNECTIONS] = "it has the fewest requests for its weight",
        [CONFIG_IP_HASH] = "the client's address hashes to it",
        [CONFIG_RANDOM] = "drawn by chance, with its weight; another request may draw another",
        [CONFIG_CONSISTENT_HASH] = "the request's key hashes to it",
        [CONFIG_LEAST_LATENCY] = "it is expected to answer first",
    };

    if (choice->request.session_endpoint && choice->request.session_endpoint == choice->chosen)
        return "the session's cookie names it";
    if (choice->pool->config->sticky)
        return "a session begins: its number chose it, and its cookie will name it";
    return rules[choice->pool->config->algorithm];
}

static char *explain_choice(const struct choice *choice)
{
    unsigned eligible = count_verdicts(choice, BALANCER_ELIGIBLE);
    const char *passed_over = balancer_pool_panicking(choice->pool->balancer)
                                  ? " The pool panics: health is ignored."
                                  : "";

    if (!choice->chosen)
        return xasprintf("None of %u endpoints can take it: %s.%s", choice->count,
                         error_text(error_of(choice)), passed_over);
    if (eligible == 1)
        return xasprintf("It is the only one of %u that can take it.%s", choice->count,
                         passed_over);
    return xasprintf("%u of %u endpoints can take it (%s): %s.%s", eligible, choice->count,
                     config_algorithm_name(choice->pool->config->algorithm), rule(choice),
                     passed_over);
}

/* 1, "1, zone", "backup": where the load is drawn from first to last. */
static json_t *tier_of(const struct balancer_candidate *c)
{
    char *text;
    json_t *tier;

    if (c->priority > 0 && c->level_where[0] == '\0')
        return json_integer(c->priority);
    if (c->priority > 0)
        text = xasprintf("%u, %s", c->priority, c->level_where);
    else
        text = xasprintf("backup%s%s", c->level_where[0] ? ", " : "", c->level_where);
    tier = admin_json_text(text);
    free(text);
    return tier;
}

static json_t *candidate_object(const struct choice *choice, const struct balancer_candidate *c)
{
    const struct endpoint *endpoint = c->endpoint;
    bool chosen = endpoint == choice->chosen;
    const char *why = balancer_verdict_name(c->verdict);
    json_t *object = json_object();

    CHECK(endpoint);
    if (c->eligible)
        why = chosen ? "chosen" : "it would do as well";
    admin_json_set_text(object, "id", endpoint->id);
    admin_json_set_text(object, "address", endpoint->address);
    admin_json_set_bool(object, "chosen", chosen);
    admin_json_set_bool(object, "eligible", c->eligible);
    admin_json_set_text(object, "why", why);
    admin_json_set(object, "tier", tier_of(c));
    admin_json_set_text(object, "status", endpoint_status_name(atomic_load(&endpoint->status)));
    admin_json_set_text(object, "breaker", breaker_state_name(atomic_load(&endpoint->breaker)));
    admin_json_set_number(object, "weight", atomic_load(&endpoint->weight));
    admin_json_set_number(object, "share_percent", c->share_percent);
    return object;
}

static json_t *candidates(const struct choice *choice)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < choice->count; i++)
        json_array_append_new(array, candidate_object(choice, &choice->candidates[i]));
    return array;
}

/* null: nobody was chosen. */
static json_t *endpoint_object(const struct choice *choice)
{
    json_t *object = json_null();
    char *why;

    if (!choice->chosen)
        return object;
    why = explain_choice(choice);
    for (unsigned i = 0; i < choice->count; i++) {
        const struct balancer_candidate *c = &choice->candidates[i];

        if (c->endpoint != choice->chosen)
            continue;
        object = json_object();
        admin_json_set_text(object, "id", c->endpoint->id);
        admin_json_set_text(object, "address", c->endpoint->address);
        admin_json_set(object, "tier", tier_of(c));
        admin_json_set_text(object, "why", why);
    }
    free(why);
    return object;
}

static json_t *choice_object(const struct server *server, const struct choice *choice)
{
    const struct config_pool *config = choice->pool->config;
    char *why = explain_choice(choice);
    json_t *object = json_object();

    admin_json_set(object, "endpoint", endpoint_object(choice));
    admin_json_set_text(object, "why", why);
    admin_json_set_text(object, "algorithm", config_algorithm_name(config->algorithm));
    admin_json_set(object, "hash_key", hash_key(choice));
    admin_json_set(object, "session", session(choice));
    admin_json_set_bool(object, "panicking", balancer_pool_panicking(choice->pool->balancer));
    admin_json_set(object, "instead", choice->chosen ? json_null() : instead(server, choice));
    admin_json_set(object, "candidates", candidates(choice));
    free(why);
    return object;
}

json_t *admin_choice_object(const struct server *server, const struct admin_target *pool,
                            const struct admin_question *question)
{
    unsigned size = balancer_pool_size(pool->balancer);
    struct choice choice = {
        .pool = pool,
        .runtime = server->runtimes[pool->pool],
        .question = question,
        .candidates = xcalloc(size + 1, sizeof(struct balancer_candidate)),
    };
    struct endpoint *chosen = NULL;
    json_t *object;

    describe_request(&choice);
    choice.count =
        balancer_pool_explain(pool->balancer, &choice.request, choice.candidates, size, &chosen);
    choice.chosen = chosen;
    object = choice_object(server, &choice);
    free(choice.candidates);
    return object;
}
