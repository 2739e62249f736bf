/*
 * One request: addresses in turn, and its time limits. See fetch.h; what is answered is taken in
 * fetch_answer.c.
 *
 *   fetch_start ─► (soon) go_on ─► attempt ─► connected ─► head ─► body ─► on_end
 *                    ▲               │ it cannot be reached
 *                    └───────────────┘ the next address, the next place; none left: on_end
 *
 * Each attempt is an object of its own, freed after the turn: its transport may still be on the
 * stack when the next address is asked.
 */
#include "discovery/fetch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/fetch_internal.h"

enum { LABEL_BYTES = 160 };

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

void fetch_conclude(struct fetch_inner *inner, int status)
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

void fetch_fail(struct fetch_inner *inner, const char *format, ...)
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
    fetch_conclude(inner, 0);
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

void fetch_unreachable(struct fetch_inner *inner, const char *what)
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
    fetch_conclude(inner, 0);
}

static size_t place_now(const struct fetch_inner *inner)
{
    return (inner->first_place + inner->place_step) % inner->server->count;
}

/* What had no turn is asked first the next time: else it would never have one. */
static void give_up_in_time(struct fetch_inner *inner)
{
    size_t place = place_now(inner), count = inner->server->places[place].count;
    char span[WORDS_SPAN_BYTES], why[FETCH_WHY_BYTES];

    if (inner->address_step > 0 && inner->address_step >= count)
        fetch_server_prefer(inner->server, (place + 1) % inner->server->count, FETCH_NO_ADDRESS);
    else if (inner->address_step > 0)
        fetch_server_prefer(inner->server, place,
                            (inner->first_address + inner->address_step) % count);
    else
        fetch_server_prefer(inner->server, place, FETCH_NO_ADDRESS);
    snprintf(why, sizeof(why), "none of %u within %s; the last: %.120s", inner->unreachable,
             words_span(span, inner->request.search_ms), inner->fetch.why);
    snprintf(inner->fetch.why, FETCH_WHY_BYTES, "%s", why);
    fetch_conclude(inner, 0);
}

/* For the next address, or name: its own time, or what is left of all. */
static void step_begin(struct fetch_inner *inner)
{
    uint64_t now_ms = inner->server->loop->now_ms;
    uint64_t left_ms = inner->search_by_ms > now_ms ? inner->search_by_ms - now_ms : 0;

    inner->step_ms = left_ms < inner->request.connect_ms ? left_ms : inner->request.connect_ms;
    loop_timer_set(inner->server->loop, &inner->timer, inner->step_ms);
}

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
        .hooks = &fetch_hooks,
        .awaits = &attempt->awaits,
    };
    char text[WORDS_ERROR_BYTES];

    attempt->inner = inner;
    attempt->place = index;
    attempt->address = address;
    loop_task_init(&attempt->reap, attempt_on_reap);
    inner->attempt = attempt;
    step_begin(inner);
    int code = http_client_start(&attempt->client, server->loop, &request, fetch_on_done);
    if (code != EG_OK)
        fetch_unreachable(inner, words_transport_error(text, &attempt->client.transport, code));
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
    step_begin(inner);
    return true;
}

void fetch_go_on(struct fetch_inner *inner)
{
    struct fetch_server *server = inner->server;
    struct tls_context *tls = server->secure ? fetch_server_tls(server, inner->fetch.why) : NULL;

    if (server->secure && !tls) {
        fetch_conclude(inner, 0);
        return;
    }
    while (inner->place_step < server->count) {
        size_t index = place_now(inner);

        if (server->loop->now_ms >= inner->search_by_ms) {
            give_up_in_time(inner);
            return;
        }
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

static void name_on_timer(struct fetch_inner *inner)
{
    char span[WORDS_SPAN_BYTES];

    list_remove(&inner->node);
    note_unreachable(inner, "the name \"%.100s\" is not resolved within %s",
                     inner->server->places[place_now(inner)].host,
                     words_span(span, inner->step_ms));
    inner->place_step++;
    fetch_go_on(inner);
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
                 words_span(span, inner->step_ms));
        fetch_unreachable(inner, text);
        fetch_go_on(inner);
    } else if (attempt->client.status == 0) {
        fetch_fail(inner, "no answer within %s", words_span(span, inner->request.answer_ms));
    } else if (!fetch_is_stream(inner) && inner->server->loop->now_ms >= inner->whole_by_ms) {
        fetch_fail(inner, "the answer is not complete within %s",
                   words_span(span, FETCH_WHOLE_IDLES * fetch_idle_ms(inner)));
    } else {
        fetch_fail(inner, "nothing more of the answer within %s",
                   words_span(span, fetch_idle_ms(inner)));
    }
}

/* ---- life ---- */

static void inner_on_begin(struct loop_task *task)
{
    struct fetch_inner *inner = container_of(task, struct fetch_inner, begin);

    inner->search_by_ms = inner->server->loop->now_ms + inner->request.search_ms;
    if (fetch_request_is_sound(&inner->request)) {
        fetch_go_on(inner);
        return;
    }
    snprintf(inner->fetch.why, FETCH_WHY_BYTES,
             "there is a line break in what would be sent; look at the token");
    fetch_conclude(inner, 0);
}

static void inner_on_reap(struct loop_task *task)
{
    struct fetch_inner *inner = container_of(task, struct fetch_inner, reap);

    fetch_request_fini(&inner->request);
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
    fetch_request_copy(&inner->request, request);
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
