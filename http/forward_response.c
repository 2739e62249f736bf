/*
 * The response as the client sees it, and the end of chunked bodies.
 *
 * The version is always ours, HTTP/1.1, for HTTP/1.0 clients too (RFC 9112 section 2.3). Removed:
 * as in requests (see forward_request.c). Content-Length is written from the parsed head where one
 * applies: never with 1xx, 204 or chunked, but with HEAD and 304, where it describes what would
 * have come. Upgrade passes with 101, and with 426, which must carry it (RFC 9110 section 15.5.22).
 */
#include "http/head_writer.h"

#define BIT(id) ((uint64_t)1 << HTTP_FIELD_##id)

static const uint64_t own_rule = BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) |
                                 BIT(TRANSFER_ENCODING) | BIT(CONTENT_LENGTH) | BIT(TE) |
                                 BIT(UPGRADE) | BIT(PROXY_AUTHENTICATE) | BIT(PROXY_AUTHORIZATION) |
                                 BIT(VIA) | BIT(HTTP2_SETTINGS);

static void put_status_line(struct head_writer *w, const struct http_response_head *head)
{
    head_put_lit(w, "HTTP/1.1 ");
    head_put_number(w, (uint64_t)head->status);
    head_put_lit(w, " ");
    head_put_slice(w, head->reason);
    head_put_lit(w, "\r\n");
}

static void put_backend_fields(struct head_writer *w, const struct http_forward_response *f)
{
    const struct http_fields *fields = &f->head->fields;
    struct head_hops hops;

    head_hops_find(&hops, fields);
    for (unsigned i = 0; i < fields->count; i++) {
        const struct http_field *field = &fields->v[i];

        if (head_field_passes(field, own_rule, &hops, f->edits))
            head_put_field(w, field->name, field->value);
    }
}

static void put_framing(struct head_writer *w, const struct http_forward_response *f)
{
    const struct http_response_head *head = f->head;

    if (f->chunked) {
        head_put_lit(w, "Transfer-Encoding: chunked\r\n");
    } else if (head->framing == HTTP_FRAMING_LENGTH ||
               (head->framing == HTTP_FRAMING_NONE && head->has_content_length)) {
        head_put_lit(w, "Content-Length: ");
        head_put_number(w, head->content_length);
        head_put_lit(w, "\r\n");
    }
}

static bool passes_upgrade(const struct http_forward_response *f)
{
    return (f->upgrade || f->head->status == 426) &&
           http_fields_has(&f->head->fields, HTTP_FIELD_UPGRADE);
}

static void put_connection(struct head_writer *w, const struct http_forward_response *f)
{
    const struct http_fields *fields = &f->head->fields;
    bool upgrade = passes_upgrade(f);

    if (upgrade && f->close)
        head_put_lit(w, "Connection: upgrade, close\r\n");
    else if (upgrade)
        head_put_lit(w, "Connection: upgrade\r\n");
    else if (f->close)
        head_put_lit(w, "Connection: close\r\n");
    else if (f->keep_alive)
        head_put_lit(w, "Connection: keep-alive\r\n");
    for (unsigned i = 0; upgrade && i < fields->count; i++)
        if (fields->v[i].id == HTTP_FIELD_UPGRADE)
            head_put_field(w, SLICE_LIT("Upgrade"), fields->v[i].value);
}

/* RFC 9110 section 6.6.1: a recipient with a clock adds a missing Date; not to interim answers. */
static void put_via_and_date(struct head_writer *w, const struct http_forward_response *f)
{
    if (!head_edits_replace(f->edits, SLICE_LIT("Via"))) {
        head_put_lit(w, "Via: ");
        head_put_list(w, &f->head->fields, HTTP_FIELD_VIA);
        head_put(w, f->head->minor_version > 0 ? "1.1 evergate\r\n" : "1.0 evergate\r\n", 14);
    }
    if (f->date.n > 0 && f->head->status >= 200 &&
        !http_fields_has(&f->head->fields, HTTP_FIELD_DATE) &&
        !head_edits_replace(f->edits, SLICE_LIT("Date")))
        head_put_field(w, SLICE_LIT("Date"), f->date);
}

size_t http_forward_response_bound(const struct http_forward_response *f)
{
    enum { OWN_TEXT = 256 }; /* names, separators and fixed values of everything added here */

    return OWN_TEXT + f->head->reason.n + f->date.n + head_fields_bound(&f->head->fields) +
           head_edits_bound(f->edits);
}

size_t http_forward_response_write(const struct http_forward_response *f, char *out,
                                   size_t capacity)
{
    struct head_writer w = {out, out + capacity, false};

    put_status_line(&w, f->head);
    put_backend_fields(&w, f);
    put_framing(&w, f);
    put_connection(&w, f);
    put_via_and_date(&w, f);
    head_put_edits(&w, f->edits);
    head_put_lit(&w, "\r\n");
    return w.full ? 0 : (size_t)(w.p - out);
}

size_t http_forward_trailers_bound(const struct http_fields *trailers)
{
    return 5 + (trailers ? head_fields_bound(trailers) : 0);
}

size_t http_forward_trailers_write(const struct http_fields *trailers, char *out, size_t capacity)
{
    struct head_writer w = {out, out + capacity, false};

    head_put_lit(&w, "0\r\n");
    for (unsigned i = 0; trailers && i < trailers->count; i++)
        head_put_field(&w, trailers->v[i].name, trailers->v[i].value);
    head_put_lit(&w, "\r\n");
    return w.full ? 0 : (size_t)(w.p - out);
}
