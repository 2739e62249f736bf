/*
 * What a backend and a client say about caching: two heads, cut at the first empty line.
 *
 * Properties: the readings stay within their ranges; an answer that was stored is found by the very
 * request that it answered unless that forbids it; what is found says nothing that must not be
 * kept; the memory is within its bound and all given back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cache/cache.h"
#include "cache/storable.h"
#include "cache/vary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 64, WALL_S = 1800000000, LIMIT = 1 << 16 };

static const struct http_limits limits = {16384, FIELDS};

struct message {
    struct http_request_head request;
    struct http_response_head response;
    struct http_field request_fields[FIELDS], response_fields[FIELDS];
    char *request_text, *response_text;
};

/* A start line before the field lines of the input and an empty line behind them. */
static char *framed(const char *start, const char *p, size_t n, size_t *ret_size)
{
    size_t start_size = strlen(start);
    char *text = xmalloc(start_size + n + 4);

    memcpy(text, start, start_size);
    memcpy(text + start_size, p, n);
    memcpy(text + start_size + n, "\r\n\r\n", 4);
    *ret_size = start_size + n + (n > 0 ? 4 : 2);
    return text;
}

static bool read_request(struct message *m, const char *p, size_t n)
{
    struct http_head_scan scan = {0};
    size_t size, head_size;

    m->request.fields = (struct http_fields){.v = m->request_fields, .capacity = FIELDS};
    m->request_text = framed("GET /a HTTP/1.1\r\nHost: h\r\n", p, n, &size);
    return !http_head_scan(&scan, m->request_text, size, &limits, &head_size) &&
           !http_request_head_parse(&m->request, m->request_text, head_size, &limits);
}

static bool read_response(struct message *m, const char *p, size_t n)
{
    struct http_head_scan scan = {0};
    size_t size, head_size;

    m->response.fields = (struct http_fields){.v = m->response_fields, .capacity = FIELDS};
    m->response_text = framed("HTTP/1.1 200 OK\r\n", p, n, &size);
    return !http_head_scan(&scan, m->response_text, size, &limits, &head_size) &&
           !http_response_head_parse(&m->response, m->response_text, head_size, HTTP_METHOD_GET,
                                     &limits);
}

static void check_readings(const struct message *m)
{
    const struct cache_control control = cache_control_parse(&m->response.fields);
    const struct cache_freshness f = cache_freshness_of(&m->response, &control, WALL_S);
    const int64_t most = (int64_t)1 << 31;

    CHECK(control.max_age_s >= 0 && control.max_age_s <= most);
    CHECK(control.s_maxage_s >= 0 && control.s_maxage_s <= most);
    CHECK(control.stale_if_error_s >= 0 && control.stale_if_error_s <= most);
    CHECK(f.initial_age_s >= 0 && f.lifetime_s >= 0);
    CHECK(f.has_date || f.date_s == WALL_S);
}

static void check_variant(const struct message *m)
{
    size_t size = cache_vary_write(NULL, &m->response.fields, &m->request.fields);
    char *signature = xmalloc(size + 1);

    CHECK(cache_vary_write(signature, &m->response.fields, &m->request.fields) == size);
    if (cache_vary_is_usable(&m->response.fields))
        CHECK(cache_vary_matches(slice_from(signature, size), &m->request.fields));
    /* What somebody else made of it must not be read beyond its end either. */
    for (size_t n = 0; n < size; n++)
        cache_vary_matches(slice_from(signature, n), &m->request.fields);
    free(signature);
}

static void check_served(const struct cache_entry *entry)
{
    static const char *const gone[] = {"connection", "transfer-encoding", "content-length",
                                       "set-cookie", "upgrade"};
    struct http_field fields[FIELDS + 4];
    char text[CACHE_TEXT_BYTES];
    struct http_response_head head;
    unsigned ages = 0;

    cache_entry_head(entry, WALL_S, fields, FIELDS + 4, text, &head);
    for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
        CHECK(http_fields_find(&head.fields, slice_str(gone[i])) == NULL);
    for (unsigned i = 0; i < head.fields.count; i++)
        ages += slice_ieq(head.fields.v[i].name, SLICE_LIT("age"));
    CHECK(ages == 1 && slice_eq(cache_entry_body(entry), SLICE_LIT("body")));
}

static void check_storing(const struct message *m)
{
    static const struct cache_key key = {
        .scheme = {"http", 4}, .authority = {"h", 1}, .target = {"/a", 2}};
    const struct cache_control asked = cache_control_parse_request(&m->request.fields);
    struct cache *cache = cache_new(&(struct cache_params){
        .limit_bytes = LIMIT, .entry_bytes = LIMIT, .stale_ms = 1 << 30, .own_cookie = "EGSID"});
    struct http_response_head response = m->response;
    struct cache_recording *recording;
    struct cache_entry *entry;

    response.framing = HTTP_FRAMING_CHUNKED;
    recording = cache_record(cache, &key, &m->request, &response, WALL_S);
    cache_record_data(&recording, SLICE_LIT("body"));
    cache_record_end(&recording);
    CHECK(cache_stats(cache).bytes <= LIMIT);
    entry = cache_find_stale(cache, &key, &m->request, WALL_S, 0, 0);
    CHECK(entry == NULL || !cache_control_has(&asked, CACHE_NO_STORE | CACHE_NO_CACHE));
    if (entry)
        check_served(entry);
    cache_release(&entry);
    cache_free(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    const char *cut = size > 0 ? memmem(p, size, "\r\n\r\n", 4) : NULL;
    size_t first = cut ? (size_t)(cut - p) : size;
    size_t second = cut ? size - first - 4 : 0;
    struct message *m = xcalloc(1, sizeof(*m));

    if (read_request(m, p, first) && read_response(m, p + size - second, second)) {
        check_readings(m);
        check_variant(m);
        check_storing(m);
    }
    free(m->request_text);
    free(m->response_text);
    free(m);
    return 0;
}
