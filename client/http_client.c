/* See http_client.h. */
#include "client/http_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "client/words.h"
#include "http/second_opinion.h"

enum { MAX_INFORMATIONAL = 16, HEAD_BYTES = 32 * 1024, HEAD_FIELDS = 100 };

static const struct http_limits limits = {.head_bytes = HEAD_BYTES, .fields = HEAD_FIELDS};

static const struct transport_ops client_ops;

static struct http_client *client_of(struct transport *t)
{
    return container_of(t, struct http_client, transport);
}

/* ---- the request ---- */

static bool has_header(const struct http_client_request *request, struct slice name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_ieq(request->headers[i].name, name))
            return true;
    return false;
}

/* RFC 9110 section 8.6: a method that means content says so even when there is none. */
static bool wants_length(const struct http_client_request *request)
{
    return request->body[0] != '\0' || strcmp(request->method, "POST") == 0 ||
           strcmp(request->method, "PUT") == 0 || strcmp(request->method, "PATCH") == 0;
}

char *http_client_compose(const struct http_client_request *request, size_t *ret_size)
{
    char *message = NULL;
    FILE *out = open_memstream(&message, ret_size);

    CHECK(out != NULL);
    fprintf(out, "%s %s HTTP/1.1\r\n", request->method, request->target);
    if (!has_header(request, SLICE_LIT("host")))
        fprintf(out, "Host: %s\r\n", request->host);
    if (!has_header(request, SLICE_LIT("user-agent")))
        fprintf(out, "User-Agent: %s/%s\r\n", request->agent ? request->agent : "evergate",
                EVERGATE_VERSION);
    if (!has_header(request, SLICE_LIT("accept")))
        fprintf(out, "Accept: */*\r\n");
    if (request->content_type && !has_header(request, SLICE_LIT("content-type")))
        fprintf(out, "Content-Type: %s\r\n", request->content_type);
    for (size_t i = 0; i < request->header_count; i++)
        fprintf(out, "%.*s: %.*s\r\n", SLICE_FMT(request->headers[i].name),
                SLICE_FMT(request->headers[i].value));
    if (wants_length(request))
        fprintf(out, "Content-Length: %zu\r\n", strlen(request->body));
    fprintf(out, "Connection: close\r\n\r\n%s", request->body);
    CHECK(fclose(out) == 0);
    return message;
}

/* ---- life ---- */

int http_client_start(struct http_client *client, struct loop *loop,
                      const struct http_client_request *request, http_client_cb done)
{
    static const struct http_client_hooks no_hooks;
    struct tls_session *tls =
        request->tls ? tls_session_new_client(request->tls, request->server_name, NULL) : NULL;

    *client = (struct http_client){
        .done = done,
        .hooks = request->hooks ? request->hooks : &no_hooks,
        .head_request = strcmp(request->method, "HEAD") == 0,
        .awaits = request->awaits,
    };
    *client->awaits = tls ? "TLS connection" : "connection";
    bytes_init(&client->body, HTTP_CLIENT_BODY_BYTES);
    client->message = http_client_compose(request, &client->message_size);
    return transport_init_connect(&client->transport, loop, request->address, tls, LOOP_READ_BYTES,
                                  &client_ops);
}

void http_client_stop(struct http_client *client)
{
    client->over = true;
    transport_fini(&client->transport, false);
}

void http_client_fini(struct http_client *client)
{
    if (client->in_body)
        http_body_fini(&client->reader);
    client->in_body = false;
    bytes_fini(&client->body);
    free(client->message);
    client->message = NULL;
}

static void conclude(struct http_client *client)
{
    if (client->over)
        return;
    client->over = true;
    client->done(client);
}

static void fail(struct http_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(struct http_client *client, const char *format, ...)
{
    va_list args;

    if (client->over)
        return;
    client->status = 0;
    va_start(args, format);
    vsnprintf(client->why, sizeof(client->why), format, args);
    va_end(args);
    conclude(client);
}

/* ---- the answer ---- */

static void fail_protocol(struct http_client *client, int code)
{
    fail(client, "the answer is not proper HTTP: %s", error_text(code));
}

static void take_final_head(struct http_client *client, const struct http_response_head *head)
{
    client->status = head->status;
    *client->awaits = "complete answer";
    client->in_body = true;
    http_body_init(&client->reader, head->framing, head->content_length, 0, &limits);
    if (client->hooks->on_head)
        client->hooks->on_head(client, head);
}

static void judge_head(struct http_client *client, const char *p, size_t size)
{
    enum http_method method = client->head_request ? HTTP_METHOD_HEAD : HTTP_METHOD_GET;
    struct http_field fields[HEAD_FIELDS];
    struct http_response_head head = {.fields = {.v = fields, .capacity = HEAD_FIELDS}};
    int code = http_response_head_parse(&head, p, size, method, &limits);

    if (code == EG_OK)
        code = http_response_second_opinion(&head, p, size, method);
    if (code != EG_OK)
        fail_protocol(client, code);
    else if (head.status == 101)
        fail(client, "switched protocols without being asked");
    else if (head.status >= 200)
        take_final_head(client, &head);
    else if (++client->informational > MAX_INFORMATIONAL)
        fail(client, "too many interim answers");
}

/* One head, interim or final. Returns its size; 0 when it is incomplete or the request failed. */
static size_t take_head(struct http_client *client, const char *p, size_t n)
{
    struct slice version = SLICE_LIT("HTTP/1.");
    size_t known = n < version.n ? n : version.n;
    size_t size = 0;

    /* What speaks another protocol is known by its first bytes. */
    if (memcmp(p, version.p, known) != 0) {
        fail_protocol(client, EG_E_HEAD_STATUS_LINE);
        return 0;
    }
    int code = http_head_scan(&client->scan, p, n, &limits, &size);
    if (code == EG_E_AGAIN)
        return 0;
    if (code != EG_OK) {
        fail_protocol(client, code);
        return 0;
    }
    client->scan.position = 0;
    judge_head(client, p, size);
    return client->over ? 0 : size;
}

/* True when more is wanted: of a body that is kept, what follows the first 64 KiB is not waited
 * for. */
static bool take_piece(struct http_client *client, struct slice piece)
{
    if (client->hooks->on_body) {
        client->hooks->on_body(client, piece);
        return true;
    }
    size_t room = HTTP_CLIENT_BODY_BYTES - client->body.size;
    size_t kept = piece.n < room ? piece.n : room;

    CHECK(bytes_append(&client->body, piece.p, kept) == EG_OK);
    return kept < room;
}

static size_t take_body(struct http_client *client, const char *p, size_t n)
{
    size_t used = 0;

    for (;;) {
        struct slice piece;
        size_t step = 0;
        int result = http_body_next(&client->reader, p + used, n - used, &piece, &step);

        used += step;
        if (result == HTTP_BODY_MORE)
            return used;
        if (result < 0) {
            fail_protocol(client, result);
            return n;
        }
        if (result == HTTP_BODY_END || !take_piece(client, piece))
            conclude(client);
        if (client->over)
            return n;
    }
}

/* ---- the transport's callbacks ---- */

static void client_on_connected(struct transport *t)
{
    struct http_client *client = client_of(t);

    *client->awaits = "answer";
    transport_write(t, client->message, client->message_size);
    if (client->hooks->on_connected)
        client->hooks->on_connected(client);
}

static size_t client_on_data(struct transport *t, const char *data, size_t size)
{
    struct http_client *client = client_of(t);
    size_t used = 0;

    if (client->over)
        return size;
    while (!client->in_body && used < size) {
        size_t head = take_head(client, data + used, size - used);
        if (client->over)
            return size;
        if (head == 0)
            break;
        used += head;
    }
    if (client->in_body)
        used += take_body(client, data + used, size - used);
    if (client->over)
        return size;
    transport_expect_more(t);
    return used;
}

static void client_on_eof(struct transport *t)
{
    struct http_client *client = client_of(t);

    if (client->over)
        return;
    if (!client->in_body)
        fail(client, "closed without a complete answer");
    else if (http_body_eof(&client->reader) == EG_OK && transport_eof_is_clean(t))
        conclude(client);
    else
        fail(client, "closed in the middle of the answer");
}

static void client_on_error(struct transport *t, int code)
{
    struct http_client *client = client_of(t);
    char text[WORDS_ERROR_BYTES];

    fail(client, "%s", words_transport_error(text, t, code));
}

static void client_on_drained(struct transport *t)
{
}

static const struct transport_ops client_ops = {
    .on_connected = client_on_connected,
    .on_data = client_on_data,
    .on_eof = client_on_eof,
    .on_error = client_on_error,
    .on_drained = client_on_drained,
};
