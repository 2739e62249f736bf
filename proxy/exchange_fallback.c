/*
 * What to answer when nothing can: the pool's `fallback`, in this order.
 *
 *   1. the last good answer to the same GET, if it may be served stale (cache/cache.h)
 *   2. another pool's answer, if no backend can have seen the request or it may be repeated
 *   3. a file, with the configured status
 *   4. the plain error (own_answer.c)
 *
 * A stored answer is also served instead of a backend's own 500, 502, 503 or 504 (RFC 5861 section
 * 4), and for a moment afterwards without asking the backend again.
 */
#include "base/clock.h"
#include "proxy/exchange_internal.h"
#include "proxy/own_answer.h"

enum {
    FALLBACK_SUPPRESS_US = 1000000, /* so long a failing backend is left alone */
    FALLBACK_OVER_US = 5 * 1000000, /* without any: what backends and fallback answer by turns is
                                       one event, not one per turn */
};

/* By the exchange's own settings: a cache that was made since is for others. */
static struct cache *cache_of(const struct exchange *x)
{
    return x->pool_config->fallback.stale_ms > 0 ? x->runtime->cache : NULL;
}

static struct cache_key cache_key_of(const struct exchange *x)
{
    return (struct cache_key){
        .scheme = x->client_tls ? SLICE_LIT("https") : SLICE_LIT("http"),
        .authority = x->head.authority,
        .target = x->head.path,
        .route = slice_str(x->route->name),
    };
}

static int64_t wall_s(void)
{
    return (int64_t)(clock_wall_us() / 1000000);
}

static bool is_cached_method(const struct exchange *x)
{
    return x->head.method_id == HTTP_METHOD_GET || x->head.method_id == HTTP_METHOD_HEAD;
}

static void tell_fallback(struct exchange *x, const char *to, const char *why, const char *next)
{
    struct pool_runtime *runtime = x->runtime;
    uint64_t now_us = x->worker->loop.now_us;

    stat_add(&x->worker->stats.fallbacks, 1);
    if (atomic_exchange(&runtime->fallback_us, now_us) != 0)
        return;
    health_tell(runtime->health, NULL, EVENT_FALLBACK, EVENT_WARN, "backends", to, why, next);
}

/* A backend has answered: is that the end of it? */
static void tell_fallback_over(struct exchange *x)
{
    struct pool_runtime *runtime = x->runtime;
    uint64_t last_us = atomic_load_explicit(&runtime->fallback_us, memory_order_relaxed);

    if (last_us == 0 || x->worker->loop.now_us < last_us + FALLBACK_OVER_US)
        return;
    if (atomic_compare_exchange_strong(&runtime->fallback_us, &last_us, 0))
        health_tell(runtime->health, NULL, EVENT_FALLBACK, EVENT_INFO, "fallback", "backends",
                    "a backend answered, and nothing needed the fallback for a while", "");
}

/* ---- A stored answer ---- */

static void send_stale(struct exchange *x)
{
    size_t count = cache_entry_fields(x->stale);
    struct http_field *fields = arena_alloc(&x->arena, count * sizeof(*fields));
    char *text = arena_alloc(&x->arena, CACHE_TEXT_BYTES);
    struct http_response_head head;
    struct slice body = cache_entry_body(x->stale);

    cache_entry_head(x->stale, wall_s(), fields, count, text, &head);
    if (x->head.method_id == HTTP_METHOD_HEAD)
        head.framing = HTTP_FRAMING_NONE;
    x->status = head.status;
    x->head_sent = true;
    stat_add(&x->worker->stats.stale_served, 1);
    x->sink->head(x->front, &head, &x->route->response_headers);
    if (head.framing != HTTP_FRAMING_NONE && body.n > 0)
        x->sink->data(x->front, body);
    exchange_end(x, NULL);
}

bool exchange_serve_stale(struct exchange *x, const char *why)
{
    struct cache_key key;

    if (cache_of(x) == NULL || !is_cached_method(x))
        return false;
    key = cache_key_of(x);
    x->stale = cache_find_stale(cache_of(x), &key, &x->head, wall_s(), x->worker->loop.now_us,
                                FALLBACK_SUPPRESS_US);
    if (x->stale == NULL)
        return false;
    tell_fallback(x, "stale", why, "stored answers are served as long as they may be");
    exchange_release_all(x, HEALTH_CANCELLED, EG_OK);
    send_stale(x);
    return true;
}

bool exchange_is_suppressed(struct exchange *x)
{
    struct cache_key key;

    if (cache_of(x) == NULL || !is_cached_method(x))
        return false;
    key = cache_key_of(x);
    return cache_suppressed(cache_of(x), &key, x->worker->loop.now_us) &&
           exchange_serve_stale(x, "the backends failed a moment ago");
}

/* ---- Recording ---- */

void exchange_record_head(struct exchange *x, const struct http_response_head *head)
{
    struct cache_key key;

    if (head->status < 500)
        tell_fallback_over(x);
    if (cache_of(x) == NULL)
        return;
    key = cache_key_of(x);
    cache_invalidate(cache_of(x), &key, &x->head, head->status);
    x->recording = cache_record(cache_of(x), &key, &x->head, head, wall_s());
}

void exchange_record_data(struct exchange *x, struct slice data)
{
    cache_record_data(&x->recording, data);
}

void exchange_record_end(struct exchange *x)
{
    cache_record_end(&x->recording);
}

/* ---- The other ways ---- */

/* Nobody can have seen it, or seeing it twice does no harm; and nothing of its body is gone. */
static bool may_go_elsewhere(const struct exchange *x)
{
    bool may_repeat = x->idempotent && !x->upstream_request.tunnel;

    return !x->body.lost && (x->attempts_sent == 0 || may_repeat);
}

static bool try_fallback_pool(struct exchange *x, const char *why)
{
    int pool = x->pool_config->fallback.pool;

    if (pool < 0 || !may_go_elsewhere(x))
        return false;
    if (x->pool_config->fallback.body_file != NULL)
        x->fallback_file = &x->pool_config->fallback;
    tell_fallback(x, "pool", why, "requests go to the fallback pool");
    exchange_stop_waiting(x);
    x->endpoint_id = slice_from("", 0);
    exchange_forget_tried(x);
    x->attempts_sent = x->attempts_unsent = 0;
    exchange_to_pool(x, (unsigned)pool);
    return true;
}

/* Which of our own answers mean that no backend could: not what the client did wrong. */
static bool nothing_could_answer(int code)
{
    switch (code) {
    case EG_E_NO_ENDPOINT:
    case EG_E_BREAKER_OPEN:
    case EG_E_RESOLVE:
    case EG_E_CONNECT:
    case EG_E_CONNECT_TIMEOUT:
    case EG_E_UPSTREAM_TLS:
    case EG_E_UPSTREAM_RESET:
    case EG_E_UPSTREAM_PROTOCOL:
    case EG_E_UPSTREAM_TRUNCATED:
    case EG_E_RESPONSE_TIMEOUT:
    case EG_E_IDLE_TIMEOUT:
    case EG_E_ROUTE_TIMEOUT:
    case EG_E_OVERLOAD:
    case EG_E_PENDING_FULL:
    case EG_E_PENDING_TIMEOUT:
        return true;
    default:
        return false;
    }
}

bool exchange_fall_back(struct exchange *x, int code)
{
    const char *why = error_text(code);
    const struct config_fallback *file;

    if (x->runtime == NULL || !nothing_could_answer(code))
        return false;
    if (exchange_serve_stale(x, why))
        return true;
    /* The route's time is over for another pool as well. */
    if (code != EG_E_ROUTE_TIMEOUT && try_fallback_pool(x, why))
        return true;
    file =
        x->pool_config->fallback.body_file != NULL ? &x->pool_config->fallback : x->fallback_file;
    if (file == NULL)
        return false;
    tell_fallback(x, "file", why, "requests get the fallback's file");
    own_answer_file(x, file, code);
    exchange_end(x, NULL);
    return true;
}
