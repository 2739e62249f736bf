/* What an owner of a request hears, and when it stops hearing. What checks make of answers is
 * tested with them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "client/http_client.h"
#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"

enum hook { NEVER, CONNECTED, HEAD, BODY };

static struct {
    struct loop loop;
    struct fake_backend backend;
    struct http_client client;
    const char *awaits;
    unsigned connections, heads, ends;
    char pieces[128];
    size_t pieces_size;
    enum hook stop_in;
} f;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    cr_assert_eq(loop_init(&f.loop), 0);
    fake_backend_start(&f.backend, &f.loop, "127.0.0.1:0");
}

static void teardown(void)
{
    IN_TURN(&f.loop, http_client_stop(&f.client));
    http_client_fini(&f.client);
    fake_backend_stop(&f.backend);
    loop_fini(&f.loop);
}

TestSuite(http_client, .init = setup, .fini = teardown);

static void stop_if(enum hook hook)
{
    if (f.stop_in == hook)
        http_client_stop(&f.client);
}

static void on_connected(struct http_client *client)
{
    f.connections++;
    stop_if(CONNECTED);
}

static void on_head(struct http_client *client, const struct http_response_head *head)
{
    cr_expect_eq(client->status, head->status);
    f.heads++;
    stop_if(HEAD);
}

static void on_body(struct http_client *client, struct slice piece)
{
    cr_assert_leq(f.pieces_size + piece.n, sizeof(f.pieces));
    memcpy(f.pieces + f.pieces_size, piece.p, piece.n);
    f.pieces_size += piece.n;
    stop_if(BODY);
}

static void on_done(struct http_client *client)
{
    f.ends++;
}

static const struct http_client_hooks hooks = {
    .on_connected = on_connected,
    .on_head = on_head,
    .on_body = on_body,
};

static void start(const struct http_client_hooks *wanted)
{
    const struct http_client_request request = {
        .address = &f.backend.address,
        .method = "GET",
        .target = "/",
        .host = "h",
        .body = "",
        .hooks = wanted,
        .awaits = &f.awaits,
    };
    IN_TURN(&f.loop, {
        cr_assert_eq(http_client_start(&f.client, &f.loop, &request, on_done), EG_OK);
        cr_expect_eq(f.connections, 0u);
    });
}

#define ANSWER                                                                                     \
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"        \
    "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"

Test(http_client, hooks_hear_of_the_final_head_and_of_each_piece)
{
    f.backend.answer = ANSWER;
    start(&hooks);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.connections, 1u);
    cr_expect_eq(f.heads, 1u);
    cr_expect_eq(f.client.status, 200);
    cr_expect_eq(f.client.body.size, 0u);
    cr_expect_eq(f.pieces_size, 7u);
    cr_expect_eq(memcmp(f.pieces, "abcdefg", 7), 0);
}

Test(http_client, without_hooks_the_body_is_kept)
{
    f.backend.answer = ANSWER;
    start(NULL);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.client.body.size, 7u);
}

static void expect_silence_after(enum hook hook, unsigned heads, size_t pieces_size)
{
    f.stop_in = hook;
    f.backend.answer = ANSWER;
    start(&hooks);
    RUN_UNTIL(&f.loop, f.client.over);
    run_turns(&f.loop, 10);
    cr_expect_eq(f.heads, heads);
    cr_expect_eq(f.pieces_size, pieces_size);
    cr_expect_eq(f.ends, 0u);
}

Test(http_client, stopped_when_connected)
{
    expect_silence_after(CONNECTED, 0, 0);
}

Test(http_client, stopped_by_the_head)
{
    expect_silence_after(HEAD, 1, 0);
}

Test(http_client, stopped_by_a_piece)
{
    expect_silence_after(BODY, 1, 3);
}

Test(http_client_compose, the_agent_is_ours_unless_another_is_given)
{
    struct http_client_request request = {.method = "GET", .target = "/", .host = "h", .body = ""};
    size_t size;

    char *ours = http_client_compose(&request, &size);
    cr_expect(strstr(ours, "\r\nUser-Agent: evergate/" EVERGATE_VERSION "\r\n"));
    request.agent = "evergate-health";
    char *other = http_client_compose(&request, &size);
    cr_expect(strstr(other, "\r\nUser-Agent: evergate-health/" EVERGATE_VERSION "\r\n"));
    free(ours);
    free(other);
}
