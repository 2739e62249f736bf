/* Answers of evhttp servers: see admin_reply.h. */
#include "admin/admin_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "http/head.h"

void admin_reply(struct evhttp_request *request, int status, const char *content_type,
                 struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char length[24];

    snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
    evhttp_add_header(headers, "Content-Type", content_type);
    evhttp_add_header(headers, "Content-Length", length);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
        evbuffer_drain(body, evbuffer_get_length(body));
    evhttp_send_reply(request, status, http_reason(status), body);
}

void admin_json_string(struct evbuffer *out, const char *text)
{
    struct slice s = slice_str(text);
    size_t capacity = s.n * JSON_ESCAPED_BYTES;
    char *escaped = xmalloc(capacity + 1);
    char *end = json_escape(escaped, escaped + capacity, s);

    evbuffer_add(out, "\"", 1);
    evbuffer_add(out, escaped, (size_t)(end - escaped));
    evbuffer_add(out, "\"", 1);
    free(escaped);
}

void admin_reply_error(struct evhttp_request *request, int status, const char *type,
                       const char *format, ...)
{
    struct evbuffer *body = evbuffer_new();
    va_list args;
    char *message;

    va_start(args, format);
    message = xvasprintf(format, args);
    va_end(args);
    evbuffer_add_printf(body, "{\"error\":{\"type\":\"%s\",\"message\":", type);
    admin_json_string(body, message);
    evbuffer_add_printf(body, "}}\n");
    admin_reply(request, status, "application/json", body);
    evbuffer_free(body);
    free(message);
}
