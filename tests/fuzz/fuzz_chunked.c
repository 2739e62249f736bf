/*
 * Chunked bodies. Properties: the reading does not depend on how the bytes were cut; content and
 * trailers written again read as the same.
 */
#include <stdint.h>

#include "base/check.h"
#include "http/forward.h"
#include "tests/unit/http/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(struct reading *r, const char *p, size_t n, size_t step)
{
    struct reading_input in = {p, 0, 0, n, step};

    *r = (struct reading){.code = EG_OK};
    r->code = reading_body_of(r, &in, HTTP_FRAMING_CHUNKED, 0);
    return r->code;
}

/* The first body in p[0..n), chunk by chunk as we would send it. */
static char *encode_again(const char *p, size_t n, size_t *ret_size)
{
    struct http_body body;
    char *out = xmalloc(64 + 32 * n + n), *end = out;
    size_t position = 0, consumed, bound;
    struct slice data;
    int result;

    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &reading_limits);
    while ((result = http_body_next(&body, p + position, n - position, &data, &consumed)) ==
           HTTP_BODY_DATA) {
        end += http_chunk_header(end, data.n);
        memcpy(end, data.p, data.n);
        memcpy(end + data.n, "\r\n", 2);
        end += data.n + 2;
        position += consumed;
    }
    CHECK(result == HTTP_BODY_END);
    bound = http_forward_trailers_bound(http_body_trailers(&body));
    end += http_forward_trailers_write(http_body_trailers(&body), end, bound);
    http_body_fini(&body);
    *ret_size = (size_t)(end - out);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct reading whole, pieces, again;

    decode(&whole, p, size, size ? size : 1);
    decode(&pieces, p, size, 1);
    CHECK(reading_equal(&whole, &pieces));
    if (whole.code == EG_OK) {
        size_t encoded_size;
        char *encoded = encode_again(p, size, &encoded_size);

        CHECK(decode(&again, encoded, encoded_size, 3) == EG_OK && reading_equal(&whole, &again));
        reading_fini(&again);
        free(encoded);
    }
    reading_fini(&whole);
    reading_fini(&pieces);
    return 0;
}
