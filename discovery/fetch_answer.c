/* An answer, from its head to what is told of it: see fetch.h. */
#include <stdio.h>
#include <string.h>

#include "discovery/fetch_internal.h"
#include "discovery/json_read.h"

bool fetch_is_stream(const struct fetch_inner *inner)
{
    return inner->request.lines && inner->attempt->client.status == 200;
}

static struct fetch_attempt *attempt_of(struct http_client *client)
{
    return container_of(client, struct fetch_attempt, client);
}

static void attempt_on_connected(struct http_client *client)
{
    struct fetch_attempt *attempt = attempt_of(client);
    struct fetch_inner *inner = attempt->inner;

    attempt->connected = true;
    transport_watch_peer(&client->transport); /* answers may be minutes away, streams endless */
    loop_timer_set(inner->server->loop, &inner->timer, inner->request.answer_ms);
}

/* Into `out` (FETCH_HEADER_BYTES). */
static void take_header(char *out, const char *name, const struct http_response_head *head)
{
    const struct http_field *field = name ? http_fields_find(&head->fields, slice_str(name)) : NULL;

    if (field)
        snprintf(out, FETCH_HEADER_BYTES, "%.*s", SLICE_FMT(field->value));
}

uint64_t fetch_idle_ms(const struct fetch_inner *inner)
{
    return inner->request.lines && !fetch_is_stream(inner) ? FETCH_IDLE_MS : inner->request.idle_ms;
}

/* Until the next piece; of a whole body also until its end. */
static void await_piece(struct fetch_inner *inner)
{
    struct loop *loop = inner->server->loop;
    uint64_t wait_ms = fetch_idle_ms(inner);
    uint64_t left_ms = inner->whole_by_ms > loop->now_ms ? inner->whole_by_ms - loop->now_ms : 0;

    if (!fetch_is_stream(inner) && left_ms < wait_ms)
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
    inner->fetch.begun = inner->request.lines && head->status == 200;
    take_header(inner->fetch.header, inner->request.wanted_header, head);
    take_header(inner->fetch.second, inner->request.second_header, head);
    if (head->status / 100 == 3)
        take_header(inner->location, "location", head);
    inner->whole_by_ms = inner->server->loop->now_ms + FETCH_WHOLE_IDLES * fetch_idle_ms(inner);
    await_piece(inner);
}

static void take_lines(struct fetch_inner *inner, struct slice piece)
{
    while (!inner->over) {
        size_t used = 0;
        json_t *json = NULL;
        int code = json_lines_next(&inner->stream, piece.p, piece.n, &used, &json);

        if (code == EG_E_OVERLOAD)
            fetch_fail(inner, "an object of more than %zu bytes", inner->request.max_bytes);
        else if (code == EG_E_INTERNAL)
            fetch_fail(inner, "what it sends is not JSON");
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
    if (fetch_is_stream(inner))
        take_lines(inner, piece);
    else if (bytes_append(&inner->body, piece.p, piece.n) != EG_OK)
        fetch_fail(inner, "the answer has more than %zu bytes", inner->request.max_bytes);
}

static void read_body(struct fetch_inner *inner)
{
    if (inner->body.size == 0) {
        snprintf(inner->fetch.why, FETCH_WHY_BYTES, "the answer is empty");
        return;
    }
    inner->fetch.json = json_read(bytes_data(&inner->body), inner->body.size);
    if (!inner->fetch.json) {
        fetch_excerpt(inner->excerpt, slice_from(bytes_data(&inner->body), inner->body.size));
        snprintf(inner->fetch.why, FETCH_WHY_BYTES, "the answer is not JSON: \"%s\"",
                 inner->excerpt);
    }
    bytes_fini(&inner->body);
}

void fetch_on_done(struct http_client *client)
{
    struct fetch_attempt *attempt = attempt_of(client);
    struct fetch_inner *inner = attempt->inner;
    int status = client->status;

    /* Certificates may have been replaced; with TLS 1.3 a server that does not like ours says so
     * only after the handshake. */
    if (status == 0)
        fetch_server_reload_tls(inner->server);
    if (status == 0 && !attempt->connected) {
        fetch_unreachable(inner, client->why);
        fetch_go_on(inner);
    } else if (status == 0) {
        fetch_fail(inner, "%s", client->why);
    } else if (fetch_is_stream(inner) && inner->stream.depth > 0) {
        fetch_fail(inner, "closed in the middle of an object");
    } else {
        if (!fetch_is_stream(inner))
            read_body(inner);
        fetch_conclude(inner, status);
    }
}

const struct http_client_hooks fetch_hooks = {
    .on_connected = attempt_on_connected,
    .on_head = attempt_on_head,
    .on_body = attempt_on_body,
};
