/*
 * What evhttp refuses by itself, before a request of it is ours to see: a body over the limit, a
 * head that it cannot read, a method that it does not know. It answers with a page of HTML and
 * offers no hook. The page is still in the connection's output buffer when we look
 * (admin_connections.c), and there it becomes what every other error of management is: JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

enum { LINE_BYTES = 64 };

/* Of the status line in `line`; 0: it is none. */
static int status_of(const char *line)
{
    unsigned long long status;

    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 ||
        !slice_to_u64(slice_from(line + 9, 3), &status))
        return 0;
    return (int)status;
}

static char *message_of(int status)
{
    switch (status) {
    case 413:
        return xasprintf("the body has more than %d bytes, or its chunks are malformed",
                         ADMIN_BODY_BYTES);
    case 417:
        return xstrdup("nothing but 100-continue can be expected");
    case 501:
        return xstrdup("there is no such method");
    default:
        return xasprintf("the request is malformed, or its head has more than %d bytes",
                         ADMIN_HEAD_BYTES);
    }
}

static void add_error(struct evbuffer *out, const char *line, int status)
{
    struct evbuffer *body = evbuffer_new();
    char *message = message_of(status);

    admin_json_add(body, admin_error_json("validation", message));
    evbuffer_add(body, "\n", 1);
    evbuffer_add_printf(out,
                        "%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                        "Connection: close\r\n\r\n",
                        line, evbuffer_get_length(body));
    evbuffer_add_buffer(out, body);
    evbuffer_free(body);
    free(message);
}

/* The status line, without its end. */
static void copy_line(struct evbuffer *output, char line[LINE_BYTES])
{
    ssize_t n = evbuffer_copyout(output, line, LINE_BYTES - 1);

    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
}

bool admin_refusal_translate(struct evbuffer *output)
{
    char line[LINE_BYTES];
    int status;

    /* A bufferevent keeps the front of its output to itself, even from who only looks. */
    evbuffer_unfreeze(output, 1);
    copy_line(output, line);
    status = status_of(line);
    if (status >= 400) /* else it is 100 (Continue) */
        evbuffer_drain(output, evbuffer_get_length(output));
    evbuffer_freeze(output, 1);
    if (status >= 400)
        add_error(output, line, status);
    return status >= 400;
}
