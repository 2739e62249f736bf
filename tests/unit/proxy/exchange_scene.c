/* See exchange_scene.h. */
#include "tests/unit/proxy/exchange_scene.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proxy/worker_listener.h"

void scene_init(struct scene *s, const char *pool_text)
{
    struct config_errors errors = {0};
    char text[2048], *why = NULL;

    memset(s, 0, sizeof(*s));
    cr_assert_eq(loop_init(&s->outside), 0);
    for (unsigned i = 0; i < SCENE_BACKENDS; i++)
        fake_backend_start(&s->backends[i], &s->outside, "127.0.0.1:0");
    snprintf(text, sizeof(text),
             "workers = %d;\n"
             "listeners = ( { name = \"edge\"; bind = \"127.0.0.1:0\"; } );\n"
             "routes = ( { name = \"all\"; pool = \"p\"; } );\n"
             "pools = ( { name = \"p\"; %s backends = (\n"
             "  { id = \"a\"; address = \"%s\"; }, { id = \"b\"; address = \"%s\"; } ); } );\n"
             "log = { access = \"off\"; };\n",
             SCENE_WORKERS, pool_text, s->backends[0].text, s->backends[1].text);
    cr_assert_eq(config_load_text(&s->config, "test", text, &errors), EG_OK, "%s",
                 errors.count ? errors.v[0].message : "");
    config_errors_free(&errors);
    cr_assert_eq(server_new(&s->server, s->config, &why), EG_OK, "%s", why ? why : "");
    s->runtime = s->server->runtimes[0];
}

void scene_turn(struct scene *s)
{
    run_turn(&s->outside);
    for (unsigned i = 0; i < SCENE_WORKERS; i++)
        run_turn(&s->server->workers[i].loop);
}

struct endpoint *scene_endpoint(struct scene *s, unsigned index)
{
    return balancer_pool_endpoint(s->runtime->balancer, index);
}

struct fake_connection *scene_request(struct scene *s, unsigned backend)
{
    struct fake_backend *b = &s->backends[backend];

    SCENE_UNTIL(s, b->count > 0 && strstr(b->connections[b->count - 1]->record, "\r\n\r\n"));
    return b->connections[b->count - 1];
}

void scene_fini(struct scene *s)
{
    for (unsigned i = 0; i < SCENE_BACKENDS; i++)
        cr_assert_eq(atomic_load(&scene_endpoint(s, i)->active), 0, "every pick is answered");
    cr_assert_eq(atomic_load(&s->runtime->pending), 0u);
    for (unsigned i = 0; i < SCENE_WORKERS; i++)
        cr_assert_eq(atomic_load(&s->runtime->seats[i].queue.first_ticket), 0u);
    server_free(s->server);
    config_unref(&s->config);
    for (unsigned i = 0; i < SCENE_BACKENDS; i++)
        fake_backend_stop(&s->backends[i]);
    loop_fini(&s->outside);
}

/* ---- The client ---- */

static void sink_informational(void *front, const struct http_response_head *head)
{
}

static void sink_head(void *front, const struct http_response_head *head,
                      const struct http_header_edits *edits)
{
    struct scene_client *c = front;

    CHECK(c->x != NULL);
    c->heads++;
    c->status = head->status;
}

static void sink_data(void *front, struct slice data)
{
    struct scene_client *c = front;

    CHECK(c->x != NULL && c->body_size + data.n < sizeof(c->body));
    memcpy(c->body + c->body_size, data.p, data.n);
    c->body_size += data.n;
}

static void sink_end(void *front, const struct http_fields *trailers)
{
    struct scene_client *c = front;

    CHECK(c->x != NULL);
    c->x = NULL;
    c->ends++;
}

static void sink_abort(void *front)
{
    struct scene_client *c = front;

    CHECK(c->x != NULL);
    c->x = NULL;
    c->aborts++;
}

static void sink_nothing(void *front)
{
}

static void sink_body_wanted(void *front)
{
    struct scene_client *c = front;

    CHECK(c->x != NULL);
    c->wanted++;
}

static bool sink_congested(void *front)
{
    return false;
}

static const struct exchange_sink scene_sink = {
    .informational = sink_informational,
    .head = sink_head,
    .data = sink_data,
    .end = sink_end,
    .abort = sink_abort,
    .tunnel = sink_nothing,
    .half_close = sink_nothing,
    .body_wanted = sink_body_wanted,
    .congested = sink_congested,
};

void client_start(struct scene_client *c, struct scene *s, unsigned worker, const char *text)
{
    static const struct http_limits limits = {.head_bytes = 4096, .fields = 16};
    struct exchange_request request = {.client_host = SLICE_LIT("192.0.2.1"),
                                       .protocol = "HTTP/1.1"};
    struct slice copy;

    memset(c, 0, sizeof(*c));
    c->worker = &s->server->workers[worker];
    arena_init(&request.arena);
    copy = arena_dup(&request.arena, slice_str(text));
    request.head.fields.v = arena_alloc(&request.arena, 16 * sizeof(struct http_field));
    request.head.fields.capacity = 16;
    cr_assert_eq(http_request_head_parse(&request.head, copy.p, copy.n, &limits), EG_OK);
    request.listener = container_of(c->worker->listeners.next, struct worker_listener, node);
    loop_enter(&c->worker->loop);
    request.start_us = c->worker->loop.now_us;
    c->x = exchange_new(c->worker, &request, &scene_sink, c);
    exchange_start(c->x);
    loop_leave(&c->worker->loop);
}

void client_body(struct scene_client *c, const char *p, size_t n)
{
    IN_TURN(&c->worker->loop, exchange_body(c->x, slice_from(p, n)));
}

void client_leave(struct scene_client *c)
{
    struct exchange *x = c->x;

    c->x = NULL;
    IN_TURN(&c->worker->loop, exchange_cancel(x, EG_E_CLIENT_GONE));
}
