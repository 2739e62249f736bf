/*
 * The request as the backend sees it.
 *
 * Removed: Connection and what it names, Keep-Alive, Proxy-Connection, Transfer-Encoding and
 * Content-Length (written anew from the framing), Upgrade and HTTP2-Settings (h2c is never
 * forwarded), Expect, TE except "trailers" (sent with "Connection: TE", RFC 9110 section 10.1.4),
 * Proxy-Authenticate and Proxy-Authorization (meant for a proxy, RFC 9110 section 11.7; a reverse
 * proxy is the last one). Kept: Trailer, which is end-to-end (RFC 9110 section 6.6.2).
 *
 * The client's X-Forwarded-Proto and -Host are replaced, its X-Forwarded-For, Forwarded and Via
 * are appended to, each as one field. What a route's edits set or remove is not written here.
 */
#include "http/head_writer.h"

#define BIT(id) ((uint64_t)1 << HTTP_FIELD_##id)

/* Fields that are left out or written by a rule below. */
static const uint64_t own_rule =
    BIT(HOST) | BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(TRANSFER_ENCODING) |
    BIT(CONTENT_LENGTH) | BIT(TE) | BIT(UPGRADE) | BIT(EXPECT) | BIT(PROXY_AUTHENTICATE) |
    BIT(PROXY_AUTHORIZATION) | BIT(FORWARDED) | BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_PROTO) |
    BIT(X_FORWARDED_HOST) | BIT(VIA) | BIT(X_REQUEST_ID) | BIT(TRACEPARENT) | BIT(HTTP2_SETTINGS);

static void put_request_line(struct head_writer *w, const struct http_forward_request *f)
{
    const struct http_request_head *head = f->head;

    head_put_slice(w, head->method);
    head_put_lit(w, " ");
    switch (head->target_form) {
    case HTTP_TARGET_ASTERISK:
        head_put_lit(w, "*");
        break;
    case HTTP_TARGET_AUTHORITY:
        head_put_slice(w, head->target);
        break;
    default:
        head_put_slice(w, f->path);
    }
    head_put_lit(w, " HTTP/1.1\r\n");
}

/* The target's authority or the client's Host, unless the route sets another. An HTTP/1.0 client
 * may have named none: then the fallback, or an empty value (RFC 9112 section 3.2). */
static void put_host(struct head_writer *w, const struct http_forward_request *f)
{
    struct slice host = f->head->authority.n > 0 ? f->head->authority : f->fallback_host;

    for (size_t i = 0; f->edits && i < f->edits->set_count; i++)
        if (http_field_id_of(f->edits->set[i].name) == HTTP_FIELD_HOST)
            host = f->edits->set[i].value;
    head_put_field(w, SLICE_LIT("Host"), host);
}

static void put_connection(struct head_writer *w, const struct http_forward_request *f)
{
    bool trailers = f->head->minor_version > 0 &&
                    http_fields_list_has(&f->head->fields, HTTP_FIELD_TE, SLICE_LIT("trailers"));

    if (f->upgrade) {
        head_put_field(w, SLICE_LIT("Connection"),
                       trailers ? SLICE_LIT("upgrade, TE") : SLICE_LIT("upgrade"));
        head_put_field(w, SLICE_LIT("Upgrade"), f->head->upgrade);
    } else if (trailers) {
        head_put_lit(w, "Connection: TE\r\n");
    }
    if (trailers)
        head_put_lit(w, "TE: trailers\r\n");
}

static void put_framing(struct head_writer *w, const struct http_forward_request *f)
{
    if (f->head->framing == HTTP_FRAMING_CHUNKED) {
        head_put_lit(w, "Transfer-Encoding: chunked\r\n");
    } else if (f->head->framing == HTTP_FRAMING_LENGTH) {
        head_put_lit(w, "Content-Length: ");
        head_put_number(w, f->head->content_length);
        head_put_lit(w, "\r\n");
    }
    if (f->pass_expect)
        head_put_lit(w, "Expect: 100-continue\r\n");
}

/* W3C Trace Context section 3.3: tracestate belongs to the traceparent it came with. */
static bool is_orphaned_tracestate(const struct http_forward_request *f, struct slice name)
{
    const struct http_field *theirs;

    if (name.n != 10 || !slice_ieq(name, SLICE_LIT("tracestate")))
        return false;
    theirs = http_fields_get(&f->head->fields, HTTP_FIELD_TRACEPARENT);
    return !theirs || !slice_eq(theirs->value, f->traceparent);
}

static void put_client_fields(struct head_writer *w, const struct http_forward_request *f)
{
    const struct http_fields *fields = &f->head->fields;
    struct head_hops hops;

    head_hops_find(&hops, fields);
    for (unsigned i = 0; i < fields->count; i++) {
        const struct http_field *field = &fields->v[i];

        if (!head_field_passes(field, own_rule, &hops, f->edits))
            continue;
        if (field->id == HTTP_FIELD_OTHER && is_orphaned_tracestate(f, field->name))
            continue;
        head_put_field(w, field->name, field->value);
    }
}

/* RFC 7239 sections 4 and 6: IPv6 in brackets and therefore quoted; a Unix socket has no address,
 * so an obfuscated identifier. The authority was checked: it holds no quote and no backslash. */
static void put_forwarded(struct head_writer *w, const struct http_forward_request *f)
{
    bool v6 = f->client_host.n > 0 && memchr(f->client_host.p, ':', f->client_host.n);

    if (head_edits_replace(f->edits, SLICE_LIT("Forwarded")))
        return;
    head_put_lit(w, "Forwarded: ");
    head_put_list(w, &f->head->fields, HTTP_FIELD_FORWARDED);
    head_put_lit(w, "for=");
    if (slice_eq(f->client_host, SLICE_LIT("unix"))) {
        head_put_lit(w, "_unix");
    } else {
        head_put(w, "\"[", v6 ? 2 : 0);
        head_put_slice(w, f->client_host);
        head_put(w, "]\"", v6 ? 2 : 0);
    }
    if (f->head->authority.n > 0) {
        head_put_lit(w, ";host=\"");
        head_put_slice(w, f->head->authority);
        head_put_lit(w, "\"");
    }
    head_put_slice(w, f->client_tls ? SLICE_LIT(";proto=https\r\n") : SLICE_LIT(";proto=http\r\n"));
}

static void put_x_forwarded(struct head_writer *w, const struct http_forward_request *f)
{
    if (!head_edits_replace(f->edits, SLICE_LIT("X-Forwarded-For"))) {
        head_put_lit(w, "X-Forwarded-For: ");
        head_put_list(w, &f->head->fields, HTTP_FIELD_X_FORWARDED_FOR);
        head_put_slice(w, f->client_host);
        head_put_lit(w, "\r\n");
    }
    if (!head_edits_replace(f->edits, SLICE_LIT("X-Forwarded-Proto")))
        head_put_field(w, SLICE_LIT("X-Forwarded-Proto"),
                       f->client_tls ? SLICE_LIT("https") : SLICE_LIT("http"));
    if (f->head->authority.n > 0 && !head_edits_replace(f->edits, SLICE_LIT("X-Forwarded-Host")))
        head_put_field(w, SLICE_LIT("X-Forwarded-Host"), f->head->authority);
}

/* RFC 9110 section 7.6.3: the version is the received message's. */
static void put_via_and_ids(struct head_writer *w, const struct http_forward_request *f)
{
    if (!head_edits_replace(f->edits, SLICE_LIT("Via"))) {
        head_put_lit(w, "Via: ");
        head_put_list(w, &f->head->fields, HTTP_FIELD_VIA);
        head_put(w, f->head->minor_version > 0 ? "1.1 evergate\r\n" : "1.0 evergate\r\n", 14);
    }
    if (f->request_id.n > 0 && !head_edits_replace(f->edits, SLICE_LIT("X-Request-Id")))
        head_put_field(w, SLICE_LIT("X-Request-Id"), f->request_id);
    if (f->traceparent.n > 0 && !head_edits_replace(f->edits, SLICE_LIT("traceparent")))
        head_put_field(w, SLICE_LIT("traceparent"), f->traceparent);
}

size_t http_forward_request_bound(const struct http_forward_request *f)
{
    enum { OWN_TEXT = 512 }; /* names, separators and fixed values of everything added here */
    const struct http_request_head *head = f->head;

    return OWN_TEXT + head->method.n + head->target.n + f->path.n + 3 * head->authority.n +
           f->fallback_host.n + 2 * f->client_host.n + f->request_id.n + f->traceparent.n +
           head->upgrade.n + head_fields_bound(&head->fields) + head_edits_bound(f->edits);
}

size_t http_forward_request_write(const struct http_forward_request *f, char *out, size_t capacity)
{
    struct head_writer w = {out, out + capacity, false};

    put_request_line(&w, f);
    put_host(&w, f);
    put_client_fields(&w, f);
    put_framing(&w, f);
    put_connection(&w, f);
    put_x_forwarded(&w, f);
    put_forwarded(&w, f);
    put_via_and_ids(&w, f);
    head_put_edits(&w, f->edits);
    head_put_lit(&w, "\r\n");
    return w.full ? 0 : (size_t)(w.p - out);
}
