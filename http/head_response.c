/* Response heads. See head.h; RFC 9112 sections 4 and 6.3. */
#include "http/charset.h"
#include "http/head_internal.h"

/* HTTP-version SP 3DIGIT SP [ reason-phrase ]. Servers that leave out the last SP with an empty
 * reason are common and not ambiguous: that one repair is made. */
static int status_line_parse(struct http_response_head *head, const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    int code;

    if (n < 12 || p[8] != ' ' || (n > 12 && p[12] != ' '))
        return EG_E_HEAD_STATUS_LINE;
    code = http_version_parse(slice_from(p, 8), &head->minor_version);
    if (code)
        return code;
    for (int i = 9; i < 12; i++)
        if (!http_char_is(p[i], HTTP_CHAR_DIGIT))
            return EG_E_HEAD_STATUS_LINE;
    head->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    /* RFC 9110 section 15: everything else is invalid. */
    if (head->status < 100 || head->status > 599)
        return EG_E_HEAD_STATUS_LINE;
    head->reason = n > 13 ? slice_from(p + 13, n - 13) : slice_from(end, 0);
    return EG_OK;
}

/* 1xx and 204 have no content and must not claim any (RFC 9112 sections 6.1 and 6.2). An interim
 * answer that does is refused, since the final one is yet to come on the same bytes; behind a 204
 * the connection just ends. "Content-Length: 0" is harmless and common in both. */
static int contentless_decide(struct http_response_head *head, const struct http_framing_fields *f)
{
    bool claims = f->chunked || f->length > 0;

    if (claims && head->status < 200)
        return EG_E_HEAD_FRAMING;
    if (claims || head->status == 101)
        head->keep_alive = false;
    return EG_OK;
}

/* RFC 9112 section 6.3, in its order. */
static int framing_decide(struct http_response_head *head, enum http_method request_method)
{
    struct http_framing_fields f;
    int code = http_framing_fields_parse(&head->fields, head->minor_version, &f);

    if (code)
        return code;
    head->framing = HTTP_FRAMING_NONE;
    head->has_content_length = false;
    head->content_length = 0;
    if (head->status < 200 || head->status == 204)
        return contentless_decide(head, &f);
    if (request_method == HTTP_METHOD_CONNECT && head->status < 300) {
        head->keep_alive = false; /* a tunnel from here on; framing fields mean nothing */
        return EG_OK;
    }
    head->has_content_length = f.has_length;
    head->content_length = f.length;
    if (request_method == HTTP_METHOD_HEAD || head->status == 304)
        return EG_OK;
    if (f.chunked) {
        head->framing = HTTP_FRAMING_CHUNKED;
    } else if (f.has_length) {
        head->framing = HTTP_FRAMING_LENGTH;
    } else {
        head->framing = HTTP_FRAMING_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return EG_OK;
}

int http_response_head_parse(struct http_response_head *head, const char *p, size_t size,
                             enum http_method request_method, const struct http_limits *limits)
{
    const char *end = p + size, *line_end = memchr(p, '\r', size);
    struct http_connection_options options;
    int code;

    if (!line_end || end - line_end < 4)
        return EG_E_HEAD_STATUS_LINE;
    code = status_line_parse(head, p, line_end);
    if (code == EG_OK)
        code = http_field_lines_parse(&head->fields, line_end + 2, end - 2, limits);
    if (code == EG_OK)
        code = http_connection_options_parse(&head->fields, &options);
    if (code)
        return code;
    head->keep_alive = http_persists(&options, head->minor_version);
    return framing_decide(head, request_method);
}
