/*
 * A client's bytes: requests with their bodies.
 *
 * Properties: the reading does not depend on how the bytes were cut, and what is written for the
 * backend reads again as the same request, in the eyes of llhttp too.
 */
#include <stdint.h>

#include "base/check.h"
#include "http/forward.h"
#include "tests/unit/http/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits roomy = {1024 * 1024, 300};

static const struct http_header_edit edit_set[] = {{{"Accept", 6}, {"x", 1}},
                                                   {{"X-A", 3}, {"", 0}}};
static const struct http_header_edit edit_add[] = {{{"X-B", 3}, {"y", 1}}};
static const struct slice edit_remove[] = {{"Cookie", 6}, {"Via", 3}};
static const struct http_header_edits edits = {edit_set, 2, edit_add, 1, edit_remove, 2};

/* The head as written for the backend, heap, exactly as large as it is. */
static char *forwarded(const struct http_request_head *head, bool with_edits, size_t *ret_size)
{
    struct http_forward_request f = {
        .head = head,
        .path = head->path,
        .client_host = with_edits ? SLICE_LIT("2001:db8::1") : SLICE_LIT("192.0.2.1"),
        .fallback_host = SLICE_LIT("fallback"),
        .request_id = SLICE_LIT("0123456789abcdef"),
        .edits = with_edits ? &edits : NULL,
        .upgrade = head->upgrade.n > 0,
        .pass_expect = head->expect_continue,
    };
    size_t bound = http_forward_request_bound(&f), size;
    char *out = xmalloc(bound), *exact;

    size = http_forward_request_write(&f, out, bound);
    CHECK(size > 0 && size <= bound);
    exact = xmalloc(size);
    CHECK(http_forward_request_write(&f, exact, size - 1) == 0);
    CHECK(http_forward_request_write(&f, exact, size) == size);
    free(out);
    *ret_size = size;
    return exact;
}

static void forward_check(const struct http_request_head *head, bool with_edits)
{
    static struct http_field fields[300];
    struct http_request_head again = {.fields = {.v = fields, .capacity = 300}};
    struct http_head_scan scan = {0};
    size_t size, scanned = 0;
    char *p = forwarded(head, with_edits, &size);

    CHECK(http_head_scan(&scan, p, size, &roomy, &scanned) == EG_OK && scanned == size);
    CHECK(http_request_head_parse(&again, p, size, &roomy) == EG_OK);
    CHECK(http_request_second_opinion(&again, p, size) == EG_OK);
    CHECK(slice_eq(again.method, head->method) && slice_eq(again.path, head->path));
    CHECK(again.framing == head->framing && again.content_length == head->content_length);
    CHECK(again.minor_version == 1 && again.keep_alive);
    CHECK(head->authority.n == 0 || slice_eq(again.authority, head->authority));
    CHECK(slice_eq(again.upgrade, head->upgrade));
    CHECK(again.expect_continue == head->expect_continue);
    CHECK(!http_fields_has(&again.fields, HTTP_FIELD_HTTP2_SETTINGS));
    CHECK(!http_fields_has(&again.fields, HTTP_FIELD_PROXY_CONNECTION));
    CHECK(!http_fields_has(&again.fields, HTTP_FIELD_KEEP_ALIVE));
    free(p);
}

static void first_head_check(const char *p, size_t n)
{
    struct http_field fields[READING_FIELDS];
    struct http_request_head head = {.fields = {.v = fields, .capacity = READING_FIELDS}};
    struct http_head_scan scan = {0};
    size_t size = 0;

    if (http_head_scan(&scan, p, n, &reading_limits, &size) ||
        http_request_head_parse(&head, p, size, &reading_limits) ||
        http_request_second_opinion(&head, p, size))
        return;
    forward_check(&head, false);
    forward_check(&head, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading whole, pieces;

    reading_requests(&whole, (const char *)data, size, size ? size : 1);
    reading_requests(&pieces, (const char *)data, size, 1);
    CHECK(reading_equal(&whole, &pieces));
    reading_fini(&whole);
    reading_fini(&pieces);
    first_head_check((const char *)data, size);
    return 0;
}
