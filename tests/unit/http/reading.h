/*
 * What the parsers of http/ make of all bytes of one connection, given `step` bytes at a time: the
 * way a frontend or an upstream connection uses them, without sockets. Unit tests and fuzz targets
 * compare readings with different steps: they must not differ.
 */
#ifndef EVERGATE_TESTS_READING_H
#define EVERGATE_TESTS_READING_H

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "http/body.h"
#include "http/second_opinion.h"

enum { READING_FIELDS = 100 };
static const struct http_limits reading_limits = {32 * 1024, READING_FIELDS};

struct reading {
    int code;          /* 0, EG_E_AGAIN (bytes are missing), or what was wrong */
    unsigned heads;    /* accepted */
    unsigned complete; /* messages read to their end */
    char *text;        /* everything that was understood, in order */
    size_t size, capacity;
};

static inline void reading_add(struct reading *r, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (r->size + n > r->capacity) {
        r->capacity = 2 * (r->size + n);
        r->text = xrealloc(r->text, r->capacity);
    }
    memcpy(r->text + r->size, p, n);
    r->size += n;
}

static inline void reading_add_number(struct reading *r, const char *name, uint64_t number)
{
    char text[64];

    reading_add(r, text,
                (size_t)snprintf(text, sizeof(text), "%s=%llu;", name, (unsigned long long)number));
}

static inline void reading_add_fields(struct reading *r, const struct http_fields *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        reading_add(r, f->v[i].name.p, f->v[i].name.n);
        reading_add(r, ":", 1);
        reading_add(r, f->v[i].value.p, f->v[i].value.n);
        reading_add_number(r, " id", f->v[i].id);
    }
}

static inline void reading_fini(struct reading *r)
{
    free(r->text);
}

/* The bytes that have arrived so far. */
struct reading_input {
    const char *p;
    size_t position, available, size, step;
};

static inline bool reading_more(struct reading_input *in)
{
    size_t left = in->size - in->available;

    in->available += left < in->step ? left : in->step;
    return left > 0;
}

/* Content and trailers. 0 at the end. */
static inline int reading_body(struct reading *r, struct reading_input *in, struct http_body *body)
{
    for (;;) {
        struct slice data = {NULL, 0};
        size_t consumed = 0;
        int result = http_body_next(body, in->p + in->position, in->available - in->position, &data,
                                    &consumed);

        if (result < 0)
            return result;
        in->position += consumed;
        if (result == HTTP_BODY_DATA)
            reading_add(r, data.p, data.n);
        if (result == HTTP_BODY_END)
            return EG_OK;
        if (result == HTTP_BODY_MORE && !reading_more(in))
            return http_body_eof(body) ? EG_E_AGAIN : EG_OK;
    }
}

static inline int reading_body_of(struct reading *r, struct reading_input *in,
                                  enum http_framing framing, uint64_t content_length)
{
    struct http_body body;
    int code;

    http_body_init(&body, framing, content_length, 0, &reading_limits);
    code = reading_body(r, in, &body);
    if (code == EG_OK)
        reading_add_fields(r, http_body_trailers(&body));
    reading_add_number(r, " size", body.size);
    http_body_fini(&body);
    return code;
}

static inline int reading_scan(struct reading_input *in, size_t *ret_size)
{
    struct http_head_scan scan = {0};
    int code;

    do {
        code = http_head_scan(&scan, in->p + in->position, in->available - in->position,
                              &reading_limits, ret_size);
    } while (code == EG_E_AGAIN && reading_more(in));
    return code;
}

static inline int reading_request(struct reading *r, struct reading_input *in, bool *ret_persists)
{
    struct http_field fields[READING_FIELDS];
    struct http_request_head head = {.fields = {.v = fields, .capacity = READING_FIELDS}};
    const char *p = in->p + in->position;
    size_t size;
    int code = reading_scan(in, &size);

    if (code == EG_OK)
        code = http_request_head_parse(&head, p, size, &reading_limits);
    if (code == EG_OK)
        code = http_request_second_opinion(&head, p, size);
    if (code)
        return code;
    in->position += size;
    r->heads++;
    reading_add(r, head.method.p, head.method.n);
    reading_add(r, head.target.p, head.target.n);
    reading_add(r, head.authority.p, head.authority.n);
    reading_add(r, head.path.p, head.path.n);
    reading_add_number(r, " framing", head.framing);
    reading_add_number(r, "length", head.content_length);
    reading_add_fields(r, &head.fields);
    *ret_persists = head.keep_alive && head.method_id != HTTP_METHOD_CONNECT;
    return reading_body_of(r, in, head.framing, head.content_length);
}

/* Every request of p[0..n), until one is wrong, incomplete or the last (Connection: close). */
static inline void reading_requests(struct reading *r, const char *p, size_t n, size_t step)
{
    struct reading_input in = {p, 0, 0, n, step};
    bool persists = true;

    *r = (struct reading){.code = EG_OK};
    do {
        r->code = reading_request(r, &in, &persists);
        r->complete += r->code == EG_OK;
    } while (r->code == EG_OK && persists && (in.position < in.available || reading_more(&in)));
}

/* The answer in p[0..n), with the interim ones before it. *ret_interim tells which it was. */
static inline int reading_response(struct reading *r, struct reading_input *in,
                                   enum http_method method, bool *ret_interim)
{
    struct http_field fields[READING_FIELDS];
    struct http_response_head head = {.fields = {.v = fields, .capacity = READING_FIELDS}};
    const char *p = in->p + in->position;
    size_t size;
    int code = reading_scan(in, &size);

    if (code == EG_OK)
        code = http_response_head_parse(&head, p, size, method, &reading_limits);
    if (code == EG_OK)
        code = http_response_second_opinion(&head, p, size, method);
    if (code)
        return code;
    in->position += size;
    r->heads++;
    reading_add_number(r, "status", (uint64_t)head.status);
    reading_add(r, head.reason.p, head.reason.n);
    reading_add_number(r, " framing", head.framing);
    reading_add_number(r, "length", head.content_length);
    reading_add_number(r, "keep-alive", head.keep_alive);
    reading_add_fields(r, &head.fields);
    *ret_interim = head.status < 200 && head.status != 101;
    return reading_body_of(r, in, head.framing, head.content_length);
}

static inline void reading_responses(struct reading *r, const char *p, size_t n, size_t step,
                                     enum http_method method)
{
    struct reading_input in = {p, 0, 0, n, step};
    bool interim = true;

    *r = (struct reading){.code = EG_OK};
    while (r->code == EG_OK && interim)
        r->code = reading_response(r, &in, method, &interim);
    r->complete = r->code == EG_OK;
}

static inline bool reading_equal(const struct reading *a, const struct reading *b)
{
    return a->code == b->code && a->heads == b->heads && a->complete == b->complete &&
           a->size == b->size && (a->size == 0 || memcmp(a->text, b->text, a->size) == 0);
}

#endif
