/*
 * llhttp's reading of a head, compared with ours. See second_opinion.h.
 *
 * Known to differ in llhttp 8.1 in strict mode, and harmless, since ours is the stricter one and
 * has decided before: it takes "\r\n\rX" as an end of head, folded lines, and a request line
 * without a version. HTAB around Content-Length and Transfer-Encoding it refuses though RFC 9110
 * section 5.5 allows it: then so do we.
 *
 * Not compared: whether Upgrade is honoured where we ignored it (that is our choice to make), and
 * persistence where we close anyway.
 */
#include "http/second_opinion.h"

#include <llhttp.h>

struct reading {
    bool complete;
    bool skip_body; /* what http_framing NONE means in a response is for us to say */
    uint16_t flags;
    uint64_t content_length;
};

static int on_headers_complete(llhttp_t *parser)
{
    struct reading *r = parser->data;

    r->complete = true;
    r->flags = parser->flags;
    r->content_length = parser->content_length;
    return r->skip_body;
}

static const llhttp_settings_t settings = {.on_headers_complete = on_headers_complete};

/* The head must be complete exactly with its last byte: neither earlier nor later. */
static bool ends_with_last_byte(llhttp_t *parser, const struct reading *r, const char *p, size_t n)
{
    llhttp_errno_t code;

    if (n < 2 || llhttp_execute(parser, p, n - 1) != HPE_OK || r->complete)
        return false;
    code = llhttp_execute(parser, p + n - 1, 1);
    return r->complete && (code == HPE_OK || code == HPE_PAUSED_UPGRADE);
}

static bool same_framing_fields(const struct reading *r, const struct http_fields *f,
                                uint64_t content_length)
{
    bool has_length = http_fields_has(f, HTTP_FIELD_CONTENT_LENGTH);
    bool has_coding = http_fields_has(f, HTTP_FIELD_TRANSFER_ENCODING);

    return has_length == !!(r->flags & F_CONTENT_LENGTH) &&
           has_coding == !!(r->flags & F_TRANSFER_ENCODING) &&
           has_coding == !!(r->flags & F_CHUNKED) &&
           (!has_length || r->content_length == content_length);
}

static bool persists(const struct reading *r, unsigned minor_version)
{
    return minor_version > 0 ? !(r->flags & F_CONNECTION_CLOSE)
                             : r->flags & F_CONNECTION_KEEP_ALIVE;
}

static const unsigned char llhttp_methods[] = {
    [HTTP_METHOD_OTHER] = HTTP_POST,      [HTTP_METHOD_GET] = HTTP_GET,
    [HTTP_METHOD_HEAD] = HTTP_HEAD,       [HTTP_METHOD_POST] = HTTP_POST,
    [HTTP_METHOD_PUT] = HTTP_PUT,         [HTTP_METHOD_DELETE] = HTTP_DELETE,
    [HTTP_METHOD_OPTIONS] = HTTP_OPTIONS, [HTTP_METHOD_TRACE] = HTTP_TRACE,
    [HTTP_METHOD_PATCH] = HTTP_PATCH,     [HTTP_METHOD_CONNECT] = HTTP_CONNECT,
};

static bool same_request(const struct http_request_head *head, const llhttp_t *parser,
                         const struct reading *r)
{
    return parser->method == llhttp_methods[head->method_id] && parser->http_major == 1 &&
           parser->http_minor == head->minor_version &&
           same_framing_fields(r, &head->fields, head->content_length) &&
           (!head->keep_alive || persists(r, head->minor_version)) &&
           (head->upgrade.n == 0 || parser->upgrade);
}

int http_request_second_opinion(const struct http_request_head *head, const char *p, size_t size)
{
    struct reading r = {false, false, 0, 0};
    const char *end = p + size;
    llhttp_t parser;

    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &r;
    if (head->method_id == HTTP_METHOD_OTHER) {
        if (llhttp_execute(&parser, "POST", 4) != HPE_OK)
            return EG_E_HEAD_SECOND_OPINION;
        p = head->method.p + head->method.n;
    }
    if (!ends_with_last_byte(&parser, &r, p, (size_t)(end - p)) || !same_request(head, &parser, &r))
        return EG_E_HEAD_SECOND_OPINION;
    return EG_OK;
}

/* Behind 2xx to CONNECT the framing fields mean nothing, and in 1xx and 204 nothing comes of them:
 * our head does not carry their length then. */
static uint64_t response_length(const struct http_response_head *head, const struct reading *r)
{
    return head->has_content_length ? head->content_length : r->content_length;
}

int http_response_second_opinion(const struct http_response_head *head, const char *p, size_t size,
                                 enum http_method request_method)
{
    struct reading r = {false, head->framing == HTTP_FRAMING_NONE, 0, 0};
    llhttp_t parser;

    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &r;
    if (!ends_with_last_byte(&parser, &r, p, size) || parser.http_major != 1 ||
        parser.http_minor != head->minor_version || parser.status_code != head->status ||
        !same_framing_fields(&r, &head->fields, response_length(head, &r)) ||
        (head->keep_alive && !persists(&r, head->minor_version)))
        return EG_E_HEAD_SECOND_OPINION;
    return EG_OK;
}
