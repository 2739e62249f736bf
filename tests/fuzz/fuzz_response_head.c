/*
 * A backend's bytes: an answer with its body. The first byte chooses the request's method.
 *
 * Properties: the reading does not depend on how the bytes were cut, and what is written for the
 * client reads again with the same framing, in the eyes of llhttp too.
 */
#include <stdint.h>

#include "base/check.h"
#include "http/forward.h"
#include "tests/unit/http/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits roomy = {1024 * 1024, 300};

static char *forwarded(const struct http_response_head *head, size_t *ret_size)
{
    struct http_forward_response f = {
        .head = head,
        .client_minor_version = 1,
        .chunked =
            head->framing == HTTP_FRAMING_CHUNKED || head->framing == HTTP_FRAMING_UNTIL_CLOSE,
        .upgrade = head->status == 101,
        .date = SLICE_LIT("Sun, 06 Nov 1994 08:49:37 GMT"),
    };
    size_t bound = http_forward_response_bound(&f), size;
    char *out = xmalloc(bound), *exact;

    size = http_forward_response_write(&f, out, bound);
    CHECK(size > 0 && size <= bound);
    exact = xmalloc(size);
    CHECK(http_forward_response_write(&f, exact, size - 1) == 0);
    CHECK(http_forward_response_write(&f, exact, size) == size);
    free(out);
    *ret_size = size;
    return exact;
}

static void forward_check(const struct http_response_head *head, enum http_method method)
{
    static struct http_field fields[300];
    struct http_response_head again = {.fields = {.v = fields, .capacity = 300}};
    struct http_head_scan scan = {0};
    size_t size, scanned = 0;
    char *p = forwarded(head, &size);
    bool stays = head->framing == HTTP_FRAMING_NONE || head->framing == HTTP_FRAMING_LENGTH;

    CHECK(http_head_scan(&scan, p, size, &roomy, &scanned) == EG_OK && scanned == size);
    CHECK(http_response_head_parse(&again, p, size, method, &roomy) == EG_OK);
    CHECK(http_response_second_opinion(&again, p, size, method) == EG_OK);
    CHECK(again.status == head->status && slice_eq(again.reason, head->reason));
    CHECK(again.framing == (stays ? head->framing : HTTP_FRAMING_CHUNKED));
    CHECK(again.has_content_length == head->has_content_length ||
          head->framing == HTTP_FRAMING_CHUNKED);
    CHECK(again.content_length == head->content_length);
    free(p);
}

static void first_head_check(const char *p, size_t n, enum http_method method)
{
    struct http_field fields[READING_FIELDS];
    struct http_response_head head = {.fields = {.v = fields, .capacity = READING_FIELDS}};
    struct http_head_scan scan = {0};
    size_t size = 0;

    if (http_head_scan(&scan, p, n, &reading_limits, &size) ||
        http_response_head_parse(&head, p, size, method, &reading_limits) ||
        http_response_second_opinion(&head, p, size, method))
        return;
    forward_check(&head, method);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data + 1;
    struct reading whole, pieces;
    enum http_method method;

    if (size-- == 0)
        return 0;
    method = (enum http_method)(data[0] % (HTTP_METHOD_CONNECT + 1));
    reading_responses(&whole, p, size, size ? size : 1, method);
    reading_responses(&pieces, p, size, 1, method);
    CHECK(reading_equal(&whole, &pieces));
    reading_fini(&whole);
    reading_fini(&pieces);
    first_head_check(p, size, method);
    return 0;
}
