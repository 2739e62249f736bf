/* See chunk_reader.h for the states. One step reads one byte or one run of bytes. */
#include "http/chunk_reader.h"

#include <llhttp.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "http/charset.h"
#include "http/chunk_extension.h"
#include "http/trailers.h"

enum {
    SIZE_DIGITS_MAX = 16,        /* 64 bits */
    EXTENSION_LINE_MAX = 4096,   /* bytes of extensions in one size line */
    EXTENSION_CREDIT = 16 * 1024 /* and in all lines together beyond one per byte of content */
};

enum state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, END };

struct http_chunk_reader {
    enum state state;
    enum http_chunk_extension extension;
    unsigned digits;
    unsigned extension_bytes;  /* of this line */
    uint64_t debt;             /* extension bytes not yet outweighed by content */
    uint64_t chunk;            /* SIZE: the size so far; DATA: bytes to come */
    struct http_limits limits; /* copied: a body may outlive its configuration */
    struct http_trailers trailers;

    /* The second opinion. */
    llhttp_t llhttp;
    const char *opinion_data; /* content it reported for the bytes of this call */
    size_t opinion_size;
    bool opinion_complete;
};

static int on_opinion_body(llhttp_t *parser, const char *at, size_t n)
{
    struct http_chunk_reader *r = parser->data;

    if (r->opinion_size > 0)
        return -1; /* content in two pieces: not how we cut it */
    r->opinion_data = at;
    r->opinion_size = n;
    return 0;
}

static int on_opinion_complete(llhttp_t *parser)
{
    struct http_chunk_reader *r = parser->data;

    r->opinion_complete = true;
    return 0;
}

static const llhttp_settings_t opinion_settings = {.on_body = on_opinion_body,
                                                   .on_message_complete = on_opinion_complete};

struct http_chunk_reader *http_chunk_reader_new(const struct http_limits *limits)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct http_chunk_reader *r = xcalloc(1, sizeof(*r));

    r->limits = *limits;
    llhttp_init(&r->llhttp, HTTP_REQUEST, &opinion_settings);
    r->llhttp.data = r;
    CHECK(llhttp_execute(&r->llhttp, head, sizeof(head) - 1) == HPE_OK);
    return r;
}

void http_chunk_reader_free(struct http_chunk_reader *r)
{
    if (!r)
        return;
    http_trailers_fini(&r->trailers);
    free(r);
}

const struct http_fields *http_chunk_reader_trailers(const struct http_chunk_reader *r)
{
    return &r->trailers.fields;
}

static int hex_value(char c)
{
    if (!http_char_is(c, HTTP_CHAR_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* 1*HEXDIG, then straight CR or ";": no sign, no prefix, no white space (RFC 9112 section 7.1). */
static int size_step(struct http_chunk_reader *r, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (++r->digits > SIZE_DIGITS_MAX)
            return EG_E_BODY_CHUNK;
        r->chunk = r->chunk << 4 | (unsigned)digit;
        return EG_OK;
    }
    if (r->digits == 0 || (c != '\r' && c != ';'))
        return EG_E_BODY_CHUNK;
    r->state = c == ';' ? EXTENSION : SIZE_LF;
    r->extension = HTTP_CHUNK_EXTENSION_BEFORE_NAME;
    r->extension_bytes = c == ';';
    return EG_OK;
}

static int extension_step(struct http_chunk_reader *r, char c)
{
    if (c == '\r') {
        r->state = SIZE_LF;
        return http_chunk_extension_may_end(r->extension) ? EG_OK : EG_E_BODY_CHUNK;
    }
    r->extension = http_chunk_extension_next(r->extension, c);
    if (r->extension == HTTP_CHUNK_EXTENSION_WRONG || ++r->extension_bytes > EXTENSION_LINE_MAX)
        return EG_E_BODY_CHUNK;
    return EG_OK;
}

/* The LF of a size line: the chunk begins. Extensions that outweigh the content are an attack on
 * our time, not a transfer. */
static int chunk_begin(struct http_chunk_reader *r, char c, uint64_t allowance)
{
    if (c != '\n')
        return EG_E_BODY_CHUNK;
    r->debt += r->extension_bytes;
    if (r->debt > EXTENSION_CREDIT)
        return EG_E_BODY_CHUNK;
    r->debt -= r->debt < r->chunk ? r->debt : r->chunk;
    if (r->chunk > allowance)
        return EG_E_BODY_TOO_LARGE;
    r->state = r->chunk == 0 ? TRAILER : DATA;
    r->digits = 0;
    return EG_OK;
}

/* Everything but DATA, TRAILER and END: one byte. */
static int framing_step(struct http_chunk_reader *r, char c, uint64_t allowance)
{
    switch (r->state) {
    case SIZE:
        return size_step(r, c);
    case EXTENSION:
        return extension_step(r, c);
    case SIZE_LF:
        return chunk_begin(r, c, allowance);
    case DATA_CR:
        r->state = DATA_LF;
        return c == '\r' ? EG_OK : EG_E_BODY_CHUNK;
    case DATA_LF:
        r->state = SIZE;
        return c == '\n' ? EG_OK : EG_E_BODY_CHUNK;
    default:
        return EG_E_INTERNAL;
    }
}

/* Shows llhttp bytes. Extensions are kept from it: it refuses legal ones (BWS, a second one behind
 * a token value, quoted pairs), and they are dropped in any case. */
static int opinion_feed(struct http_chunk_reader *r, const char *p, size_t n)
{
    if (n > 0 && llhttp_execute(&r->llhttp, p, n) != HPE_OK)
        return EG_E_BODY_CHUNK;
    return EG_OK;
}

/* Framing bytes up to content, trailers or the end of what we have. */
static int framing_read(struct http_chunk_reader *r, const char *p, size_t n, uint64_t allowance,
                        size_t *ret_consumed)
{
    size_t i = 0, shown = 0;
    int code = EG_OK;

    while (code == EG_OK && i < n && r->state != DATA && r->state != TRAILER) {
        bool was_extension = r->state == EXTENSION;

        code = framing_step(r, p[i], allowance);
        if (code == EG_OK && !was_extension && r->state == EXTENSION)
            code = opinion_feed(r, p + shown, i - shown); /* not the ";" */
        if (r->state == EXTENSION)
            shown = i + 1;
        i++;
    }
    *ret_consumed = i;
    return code ? code : opinion_feed(r, p + shown, i - shown);
}

/* llhttp sees the section when ours is complete and found valid, so that what is reported does not
 * depend on how the bytes were cut. */
static int trailers_read(struct http_chunk_reader *r, const char *p, size_t n, size_t *ret_consumed)
{
    int code = http_trailers_read(&r->trailers, p, n, &r->limits, ret_consumed);

    if (code)
        return code == EG_E_AGAIN ? EG_OK : code;
    r->state = END;
    if (r->trailers.size > 0)
        return opinion_feed(r, r->trailers.text, r->trailers.size);
    return opinion_feed(r, p, *ret_consumed);
}

static int content_read(struct http_chunk_reader *r, const char *p, size_t n,
                        struct slice *ret_data)
{
    size_t piece = n < r->chunk ? n : (size_t)r->chunk;

    if (opinion_feed(r, p, piece) || r->opinion_data != p || r->opinion_size != piece)
        return EG_E_BODY_CHUNK;
    *ret_data = slice_from(p, piece);
    r->chunk -= piece;
    if (r->chunk == 0)
        r->state = DATA_CR;
    return EG_OK;
}

int http_chunk_reader_next(struct http_chunk_reader *r, const char *p, size_t n, uint64_t allowance,
                           struct slice *ret_data, size_t *ret_consumed)
{
    size_t i = 0, used;
    int code = EG_OK;

    r->opinion_size = 0;
    if (r->state != DATA && r->state != TRAILER && r->state != END)
        code = framing_read(r, p, n, allowance, &i);
    if (code == EG_OK && r->state == DATA && i < n) {
        code = content_read(r, p + i, n - i, ret_data);
        *ret_consumed = i + (code ? 0 : ret_data->n);
        return code ? code : HTTP_BODY_DATA;
    }
    if (code == EG_OK && r->state == TRAILER && i < n) {
        code = trailers_read(r, p + i, n - i, &used);
        i += used;
    }
    if (code)
        return code;
    /* Both must see content nowhere else and the end at the same byte. */
    if (r->opinion_size > 0 || r->opinion_complete != (r->state == END))
        return EG_E_BODY_CHUNK;
    *ret_consumed = i;
    return r->state == END ? HTTP_BODY_END : HTTP_BODY_MORE;
}
