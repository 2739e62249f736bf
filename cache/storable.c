/*
 * What may be stored. The RFC's rules for a shared cache come first. Since what has no freshness
 * information at all is stored here too, some of our own follow: an answer that was made for one
 * person must not become another one's because the backend said nothing about caching.
 */
#include "cache/storable.h"

#include "cache/vary.h"

/* Final statuses that RFC 9110 section 15.1 calls heuristically cacheable. Without 206 (a part is
 * no answer), 405, 414 and 501 (what a broken backend says of a good request: worse than nothing
 * to remember). */
static bool status_is_kept(int status)
{
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 308:
    case 404:
    case 410:
        return true;
    default:
        return false;
    }
}

/* Section 3.5. */
static bool authorization_allows(const struct cache_store_question *q)
{
    return http_fields_find(&q->request->fields, SLICE_LIT("authorization")) == NULL ||
           cache_control_has(q->control, CACHE_PUBLIC | CACHE_S_MAXAGE | CACHE_MUST_REVALIDATE);
}

/* Does the request have a cookie beside our own? */
static bool has_foreign_cookie(const struct cache_store_question *q)
{
    const struct http_fields *fields = &q->request->fields;

    if (!http_fields_has(fields, HTTP_FIELD_COOKIE))
        return false;
    for (unsigned i = 0; i < fields->count; i++) {
        struct slice rest = fields->v[i].value;

        while (fields->v[i].id == HTTP_FIELD_COOKIE && rest.n > 0) {
            const char *end = memchr(rest.p, ';', rest.n);
            size_t size = end ? (size_t)(end - rest.p) : rest.n;
            const char *equals = memchr(rest.p, '=', size);
            struct slice name =
                slice_trim(slice_from(rest.p, equals ? (size_t)(equals - rest.p) : size));

            if (size > 0 && (name.n == 0 || !slice_eq(name, q->own_cookie)))
                return true;
            size += end != NULL;
            rest = slice_from(rest.p + size, rest.n - size);
        }
    }
    return false;
}

/* RFC 9111 lets a cache ignore cookies. That is sound where a backend says how long its answers
 * are good for everybody; where it says nothing, an answer to a cookie is taken to be personal,
 * unless Vary keeps it with that cookie. */
static bool cookies_allow(const struct cache_store_question *q)
{
    bool is_shared = cache_control_has(q->control, CACHE_PUBLIC) ||
                     (q->freshness->is_explicit && q->freshness->lifetime_s > 0);

    return is_shared || !has_foreign_cookie(q) ||
           cache_vary_names(&q->response->fields, SLICE_LIT("cookie"));
}

static bool is_ever_servable(const struct cache_store_question *q)
{
    return !cache_control_has(q->control,
                              CACHE_MUST_REVALIDATE | CACHE_PROXY_REVALIDATE | CACHE_S_MAXAGE) ||
           q->freshness->lifetime_s > q->freshness->initial_age_s;
}

const char *cache_storable_objection(const struct cache_store_question *q)
{
    const struct http_request_head *request = q->request;

    if (request->method_id != HTTP_METHOD_GET)
        return "not a GET";
    /* RFC 9110 section 9.3.1: content in a GET means what the backend wants it to; its answer is
     * not the resource's. */
    if (request->framing == HTTP_FRAMING_CHUNKED ||
        (request->framing == HTTP_FRAMING_LENGTH && request->content_length > 0))
        return "the request has a body";
    if (!status_is_kept(q->response->status))
        return "status";
    /* RFC 9112 section 8: complete or cut off, it looks the same. The backend that dies in the
     * middle of such an answer must not leave half of it behind as its last good one. */
    if (q->response->framing == HTTP_FRAMING_UNTIL_CLOSE)
        return "its end is the connection's";
    if (cache_control_has(q->asked, CACHE_NO_STORE) ||
        cache_control_has(q->control, CACHE_NO_STORE))
        return "no-store";
    if (cache_control_has(q->control, CACHE_PRIVATE))
        return "private";
    /* It could be used after validation only, and there is nobody to ask. */
    if (cache_control_has(q->control, CACHE_NO_CACHE))
        return "no-cache";
    if (!authorization_allows(q))
        return "authorization";
    if (http_fields_find(&q->response->fields, SLICE_LIT("set-cookie")))
        return "set-cookie";
    if (!cookies_allow(q))
        return "cookie";
    if (!cache_vary_is_usable(&q->response->fields))
        return "vary";
    if (!is_ever_servable(q))
        return "stale already, and must not be served stale";
    return NULL;
}
