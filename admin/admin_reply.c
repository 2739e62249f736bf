/* Answers of evhttp servers: see admin_reply.h. */
#include "admin/admin_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
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

void admin_reply_json(struct evhttp_request *request, int status, json_t *value)
{
    struct evbuffer *body = evbuffer_new();

    admin_json_add(body, value);
    evbuffer_add(body, "\n", 1);
    admin_reply(request, status, "application/json", body);
    evbuffer_free(body);
}

json_t *admin_error_json(const char *type, const char *message)
{
    json_t *answer = json_object(), *error = json_object();

    admin_json_set_text(error, "type", type);
    admin_json_set_text(error, "message", message);
    admin_json_set(answer, "error", error);
    return answer;
}

void admin_reply_error(struct evhttp_request *request, int status, const char *type,
                       const char *format, ...)
{
    va_list args;
    char *message;

    va_start(args, format);
    message = xvasprintf(format, args);
    va_end(args);
    admin_reply_json(request, status, admin_error_json(type, message));
    free(message);
}
