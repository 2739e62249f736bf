/* Requests that are asked about: see admin_question.h. */
#include "admin/admin_question.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_body.h"
#include "base/alloc.h"
#include "http/second_opinion.h"
#include "net/address.h"
#include "proxy/router.h"

/* A text without the characters that would end it early where it is written out. */
static bool is_line(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strpbrk(text, "\r\n") == NULL;
}

/* *ret_text is the key's value, or `fallback`. */
static int read_text(const json_t *object, const char *key, const char *fallback,
                     const char **ret_text, char **ret_why)
{
    json_t *value = json_object_get(object, key);

    *ret_text = value ? json_string_value(value) : fallback;
    if (!value || is_line(value))
        return EG_OK;
    *ret_why = xasprintf("%s: a text of one line is needed", key);
    return EG_E_INTERNAL;
}

static int add_header(struct evbuffer *out, const char *name, const json_t *value, char **ret_why)
{
    if (!is_line(value) || !http_is_token(slice_str(name))) {
        *ret_why = xasprintf("headers: \"%s\": a name that is a token and a text of one line, or a "
                             "list of such, are needed",
                             name);
        return EG_E_INTERNAL;
    }
    evbuffer_add_printf(out, "%s: %s\r\n", name, json_string_value(value));
    return EG_OK;
}

static int add_headers(struct evbuffer *out, const json_t *headers, char **ret_why)
{
    const char *name;
    json_t *value, *one;
    size_t i;
    int rc = EG_OK;

    if (headers && !json_is_object(headers)) {
        *ret_why = xstrdup("headers: an object is needed, {\"name\": \"value\"}");
        return EG_E_INTERNAL;
    }
    json_object_foreach((json_t *)headers, name, value)
    {
        if (!json_is_array(value) && rc == EG_OK)
            rc = add_header(out, name, value, ret_why);
        json_array_foreach(value, i, one) if (rc == EG_OK) rc = add_header(out, name, one, ret_why);
    }
    return rc;
}

/* Without a host it is HTTP/1.0, which may have none. */
static int write_head(struct evbuffer *out, const json_t *object, char **ret_why)
{
    const char *method, *path, *host;
    bool connect;

    if (read_text(object, "method", "GET", &method, ret_why) != EG_OK ||
        read_text(object, "path", "/", &path, ret_why) != EG_OK ||
        read_text(object, "host", NULL, &host, ret_why) != EG_OK)
        return EG_E_INTERNAL;
    connect = strcmp(method, "CONNECT") == 0;
    evbuffer_add_printf(out, "%s %s HTTP/1.%d\r\n", method, connect && host ? host : path,
                        host ? 1 : 0);
    if (host)
        evbuffer_add_printf(out, "Host: %s\r\n", host);
    if (add_headers(out, json_object_get(object, "headers"), ret_why) != EG_OK)
        return EG_E_INTERNAL;
    evbuffer_add(out, "\r\n", 2);
    return EG_OK;
}

/* What a client sends reaches the routes only if these agree. */
static int judge(struct admin_question *question, struct slice text,
                 const struct http_limits *limits)
{
    struct http_request_head *head = &question->head;
    struct http_head_scan scan = {0};
    size_t size;
    int rc = http_head_scan(&scan, text.p, text.n, limits, &size);

    if (rc == EG_OK && size != text.n)
        rc = EG_E_HEAD_REQUEST_LINE;
    if (rc == EG_OK) {
        head->fields.capacity = limits->fields;
        head->fields.v = arena_alloc(&question->arena, limits->fields * sizeof(*head->fields.v));
        rc = http_request_head_parse(head, text.p, size, limits);
    }
    if (rc == EG_OK)
        rc = http_request_second_opinion(head, text.p, size);
    return rc;
}

static int read_head(struct admin_question *question, const json_t *object,
                     const struct http_limits *limits, char **ret_why)
{
    struct evbuffer *out = evbuffer_new();
    int rc = write_head(out, object, ret_why);
    struct slice text;

    if (rc == EG_OK) {
        size_t n = evbuffer_get_length(out);

        text = arena_dup(&question->arena, slice_from((const char *)evbuffer_pullup(out, -1), n));
        rc = judge(question, text, limits);
        if (rc != EG_OK)
            *ret_why = xasprintf("such a request would be refused: status %d, %s",
                                 error_http_status(rc), error_text(rc));
    }
    evbuffer_free(out);
    return rc == EG_OK ? EG_OK : EG_E_INTERNAL;
}

/* As the proxy writes them, since that is what is hashed. */
static int read_client(struct admin_question *question, const json_t *object, char **ret_why)
{
    struct address address = {.sa.sa_family = AF_UNIX};
    char out[ADDRESS_TEXT_BYTES];
    const char *text;

    if (read_text(object, "client_ip", "127.0.0.1", &text, ret_why) != EG_OK)
        return EG_E_INTERNAL;
    if (inet_pton(AF_INET, text, &address.in.sin_addr) == 1) {
        address.sa.sa_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &address.in6.sin6_addr) == 1) {
        address.sa.sa_family = AF_INET6;
    } else if (strcmp(text, "unix") != 0) {
        *ret_why = xasprintf("client_ip: \"%s\" is no IP address, nor \"unix\"", text);
        return EG_E_INTERNAL;
    }
    question->client_host =
        arena_dup(&question->arena, slice_str(address_format_host(&address, out)));
    return EG_OK;
}

static int read_listener(struct admin_question *question, const json_t *object, char **ret_why)
{
    const char *name;
    int rc = read_text(object, "listener", NULL, &name, ret_why);

    if (rc == EG_OK && name)
        question->listener = arena_dup(&question->arena, slice_str(name)).p;
    return rc;
}

int admin_question_read(struct admin_question *question, const json_t *object, bool with_listener,
                        const struct http_limits *limits, char **ret_why)
{
    static const char *const known[] = {"client_ip", "method",   "host", "path",
                                        "headers",   "listener", NULL};
    static const char *const known_without[] = {"client_ip", "method",  "host",
                                                "path",      "headers", NULL};
    const char *key = admin_body_unknown(object, with_listener ? known : known_without);
    int rc = EG_OK;

    if (key) {
        *ret_why = xasprintf("\"%s\" is not known here", key);
        return EG_E_INTERNAL;
    }
    *question = (struct admin_question){0};
    arena_init(&question->arena);
    rc = read_client(question, object, ret_why);
    if (rc == EG_OK)
        rc = read_listener(question, object, ret_why);
    if (rc == EG_OK)
        rc = read_head(question, object, limits, ret_why);
    if (rc == EG_OK)
        question->path = route_path_normalise(question->head.path, &question->arena);
    else
        arena_fini(&question->arena);
    return rc;
}

void admin_question_fini(struct admin_question *question)
{
    arena_fini(&question->arena);
}
