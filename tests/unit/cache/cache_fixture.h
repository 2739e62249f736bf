/* A cache, heads from text, and one call each for the usual ways to use them. */
#ifndef EVERGATE_TESTS_CACHE_FIXTURE_H
#define EVERGATE_TESTS_CACHE_FIXTURE_H

#include "cache/cache.h"
#include "tests/unit/http/http_fixture.h"

enum { CAME_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct cache_key fixture_key = {
    .scheme = {"http", 4}, .authority = {"a.example", 9}, .target = {"/page?x=1", 9}};

static inline struct cache *fixture_cache(void)
{
    return cache_new(&(struct cache_params){
        .limit_bytes = 1 << 20, .entry_bytes = 1 << 16, .stale_ms = 600000, .own_cookie = "EGSID"});
}

static inline struct http_request_head *fixture_request(const char *method, const char *lines)
{
    static struct request_fixture request;
    static char text[8192];

    snprintf(text, sizeof(text), "%s /page?x=1 HTTP/1.1\r\nHost: a.example\r\n%s\r\n", method,
             lines);
    cr_assert_eq(request_read(&request, text), EG_OK, "%s", text);
    return &request.head;
}

static inline struct http_response_head *fixture_response(int status, const char *lines)
{
    static struct response_fixture response;
    static char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %d Why\r\n%s\r\n", status, lines);
    cr_assert_eq(response_read(&response, text, HTTP_METHOD_GET), EG_OK, "%s", text);
    return &response.head;
}

static inline struct cache_recording *fixture_record(struct cache *cache, const char *asked,
                                                     int status, const char *answered)
{
    return cache_record(cache, &fixture_key, fixture_request("GET", asked),
                        fixture_response(status, answered), CAME_S);
}

/* An answer that was not stored is false. Content-Length is that of the body unless `lines` frame
 * it. */
static inline bool fixture_store_at(struct cache *cache, const char *asked, const char *answered,
                                    const char *body, int64_t came_s)
{
    struct cache_recording *recording;
    char lines[8192];

    snprintf(lines, sizeof(lines), "%sContent-Length: %zu\r\n", answered, strlen(body));
    recording = cache_record(cache, &fixture_key, fixture_request("GET", asked),
                             fixture_response(200, lines), came_s);
    if (recording == NULL || !cache_record_data(&recording, slice_str(body)))
        return false;
    cache_record_end(&recording);
    return true;
}

static inline bool fixture_store(struct cache *cache, const char *asked, const char *answered,
                                 const char *body)
{
    return fixture_store_at(cache, asked, answered, body, CAME_S);
}

/* The body that a GET would get `after_s` after the answer came; "" when none. Static memory. */
static inline const char *fixture_find(struct cache *cache, const char *asked, int64_t after_s)
{
    static char body[4096];
    struct cache_entry *entry = cache_find_stale(cache, &fixture_key, fixture_request("GET", asked),
                                                 CAME_S + after_s, 0, 0);

    if (entry == NULL)
        return "";
    snprintf(body, sizeof(body), "%.*s", SLICE_FMT(cache_entry_body(entry)));
    cache_release(&entry);
    return body;
}

#endif
