/*
 * Request heads. See head.h for the contract; RFC sections stand at the decisions.
 *
 * Options of Connection that name essential fields (Host, Content-Length, ...) have no effect:
 * http/forward.h never lets them remove one.
 */
#include "http/charset.h"
#include "http/head_internal.h"

static enum http_method method_id_of(struct slice m)
{
#define IS(name) (memcmp(m.p, name, sizeof(name) - 1) == 0)
    switch (m.n) {
    case 3:
        return IS("GET") ? HTTP_METHOD_GET : IS("PUT") ? HTTP_METHOD_PUT : HTTP_METHOD_OTHER;
    case 4:
        return IS("POST") ? HTTP_METHOD_POST : IS("HEAD") ? HTTP_METHOD_HEAD : HTTP_METHOD_OTHER;
    case 5:
        return IS("PATCH")   ? HTTP_METHOD_PATCH
               : IS("TRACE") ? HTTP_METHOD_TRACE
                             : HTTP_METHOD_OTHER;
    case 6:
        return IS("DELETE") ? HTTP_METHOD_DELETE : HTTP_METHOD_OTHER;
    case 7:
        return IS("OPTIONS")   ? HTTP_METHOD_OPTIONS
               : IS("CONNECT") ? HTTP_METHOD_CONNECT
                               : HTTP_METHOD_OTHER;
    default:
        return HTTP_METHOD_OTHER;
    }
#undef IS
}

/* method SP request-target SP HTTP-version, one SP each (RFC 9112 section 3). */
static int request_line_parse(struct http_request_head *head, const char *p, const char *end)
{
    const char *method_end = p, *target, *target_end;
    int code;

    while (method_end < end && http_char_is(*method_end, HTTP_CHAR_TOKEN))
        method_end++;
    if (method_end == p || method_end == end || *method_end != ' ')
        return EG_E_HEAD_METHOD;
    target = method_end + 1;
    target_end = memchr(target, ' ', (size_t)(end - target));
    if (!target_end)
        return EG_E_HEAD_REQUEST_LINE;
    head->method = slice_from(p, (size_t)(method_end - p));
    head->method_id = method_id_of(head->method);
    head->target = slice_from(target, (size_t)(target_end - target));
    target_end++;
    code = http_version_parse(slice_from(target_end, (size_t)(end - target_end)),
                              &head->minor_version);
    return code ? code : http_target_parse(head);
}

/* RFC 9112 section 3.2: HTTP/1.1 must have one, and it must be valid even where the target's
 * authority wins over it. An empty Host names no authority, so it is as good as none. */
static int host_check(struct http_request_head *head)
{
    const struct http_field *host = http_fields_get(&head->fields, HTTP_FIELD_HOST);

    if (!host || host->value.n == 0)
        return head->minor_version == 0 ? EG_OK : EG_E_HEAD_HOST;
    if (!http_authority_valid(host->value))
        return EG_E_HEAD_HOST;
    if (head->authority.n == 0)
        head->authority = host->value;
    return EG_OK;
}

static int framing_decide(struct http_request_head *head)
{
    struct http_framing_fields f;
    int code = http_framing_fields_parse(&head->fields, head->minor_version, &f);

    if (code)
        return code;
    head->content_length = f.length;
    head->framing = f.chunked      ? HTTP_FRAMING_CHUNKED
                    : f.has_length ? HTTP_FRAMING_LENGTH
                                   : HTTP_FRAMING_NONE;
    if (head->method_id != HTTP_METHOD_CONNECT)
        return EG_OK;
    /* RFC 9110 section 9.3.6: CONNECT has no content; bytes behind it are the tunnel's. */
    head->framing = HTTP_FRAMING_NONE;
    return f.chunked || f.length > 0 ? EG_E_HEAD_FRAMING : EG_OK;
}

static bool has_body(const struct http_request_head *head)
{
    return head->framing == HTTP_FRAMING_CHUNKED || head->content_length > 0;
}

/* RFC 9110 section 10.1.1. HTTP/1.0 clients do not know it: ignored there. */
static int expect_check(struct http_request_head *head)
{
    unsigned seen = 0;

    if (!http_fields_has(&head->fields, HTTP_FIELD_EXPECT) || head->minor_version == 0)
        return EG_OK;
    for (unsigned i = 0; i < head->fields.count; i++) {
        const struct http_field *field = &head->fields.v[i];

        if (field->id != HTTP_FIELD_EXPECT)
            continue;
        if (++seen > 1 || !slice_ieq(field->value, SLICE_LIT("100-continue")))
            return EG_E_HEAD_EXPECT;
    }
    head->expect_continue = has_body(head);
    return EG_OK;
}

static bool is_protocol(struct slice s)
{
    const char *slash = memchr(s.p, '/', s.n);
    size_t name = slash ? (size_t)(slash - s.p) : s.n;

    return http_is_token(slice_from(s.p, name)) &&
           (!slash || http_is_token(slice_from(slash + 1, s.n - name - 1)));
}

/* Another HTTP must not be spoken behind our back: a backend that switches to h2c takes what the
 * client sends next past every check here. */
static bool is_http(struct slice protocol)
{
    return (protocol.n >= 2 && slice_ieq(slice_from(protocol.p, 2), SLICE_LIT("h2"))) ||
           (protocol.n >= 4 && slice_ieq(slice_from(protocol.p, 4), SLICE_LIT("http")));
}

/* A server may ignore Upgrade (RFC 9110 section 7.8). We do so for HTTP/1.0, repeated fields,
 * malformed or HTTP protocols, and requests with a body, whose end would otherwise have to be
 * agreed on with the new protocol's beginning. */
static void upgrade_decide(struct http_request_head *head, bool named_by_connection)
{
    const struct http_field *first = http_fields_get(&head->fields, HTTP_FIELD_UPGRADE);
    struct slice rest, item;

    if (!first || !named_by_connection || head->minor_version == 0 || has_body(head) ||
        head->method_id == HTTP_METHOD_CONNECT)
        return;
    for (unsigned i = 0; i < head->fields.count; i++)
        if (head->fields.v[i].id == HTTP_FIELD_UPGRADE && &head->fields.v[i] != first)
            return;
    rest = first->value;
    while (http_list_next(&rest, &item))
        if (!is_protocol(item) || is_http(item))
            return;
    head->upgrade = first->value;
}

static int fields_judge(struct http_request_head *head)
{
    struct http_connection_options options;
    int code = host_check(head);

    if (code == EG_OK)
        code = framing_decide(head);
    if (code == EG_OK)
        code = expect_check(head);
    if (code == EG_OK)
        code = http_connection_options_parse(&head->fields, &options);
    if (code)
        return code;
    head->keep_alive = http_persists(&options, head->minor_version);
    upgrade_decide(head, options.upgrade);
    return EG_OK;
}

int http_request_head_parse(struct http_request_head *head, const char *p, size_t size,
                            const struct http_limits *limits)
{
    const char *end = p + size, *line_end;
    int code;

    head->scheme = head->authority = head->upgrade = slice_from(NULL, 0);
    head->expect_continue = false;
    if (size >= 2 && p[0] == '\r' && p[1] == '\n')
        p += 2;
    line_end = memchr(p, '\r', (size_t)(end - p));
    if (!line_end || end - line_end < 4)
        return EG_E_HEAD_REQUEST_LINE;
    code = request_line_parse(head, p, line_end);
    if (code == EG_OK)
        code = http_field_lines_parse(&head->fields, line_end + 2, end - 2, limits);
    return code ? code : fields_judge(head);
}

bool http_request_is_idempotent(const struct http_request_head *head)
{
    static const char *const others[] = {"PROPFIND", "SEARCH", "REPORT", "QUERY"};

    switch (head->method_id) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
    case HTTP_METHOD_OPTIONS:
    case HTTP_METHOD_TRACE:
    case HTTP_METHOD_PUT:
    case HTTP_METHOD_DELETE:
        return true;
    case HTTP_METHOD_OTHER:
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (slice_eq(head->method, slice_str(others[i])))
            return true;
    return false;
}
