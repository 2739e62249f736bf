/* See trailers.h. */
#include "http/trailers.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "http/head_internal.h"

static void text_append(struct http_trailers *t, const char *p, size_t n)
{
    if (t->size + n > t->capacity) {
        t->capacity = (t->size + n) * 2;
        t->text = xrealloc(t->text, t->capacity);
    }
    memcpy(t->text + t->size, p, n);
    t->size += n;
}

/* RFC 9110 section 6.5.1: fields for framing, routing, request modifiers, authentication, control
 * of the response, or how the content is read have no business in a trailer. */
static const char forbidden[] =
    "host connection keep-alive proxy-connection te trailer upgrade http2-settings expect "
    "forwarded via x-forwarded-* x-real-ip x-request-id traceparent tracestate max-forwards "
    "authorization www-authenticate authentication-info proxy-* cookie set-cookie "
    "if-* range cache-control pragma age date expires location retry-after vary warning "
    "content-*";

static void forbidden_drop(struct http_fields *f)
{
    unsigned kept = 0;

    f->present = 0;
    for (unsigned i = 0; i < f->count; i++) {
        if (http_name_listed(f->v[i].name, forbidden))
            continue;
        f->v[kept] = f->v[i];
        f->present |= (uint64_t)1 << f->v[kept++].id;
    }
    f->count = kept;
}

static int section_parse(struct http_trailers *t, const struct http_limits *limits)
{
    struct http_fields *f = &t->fields;

    f->capacity = limits->fields;
    f->v = xcalloc(f->capacity ? f->capacity : 1, sizeof(*f->v));
    if (http_field_lines_parse(f, t->text, t->text + t->size - 2, limits))
        return EG_E_BODY_TRAILER;
    /* Framing fields are not dropped but refused: somebody wants them to be seen. */
    if (http_fields_has(f, HTTP_FIELD_CONTENT_LENGTH) ||
        http_fields_has(f, HTTP_FIELD_TRANSFER_ENCODING))
        return EG_E_BODY_TRAILER;
    forbidden_drop(f);
    return EG_OK;
}

/* Line by line, so that nothing of the next message is copied. */
int http_trailers_read(struct http_trailers *t, const char *p, size_t n,
                       const struct http_limits *limits, size_t *ret_consumed)
{
    size_t done = 0;

    if (t->size == 0 && n >= 2 && p[0] == '\r' && p[1] == '\n') {
        *ret_consumed = 2; /* the usual case: no trailers at all */
        return EG_OK;
    }
    while (done < n) {
        const char *lf = memchr(p + done, '\n', n - done);
        size_t piece = lf ? (size_t)(lf - p) + 1 - done : n - done;
        int code;

        if (piece > limits->head_bytes - t->size)
            return EG_E_BODY_TRAILER;
        text_append(t, p + done, piece);
        done += piece;
        code = http_section_scan(t->text, t->size, &t->position);
        if (code == EG_OK) {
            *ret_consumed = done;
            return section_parse(t, limits);
        }
        if (code != EG_E_AGAIN)
            return EG_E_BODY_TRAILER;
    }
    *ret_consumed = done;
    return EG_E_AGAIN;
}

void http_trailers_fini(struct http_trailers *t)
{
    free(t->fields.v);
    free(t->text);
}
