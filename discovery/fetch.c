/*
 * One request and its answer. See fetch.h.
 *
 *   fetch_start ─► (soon) go_on ─► attempt ─► connected ─► head ─► body ─► on_end
 *                    ▲               │ it cannot be reached
 *                    └───────────────┘ the next address, the next place; none left: on_end
 *
 * Each attempt is an object of its own, freed after the turn: its transport may still be on the
 * stack when the next address is asked.
 */
#include "discovery/fetch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "client/http_client.h"
#include "discovery/fetch_internal.h"
#include "discovery/json_lines.h"

enum {
    CONNECT_MS = 5 * 1000,
    ANSWER_MS = 30 * 1000,
    IDLE_MS = 30 * 1000,
    MAX_BYTES = 64 * 1024 * 1024,
    LABEL_BYTES = 160,
    WHOLE_IDLES = 10, /* a whole body may take so many times idle_ms, however it trickles */
};

struct fetch_attempt {
    struct fetch_inner *inner;
    struct http_client client;
    const char *awaits;
    bool connected;
    size_t place, address; /* of the server */
    struct loop_task reap;
};

struct fetch_inner {
    struct fetch fetch;
    struct fetch_server *server;
    struct fetch_request request; /* its strings are ours */
    struct fetch_ops ops;
    struct fetch_attempt *attempt; /* NULL: none under way */
    struct list node;              /* in server->waiting */
    struct loop_task begin, reap;
    struct loop_timer timer;
    bool over; /* on_end was called, or it was stopped */
    /* Which address is next: places and their addresses, counted from where they began. */
    size_t first_place, place_step;
    size_t first_address, address_step;
    unsigned unreachable;            /* so many could not be reached */
    uint64_t whole_by_ms;            /* when a whole body must be complete */
    struct bytes body;               /* of a whole body */
    struct json_lines stream;        /* `lines`, while the status is 200 */
    char excerpt[WORDS_QUOTE_BYTES]; /* of a body that is no JSON */
};

static void go_on(struct fetch_inner *inner);

/* ---- the request ---- */

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct slice copy_slice(struct slice text)
{
    return slice_from(xstrndup(text.p, text.n), text.n);
}

static uint64_t or_else(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

static void request_copy(struct fetch_request *out, const struct fetch_request *request)
{
    struct http_header_edit *headers = xcalloc(request->header_count + 1, sizeof(*headers));

    for (size_t i = 0; i < request->header_count; i++) {
        headers[i].name = copy_slice(request->headers[i].name);
        headers[i].value = copy_slice(request->headers[i].value);
    }
    *out = (struct fetch_request){
        .method = xstrdup(request->method),
        .target = xstrdup(request->target),
        .headers = headers,
        .header_count = request->header_count,
        .body = xstrdup(request->body ? request->body : ""),
        .content_type = copy(request->content_type),
        .connect_ms = or_else(request->connect_ms, CONNECT_MS),
        .answer_ms = or_else(request->answer_ms, ANSWER_MS),
        .idle_ms = or_else(request->idle_ms, IDLE_MS),
        .max_bytes = or_else(request->max_bytes, MAX_BYTES),
        .lines = request->lines,
        .wanted_header = copy(request->wanted_header),
        .second_header = copy(request->second_header),
    };
}

static void request_fini(struct fetch_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        free((char *)request->headers[i].name.p);
        free((char *)request->headers[i].value.p);
    }
    free((struct http_header_edit *)request->headers);
    free((char *)request->method);
    free((char *)request->target);
    free((char *)request->body);
    free((char *)request->content_type);
    free((char *)request->wanted_header);
    free((char *)request->second_header);
}

static bool breaks_lines(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
            return true;
    return false;
}

/* A token from a file must not become a second header. */
static bool request_is_sound(const struct fetch_request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (breaks_lines(request->headers[i].value))
            return false;
    return !breaks_lines(slice_str(request->target));
}

/* ---- the end ---- */

static void attempt_on_reap(struct loop_task *task)
{
    struct fetch_attempt *attempt = container_of(task, struct fetch_attempt, reap);

    http_client_fini(&attempt->client);
    free(attempt);
}

static void attempt_end(struct fetch_inner *inner)
{
    struct fetch_attempt *attempt = inner->attempt;

    loop_timer_cancel(&inner->timer);
    inner->attempt = NULL;
    if (!attempt)
        return;
    http_client_stop(&attempt->client);
    loop_reap(inner->server->loop, &attempt->reap);
}

static void conclude(struct fetch_inner *inner, int status)
{
    if (inner->over)
        return;
    inner->over = true;
    attempt_end(inner);
    inner->fetch.status = status;
    inner->ops.on_end(&inner->fetch);
}

/* "127.0.0.1:2379", "etcd.local:2379 (10.0.0.1:2379)" into `out` (LABEL_BYTES). */
static const char *attempt_label(const struct fetch_attempt *attempt, char *out)
{
    const struct fetch_place *place = &attempt->inner->server->places[attempt->place];
    char address[ADDRESS_TEXT_BYTES];

    if (!place->watch || attempt->address >= place->count)
        snprintf(out, LABEL_BYTES, "%s", place->text);
    else
        snprintf(out, LABEL_BYTES, "%.100s (%.50s)", place->text,
                 address_format(&place->addresses[attempt->address], address));
    return out;
}

/* The answer did not come, or not properly: another address is asked first the next time. */
static void fail(struct fetch_inner *inner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(struct fetch_inner *inner, const char *format, ...)
{
    struct fetch_attempt *attempt = inner->attempt;
    char label[LABEL_BYTES], what[FETCH_WHY_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    fetch_server_avoid(inner->server, attempt->place, attempt->address);
    snprintf(inner->fetch.why, FETCH_WHY_BYTES, "%.110s: %.86s", attempt_label(attempt, label),
             what);
    conclude(inner, 0);
}

/* ---- addresses in turn ---- */

static void note_unreachable(struct fetch_inner *inner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note_unreachable(struct fetch_inner *inner, const char *format, ...)
{
    va_list args;

    inner->unreachable++;
    va_start(args, format);
    vsnprintf(inner->fetch.why, FETCH_WHY_BYTES, format, args);
    va_end(args);
}

static void attempt_unreachable(struct fetch_inner *inner, const char *what)
{
    char label[LABEL_BYTES];

    note_unreachable(inner, "connect to %.100s: %.80s", attempt_label(inner->attempt, label), what);
    attempt_end(inner);
}

static void give_up(struct fetch_inner *inner)
{
    char *why = inner->fetch.why;
    size_t n = strlen(why);

    if (inner->unreachable > 1)
        snprintf(why + n, FETCH_WHY_BYTES - n, " (and %u more)", inner->unreachable - 1);
    conclude(inner, 0);
}

static const struct http_client_hooks hooks;
static void attempt_on_done(struct http_client *client);

/* False: no socket could be had. */
static bool attempt_start(struct fetch_inner *inner, size_t index, size_t address,
                          struct tls_context *tls)
{
    struct fetch_attempt *attempt = xcalloc(1, sizeof(*attempt));
    struct fetch_server *server = inner->server;
    const struct fetch_place *place = &server->places[index];
    const struct fetch_request *wanted = &inner->request;
    const struct http_client_request request = {
        .address = &place->addresses[address],
        .tls = tls,
        .server_name = tls ? fetch_server_name(server, place) : NULL,
        .method = wanted->method,
        .target = wanted->target,
        .host = fetch_server_host(server, place),
        .headers = wanted->headers,
        .header_count = wanted->header_count,
        .content_type = wanted->content_type,
        .body = wanted->body,
        .hooks = &hooks,
        .awaits = &attempt->awaits,
    };
    char text[WORDS_ERROR_BYTES];

    attempt->inner = inner;
    attempt->place = index;
    attempt->address = address;
    loop_task_init(&attempt->reap, attempt_on_reap);
    inner->attempt = attempt;
    loop_timer_set(server->loop, &inner->timer, wanted->connect_ms);
    int code = http_client_start(&attempt->client, server->loop, &request, attempt_on_done);
    if (code != EG_OK)
        attempt_unreachable(inner, words_transport_error(text, &attempt->client.transport, code));
    return code == EG_OK;
}

/* Asks the next address of this place. False: there is none. */
static bool place_ask(struct fetch_inner *inner, size_t index, struct tls_context *tls)
{
    struct fetch_place *place = &inner->server->places[index];

    if (place->count == 0)
        note_unreachable(inner, "%s", place->failure);
    if (inner->address_step == 0)
        inner->first_address = place->first;
    while (inner->address_step < place->count) {
        size_t address = (inner->first_address + inner->address_step++) % place->count;

        if (attempt_start(inner, index, address, tls))
            return true;
    }
    return false;
}

/* A name without an answer yet is waited for, as long as for a connection. */
static bool place_wait(struct fetch_inner *inner, const struct fetch_place *place)
{
    if (place->count > 0 || place->failure[0] != '\0')
        return false;
    list_push_back(&inner->server->waiting, &inner->node);
    loop_timer_set(inner->server->loop, &inner->timer, inner->request.connect_ms);
    return true;
}

static void go_on(struct fetch_inner *inner)
{
    struct fetch_server *server = inner->server;
    struct tls_context *tls = server->secure ? fetch_server_tls(server, inner->fetch.why) : NULL;

    if (server->secure && !tls) {
        conclude(inner, 0);
        return;
    }
    while (inner->place_step < server->count) {
        size_t index = (inner->first_place + inner->place_step) % server->count;

        if (place_wait(inner, &server->places[index]) || place_ask(inner, index, tls))
            return;
        inner->place_step++;
        inner->address_step = 0;
    }
    give_up(inner);
}

void fetch_on_resolved(struct list *node)
{
    struct fetch_inner *inner = container_of(node, struct fetch_inner, node);

    loop_timer_cancel(&inner->timer);
    loop_soon(inner->server->loop, &inner->begin);
}

/* ---- time ---- */

static bool is_stream(const struct fetch_inner *inner)
{
    return inner->request.lines && inner->attempt->client.status == 200;
}

static void name_on_timer(struct fetch_inner *inner)
{
    size_t index = (inner->first_place + inner->place_step) % inner->server->count;
    char span[WORDS_SPAN_BYTES];

    list_remove(&inner->node);
    note_unreachable(inner, "the name \"%.100s\" is not resolved within %s",
                     inner->server->places[index].host,
                     words_span(span, inner->request.connect_ms));
    inner->place_step++;
    go_on(inner);
}

static void on_timer(struct loop_timer *timer)
{
    struct fetch_inner *inner = container_of(timer, struct fetch_inner, timer);
    const struct fetch_attempt *attempt = inner->attempt;
    char span[WORDS_SPAN_BYTES], text[WORDS_ERROR_BYTES];

    if (!attempt) {
        name_on_timer(inner);
    } else if (!attempt->connected) {
        snprintf(text, sizeof(text), "no %s within %s", attempt->awaits,
                 words_span(span, inner->request.connect_ms));
        attempt_unreachable(inner, text);
        go_on(inner);
    } else if (attempt->client.status == 0) {
        fail(inner, "no answer within %s", words_span(span, inner->request.answer_ms));
    } else if (!is_stream(inner) && inner->server->loop->now_ms >= inner->whole_by_ms) {
        fail(inner, "the answer is not complete within %s",
             words_span(span, WHOLE_IDLES * inner->request.idle_ms));
    } else {
        fail(inner, "nothing more of the answer within %s",
             words_span(span, inner->request.idle_ms));
    }
}

/* ---- the answer ---- */

static struct fetch_attempt *attempt_of(struct http_client *client)
{
    return container_of(client, struct fetch_attempt, client);
}

static void attempt_on_connected(struct http_client *client)
{
    struct fetch_attempt *attempt = attempt_of(client);
    struct fetch_inner *inner = attempt->inner;

    attempt->connected = true;
    loop_timer_set(inner->server->loop, &inner->timer, inner->request.answer_ms);
}

static void take_header(char *out, const char *name, const struct http_response_head *head)
{
    const struct http_field *field = name ? http_fields_find(&head->fields, slice_str(name)) : NULL;

    if (field)
        snprintf(out, FETCH_HEADER_BYTES, "%.*s", SLICE_FMT(field->value));
}

/* Until the next piece; of a whole body also until its end. */
static void await_piece(struct fetch_inner *inner)
{
    struct loop *loop = inner->server->loop;
    uint64_t wait_ms = inner->request.idle_ms;
    uint64_t left_ms = inner->whole_by_ms > loop->now_ms ? inner->whole_by_ms - loop->now_ms : 0;

    if (!is_stream(inner) && left_ms < wait_ms)
        wait_ms = left_ms;
    loop_timer_set(loop, &inner->timer, wait_ms);
}

/* RFC 9110 section 15.6: with 5xx the server says that it is its own mistake; another one may do
 * better. */
static void attempt_on_head(struct http_client *client, const struct http_response_head *head)
{
    struct fetch_attempt *attempt = attempt_of(client);
    struct fetch_inner *inner = attempt->inner;

    if (head->status >= 500)
        fetch_server_avoid(inner->server, attempt->place, attempt->address);
    else
        fetch_server_prefer(inner->server, attempt->place, attempt->address);
    take_header(inner->fetch.header, inner->request.wanted_header, head);
    take_header(inner->fetch.second, inner->request.second_header, head);
    inner->whole_by_ms = inner->server->loop->now_ms + WHOLE_IDLES * inner->request.idle_ms;
    await_piece(inner);
}

static void take_lines(struct fetch_inner *inner, struct slice piece)
{
    while (!inner->over) {
        size_t used = 0;
        json_t *json = NULL;
        int code = json_lines_next(&inner->stream, piece.p, piece.n, &used, &json);

        if (code == EG_E_OVERLOAD)
            fail(inner, "an object of more than %zu bytes", inner->request.max_bytes);
        else if (code == EG_E_INTERNAL)
            fail(inner, "what it sends is not JSON");
        if (code != EG_OK)
            return;
        piece = slice_from(piece.p + used, piece.n - used);
        inner->ops.on_json(&inner->fetch, json);
        json_decref(json);
    }
}

static void attempt_on_body(struct http_client *client, struct slice piece)
{
    struct fetch_inner *inner = attempt_of(client)->inner;

    await_piece(inner);
    if (is_stream(inner))
        take_lines(inner, piece);
    else if (bytes_append(&inner->body, piece.p, piece.n) != EG_OK)
        fail(inner, "the answer has more than %zu bytes", inner->request.max_bytes);
}

/* Fit for evidence: ASCII without control characters. */
static void take_excerpt(struct fetch_inner *inner)
{
    words_quote(inner->excerpt, slice_from(bytes_data(&inner->body), inner->body.size));
    for (char *c = inner->excerpt; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

static void read_body(struct fetch_inner *inner)
{
    json_error_t error;

    if (inner->body.size == 0) {
        snprintf(inner->fetch.why, FETCH_WHY_BYTES, "the answer is empty");
        return;
    }
    inner->fetch.json =
        json_loadb(bytes_data(&inner->body), inner->body.size, JSON_DECODE_ANY, &error);
    if (!inner->fetch.json) {
        take_excerpt(inner);
        snprintf(inner->fetch.why, FETCH_WHY_BYTES, "the answer is not JSON: \"%s\"",
                 inner->excerpt);
    }
    bytes_fini(&inner->body);
}

static void attempt_on_done(struct http_client *client)
{
    struct fetch_attempt *attempt = attempt_of(client);
    struct fetch_inner *inner = attempt->inner;
    int status = client->status;

    /* Certificates may have been replaced; with TLS 1.3 a server that does not like ours says so
     * only after the handshake. */
    if (status == 0)
        fetch_server_reload_tls(inner->server);
    if (status == 0 && !attempt->connected) {
        attempt_unreachable(inner, client->why);
        go_on(inner);
    } else if (status == 0) {
        fail(inner, "%s", client->why);
    } else if (is_stream(inner) && inner->stream.depth > 0) {
        fail(inner, "closed in the middle of an object");
    } else {
        if (!is_stream(inner))
            read_body(inner);
        conclude(inner, status);
    }
}

static const struct http_client_hooks hooks = {
    .on_connected = attempt_on_connected,
    .on_head = attempt_on_head,
    .on_body = attempt_on_body,
};

/* ---- life ---- */

static void inner_on_begin(struct loop_task *task)
{
    struct fetch_inner *inner = container_of(task, struct fetch_inner, begin);

    if (request_is_sound(&inner->request)) {
        go_on(inner);
        return;
    }
    snprintf(inner->fetch.why, FETCH_WHY_BYTES, "a line break within the request");
    conclude(inner, 0);
}

static void inner_on_reap(struct loop_task *task)
{
    struct fetch_inner *inner = container_of(task, struct fetch_inner, reap);

    request_fini(&inner->request);
    bytes_fini(&inner->body);
    json_lines_fini(&inner->stream);
    json_decref(inner->fetch.json);
    free(inner);
}

struct fetch *fetch_start(struct fetch_server *server, const struct fetch_request *request,
                          const struct fetch_ops *ops, void *arg)
{
    struct fetch_inner *inner = xcalloc(1, sizeof(*inner));

    inner->fetch.arg = arg;
    inner->fetch.inner = inner;
    inner->server = server;
    inner->ops = *ops;
    inner->first_place = server->first;
    request_copy(&inner->request, request);
    list_init(&inner->node);
    bytes_init(&inner->body, inner->request.max_bytes);
    json_lines_init(&inner->stream, inner->request.max_bytes);
    loop_task_init(&inner->begin, inner_on_begin);
    loop_task_init(&inner->reap, inner_on_reap);
    loop_timer_init(&inner->timer, on_timer);
    loop_soon(server->loop, &inner->begin);
    return &inner->fetch;
}

void fetch_stop(struct fetch **fetch)
{
    struct fetch_inner *inner = *fetch ? (*fetch)->inner : NULL;

    *fetch = NULL;
    if (!inner)
        return;
    inner->over = true;
    attempt_end(inner);
    list_remove(&inner->node);
    loop_task_cancel(&inner->begin);
    loop_reap(inner->server->loop, &inner->reap);
}

/* ---- evidence ---- */

/* Kubernetes says "message", etcd's gateway "error" or "message"; Consul answers with text. */
static const char *json_complaint(const json_t *json)
{
    const char *text = json_string_value(json_object_get(json, "message"));

    if (!text)
        text = json_string_value(json_object_get(json, "error"));
    return text ? text : json_string_value(json);
}

const char *fetch_problem(const struct fetch *fetch, char *out, size_t capacity)
{
    const char *complaint = fetch->json ? json_complaint(fetch->json) : fetch->inner->excerpt;
    char quote[WORDS_QUOTE_BYTES];

    if (fetch->status == 0 || (fetch->status == 200 && !fetch->json))
        snprintf(out, capacity, "%s", fetch->why);
    else if (complaint && complaint[0] != '\0')
        snprintf(out, capacity, "status %d: %s", fetch->status,
                 words_quote(quote, slice_str(complaint)));
    else
        snprintf(out, capacity, "status %d", fetch->status);
    return out;
}
