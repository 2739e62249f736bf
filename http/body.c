/* The four framings behind one pull interface. See body.h; chunked bodies: chunk_reader.c. */
#include "http/body.h"

#include "http/chunk_reader.h"

void http_body_init(struct http_body *body, enum http_framing framing, uint64_t content_length,
                    uint64_t limit_bytes, const struct http_limits *limits)
{
    *body = (struct http_body){
        .framing = framing,
        .remaining = framing == HTTP_FRAMING_LENGTH ? content_length : 0,
        .limit = limit_bytes,
        .chunks = framing == HTTP_FRAMING_CHUNKED ? http_chunk_reader_new(limits) : NULL,
    };
}

void http_body_fini(struct http_body *body)
{
    http_chunk_reader_free(body->chunks);
    body->chunks = NULL;
}

/* How many content bytes may still come. */
static uint64_t allowance(const struct http_body *body)
{
    if (body->limit == 0)
        return UINT64_MAX - body->size;
    return body->limit > body->size ? body->limit - body->size : 0;
}

static int length_next(struct http_body *body, const char *p, size_t n, struct slice *ret_data)
{
    size_t piece = n < body->remaining ? n : (size_t)body->remaining;

    if (body->remaining > allowance(body))
        return EG_E_BODY_TOO_LARGE;
    if (body->remaining == 0)
        return HTTP_BODY_END;
    *ret_data = slice_from(p, piece);
    body->remaining -= piece;
    return piece > 0 ? HTTP_BODY_DATA : HTTP_BODY_MORE;
}

static int until_close_next(struct http_body *body, const char *p, size_t n, struct slice *ret_data)
{
    if (n > allowance(body))
        return EG_E_BODY_TOO_LARGE;
    *ret_data = slice_from(p, n);
    return n > 0 ? HTTP_BODY_DATA : HTTP_BODY_MORE;
}

int http_body_next(struct http_body *body, const char *p, size_t n, struct slice *ret_data,
                   size_t *ret_consumed)
{
    struct slice data = {NULL, 0};
    size_t consumed = 0;
    int result = HTTP_BODY_END;

    if (body->ended)
        result = HTTP_BODY_END;
    else if (body->framing == HTTP_FRAMING_LENGTH)
        result = length_next(body, p, n, &data);
    else if (body->framing == HTTP_FRAMING_CHUNKED)
        result = http_chunk_reader_next(body->chunks, p, n, allowance(body), &data, &consumed);
    else if (body->framing == HTTP_FRAMING_UNTIL_CLOSE)
        result = until_close_next(body, p, n, &data);
    if (result < 0)
        return result;
    if (result == HTTP_BODY_DATA) {
        body->size += data.n;
        *ret_data = data;
    }
    body->ended = result == HTTP_BODY_END;
    *ret_consumed = body->framing == HTTP_FRAMING_CHUNKED ? consumed : data.n;
    return result;
}

int http_body_eof(struct http_body *body)
{
    if (body->framing == HTTP_FRAMING_UNTIL_CLOSE || body->framing == HTTP_FRAMING_NONE ||
        (body->framing == HTTP_FRAMING_LENGTH && body->remaining == 0))
        body->ended = true;
    return body->ended ? EG_OK : EG_E_BODY_TRUNCATED;
}

const struct http_fields *http_body_trailers(const struct http_body *body)
{
    static const struct http_fields none;

    return body->ended && body->chunks ? http_chunk_reader_trailers(body->chunks) : &none;
}

size_t http_chunk_header(char *out, uint64_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 1;

    while (n < 16 && size_bytes >> (4 * n))
        n++;
    for (size_t i = 0; i < n; i++)
        out[i] = digits[size_bytes >> (4 * (n - 1 - i)) & 15];
    out[n] = '\r';
    out[n + 1] = '\n';
    return n + 2;
}
