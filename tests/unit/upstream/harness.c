/* See harness.h. */
#include "tests/unit/upstream/harness.h"

#include <stdio.h>
#include <stdlib.h>

void stage_init(struct stage *s)
{
    memset(s, 0, sizeof(*s));
    cr_assert_eq(loop_init(&s->loop), 0);
    static const char *const no_tags[] = {NULL};
    for (unsigned i = 0; i < STAGE_BACKENDS; i++) {
        fake_backend_start(&s->backends[i], &s->loop, "127.0.0.1:0");
        s->config_backends[i] = (struct config_backend){
            .id = i == 0 ? "a" : "b",
            .address = s->backends[i].text,
            .weight = 1,
            .tags = (const char **)no_tags,
        };
        s->endpoints[i].id = s->config_backends[i].id;
        s->endpoints[i].index = i;
        s->endpoints[i].backend = &s->config_backends[i];
    }
    s->config = (struct config_pool){
        .name = "api",
        .algorithm = CONFIG_ROUND_ROBIN,
        .hash_name = "",
        .keepalive = {.idle = 4, .timeout_ms = 60000},
        .timeouts = {.connect_ms = 5000, .response_ms = 5000, .idle_ms = 5000},
        .backends = s->config_backends,
        .backend_count = STAGE_BACKENDS,
    };
}

void stage_open_cluster(struct stage *s)
{
    char *why = NULL;

    int code = upstream_cluster_new(&s->cluster, &s->loop, &s->config, NULL, &why);
    cr_assert_eq(code, 0, "%s", why ? why : "");
    for (unsigned i = 0; i < STAGE_BACKENDS; i++)
        IN_TURN(&s->loop,
                upstream_cluster_add(s->cluster, &s->endpoints[i], &s->config_backends[i]));
}

void stage_fini(struct stage *s)
{
    IN_TURN(&s->loop, upstream_cluster_close_idle(s->cluster));
    cr_assert_eq(stage_stats(s).open, 0);
    cr_assert_eq(stage_stats(s).idle, 0);
    upstream_cluster_free(s->cluster);
    for (unsigned i = 0; i < STAGE_BACKENDS; i++)
        fake_backend_stop(&s->backends[i]);
    loop_fini(&s->loop);
}

static struct client *client_of(struct upstream_attempt *a)
{
    return container_of(a, struct client, attempt);
}

static void release_if(struct client *c, enum client_moment moment)
{
    bool done = moment == CLIENT_ON_END || moment == CLIENT_ON_FAILED;

    if (c->release_on == moment || (done && c->release_on != CLIENT_NEVER))
        upstream_attempt_release(&c->attempt);
}

static void on_informational(struct upstream_attempt *a, const struct http_response_head *head)
{
    client_of(a)->informational++;
    client_of(a)->last_informational = head->status;
    release_if(client_of(a), CLIENT_ON_INFORMATIONAL);
}

static void on_head(struct upstream_attempt *a, const struct http_response_head *head)
{
    client_of(a)->status = head->status;
    client_of(a)->framing = head->framing;
    release_if(client_of(a), CLIENT_ON_HEAD);
}

static void on_data(struct upstream_attempt *a, struct slice data)
{
    struct client *c = client_of(a);
    size_t room = sizeof(c->body) - 1 - c->body_kept;
    size_t kept = data.n < room ? data.n : room;

    cr_assert_gt(data.n, 0);
    memcpy(c->body + c->body_kept, data.p, kept);
    c->body_kept += kept;
    c->body_size += data.n;
    if (c->pause_on_data)
        upstream_attempt_pause(a);
    release_if(c, CLIENT_ON_DATA);
}

static void on_end(struct upstream_attempt *a, const struct http_fields *trailers)
{
    struct client *c = client_of(a);

    c->ended = true;
    c->ends++;
    if (trailers->count > 0)
        snprintf(c->trailer, sizeof(c->trailer), "%.*s", SLICE_FMT(trailers->v[0].value));
    release_if(c, CLIENT_ON_END);
}

static void on_failed(struct upstream_attempt *a, int code, const char *detail)
{
    struct client *c = client_of(a);

    c->failures++;
    c->code = code;
    snprintf(c->detail, sizeof(c->detail), "%s", detail);
    cr_assert_null(a->connection);
    release_if(c, CLIENT_ON_FAILED);
}

static void on_drained(struct upstream_attempt *a)
{
    client_of(a)->drains++;
    release_if(client_of(a), CLIENT_ON_DRAINED);
}

static const struct upstream_attempt_ops client_ops = {
    .on_informational = on_informational,
    .on_head = on_head,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
    .on_drained = on_drained,
};

void client_init(struct client *c, struct stage *s, const char *text)
{
    static const struct http_limits limits = {.head_bytes = 512, .fields = 16};

    memset(c, 0, sizeof(*c));
    c->stage = s;
    c->attempt.ops = &client_ops;
    snprintf(c->text, sizeof(c->text), "%s", text);
    c->head.fields = (struct http_fields){.v = c->fields, .capacity = 16};
    cr_assert_eq(http_request_head_parse(&c->head, c->text, strlen(c->text), &limits), 0);
    c->request = (struct upstream_request){
        .forward =
            {
                .head = &c->head,
                .path = c->head.path,
                .client_host = SLICE_LIT("192.0.2.1"),
                .request_id = SLICE_LIT("id-1"),
                .traceparent = SLICE_LIT("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                .upgrade = c->head.upgrade.n > 0,
                .pass_expect = c->head.expect_continue,
            },
        .method_id = c->head.method_id,
        .framing = c->head.framing,
        .tunnel = c->head.upgrade.n > 0 || c->head.method_id == HTTP_METHOD_CONNECT,
        .repeatable = http_request_is_idempotent(&c->head) && c->head.framing == HTTP_FRAMING_NONE,
    };
}

void client_start(struct client *c)
{
    struct stage *s = c->stage;

    IN_TURN(&s->loop, upstream_attempt_start(&c->attempt, s->cluster, &s->endpoints[c->endpoint],
                                             &c->request, &s->loop));
}

void client_send(struct client *c, const char *text)
{
    IN_TURN(&c->stage->loop, upstream_attempt_send_body(&c->attempt, slice_str(text)));
}

void client_end(struct client *c)
{
    IN_TURN(&c->stage->loop, upstream_attempt_send_end(&c->attempt, NULL));
}

void client_release(struct client *c)
{
    IN_TURN(&c->stage->loop, upstream_attempt_release(&c->attempt));
    cr_assert_null(c->attempt.connection);
}

void client_go(struct client *c)
{
    client_start(c);
    client_end(c);
}

void client_round_trip(struct stage *s, int expected_status)
{
    struct client c;

    client_init(&c, s, GET_TEXT);
    client_go(&c);
    RUN_UNTIL(&s->loop, client_done(&c));
    cr_assert_eq(c.failures, 0, "%s", c.detail);
    cr_assert_eq(c.status, expected_status);
}

struct fake_connection *stage_request_at(struct stage *s, unsigned i)
{
    struct fake_backend *b = &s->backends[0];

    RUN_UNTIL(&s->loop, b->count > i && strstr(b->connections[i]->record, "\r\n\r\n"));
    return b->connections[i];
}
