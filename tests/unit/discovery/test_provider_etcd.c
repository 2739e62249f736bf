/* The etcd provider against a peer that answers as etcd's gateway was seen to. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/base64.h"
#include "discovery/provider_etcd.h"
#include "room.h"
#include "tests/lib/fake_backend.h"

static struct {
    struct room room;
    struct fake_backend etcd;
    struct config *config;
    struct discovery_source *source;
    uint64_t check_ms;
    unsigned next; /* the connection that is answered next */
} f;

static void *provider_start(struct discovery_source *source,
                            const struct discovery_context *context)
{
    return provider_etcd_start(source, context, f.check_ms);
}

static struct discovery_provider provider;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    f.check_ms = 3600 * 1000;
    room_init(&f.room);
    fake_backend_start(&f.etcd, &f.room.loop, "127.0.0.1:0");
}

static void start(const char *more)
{
    char *block =
        xasprintf("type = \"etcd\"; address = \"%s\"; prefix = \"/s/\"; %s", f.etcd.text, more);

    provider = *discovery_provider_of(CONFIG_DISCOVERY_ETCD);
    provider.start = provider_start;
    f.config = room_config(block, "");
    free(block);
    f.source = source_new(&f.room.context, f.config, f.config->pools[0].discovery);
    source_add_pool_locked(f.source, "api", false);
    IN_TURN(&f.room.loop, source_start(f.source, &provider));
}

static void teardown(void)
{
    IN_TURN(&f.room.loop, source_stop(f.source));
    source_free(f.source);
    config_unref(&f.config);
    fake_backend_stop(&f.etcd);
    room_fini(&f.room);
}

TestSuite(provider_etcd, .init = setup, .fini = teardown);

/* ---- the peer ---- */

static bool is_asked(const struct fake_connection *c)
{
    const char *end = strstr(c->record, "\r\n\r\n");

    return end && strchr(end, '}');
}

/* The next request, which is for `target` and has `words` in it. */
static struct fake_connection *asked(const char *target, const char *words)
{
    char *line = xasprintf("POST %s HTTP/1.1\r\n", target);

    RUN_UNTIL(&f.room.loop, f.etcd.count > f.next && is_asked(f.etcd.connections[f.next]));
    struct fake_connection *c = f.etcd.connections[f.next++];
    cr_assert_eq(strncmp(c->record, line, strlen(line)), 0, "%s", c->record);
    cr_assert(strstr(c->record, words), "%s", c->record);
    free(line);
    return c;
}

static void answer(struct fake_connection *c, const char *status, const char *body)
{
    char *text =
        xasprintf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);

    fake_send(c, text);
    free(text);
}

/* "key value, key value": as the gateway writes them; heap. */
static char *kv(const char *key, const char *value)
{
    char *k = base64_encode(slice_str(key)), *v = base64_encode(slice_str(value));
    char *text = xasprintf("{\"key\":\"%s\",\"value\":\"%s\"}", k, v);

    free(k);
    free(v);
    return text;
}

static void answer_page(const char *words, const char *key, const char *revision, bool more)
{
    char *pair = kv(key, "10.0.0.1:80");
    char *body = xasprintf("{\"header\":{\"revision\":\"%s\"},\"kvs\":[%s]%s,\"count\":\"1\"}",
                           revision, pair, more ? ",\"more\":true" : "");

    answer(asked("/v3/kv/range", words), "200 OK", body);
    free(body);
    free(pair);
}

static void send_piece(struct fake_connection *c, const char *text)
{
    char *chunk = xasprintf("%zx\r\n%s\n\r\n", strlen(text) + 1, text);

    fake_send(c, chunk);
    free(chunk);
}

static struct fake_connection *answer_watch(const char *words)
{
    struct fake_connection *c = asked("/v3/watch", words);

    fake_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_piece(c, "{\"result\":{\"header\":{\"revision\":\"7\"},\"created\":true}}");
    return c;
}

static void send_event(struct fake_connection *c, const char *type, const char *key)
{
    char *pair = kv(key, "10.0.0.9:80");
    char *text = xasprintf("{\"result\":{\"header\":{\"revision\":\"8\"},\"events\":[{%s\"kv\":%s}"
                           "]}}",
                           type, pair);

    send_piece(c, text);
    free(text);
    free(pair);
}

static bool has(const char *ids)
{
    return f.source->found && strcmp(room_ids(f.source->found), ids) == 0;
}

static bool failed_with(const char *words)
{
    return f.source->state == SOURCE_FAILING && strstr(f.source->last_error, words);
}

#define FIRST_PAGE "{\"key\":\"L3Mv\",\"range_end\":\"L3Mw\",\"limit\":\"500\"}"

/* ---- the tests ---- */

Test(provider_etcd, lists_page_by_page_and_watches_from_the_next_revision)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", true);
    answer_page("\"revision\":\"7\"", "/s/b", "9", false);
    RUN_UNTIL(&f.room.loop, has("a b"));
    answer_watch("\"start_revision\":\"8\"");
    cr_expect_eq(f.source->state, SOURCE_SYNCED);
}

Test(provider_etcd, a_burst_of_events_is_one_change)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    struct fake_connection *watch = answer_watch("");
    RUN_UNTIL(&f.room.loop, has("a"));
    send_event(watch, "", "/s/b");
    send_event(watch, "", "/s/c");
    send_event(watch, "\"type\":\"DELETE\",", "/s/a");
    RUN_UNTIL(&f.room.loop, has("b c"));
    cr_expect_eq(f.source->syncs, 2u);
}

Test(provider_etcd, after_a_compaction_it_lists_anew)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    struct fake_connection *watch = answer_watch("");
    send_piece(watch, "{\"result\":{\"header\":{},\"canceled\":true,\"compact_revision\":\"9\"}}");
    answer_page(FIRST_PAGE, "/s/b", "12", false);
    answer_watch("\"start_revision\":\"13\"");
    RUN_UNTIL(&f.room.loop, has("b"));
    cr_expect_eq(f.source->failures, 0u);
}

/* What always says so is not asked as fast as it answers. */
Test(provider_etcd, compactions_in_a_row_are_followed_by_a_pause)
{
    static const char *const compacted =
        "{\"result\":{\"header\":{},\"canceled\":true,\"compact_revision\":\"9\"}}";

    start("");
    for (unsigned i = 0; i < 2; i++) {
        answer_page(FIRST_PAGE, "/s/a", "7", false);
        send_piece(answer_watch(""), compacted);
    }
    RUN_UNTIL(&f.room.loop, f.etcd.connections[f.next - 1]->eof);
    run_turns(&f.room.loop, 20);
    cr_expect_eq(f.etcd.count, f.next, "nothing is asked at once");
    answer_page(FIRST_PAGE, "/s/b", "12", false);
    RUN_UNTIL(&f.room.loop, has("b"));
    cr_expect_eq(f.source->failures, 0u);
}

Test(provider_etcd, a_check_that_agrees_says_that_nothing_has_changed)
{
    f.check_ms = 20;
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    answer_watch("");
    for (unsigned i = 2; i < 4; i++) {
        answer(asked("/v3/kv/range", "\"min_mod_revision\":\"8\""), "200 OK",
               "{\"header\":{\"revision\":\"9\"},\"count\":\"1\"}");
        RUN_UNTIL(&f.room.loop, f.source->syncs == i);
    }
    cr_expect_eq(f.source->failures, 0u);
}

Test(provider_etcd, a_check_that_does_not_agree_lists_anew)
{
    f.check_ms = 20;
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    answer_watch("");
    answer(asked("/v3/kv/range", "min_mod_revision"), "200 OK",
           "{\"header\":{\"revision\":\"9\"},\"count\":\"2\"}");
    answer_page(FIRST_PAGE, "/s/b", "9", false);
    RUN_UNTIL(&f.room.loop, has("b"));
    cr_expect(f.etcd.connections[1]->eof, "the watch is given up");
}

Test(provider_etcd, a_member_without_a_leader_is_seen_by_the_check)
{
    f.check_ms = 20;
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    answer_watch("");
    answer(asked("/v3/kv/range", "min_mod_revision"), "503 Service Unavailable",
           "{\"message\":\"etcdserver: no leader\"}");
    RUN_UNTIL(&f.room.loop, failed_with("status 503: etcdserver: no leader"));
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    RUN_UNTIL(&f.room.loop, f.source->state == SOURCE_SYNCED);
}

Test(provider_etcd, a_watch_that_ends_at_once_is_a_failure)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    struct fake_connection *watch = answer_watch("");
    RUN_UNTIL(&f.room.loop, has("a"));
    fake_send(watch, "0\r\n\r\n");
    RUN_UNTIL(&f.room.loop, failed_with("the watch ended at once"));
    answer_page(FIRST_PAGE, "/s/b", "8", false);
    RUN_UNTIL(&f.room.loop, has("b"));
    fake_close(answer_watch("\"start_revision\":\"9\""));
    RUN_UNTIL(&f.room.loop, failed_with("closed in the middle of the answer"));
}

Test(provider_etcd, what_came_before_a_failure_is_heard)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    struct fake_connection *watch = answer_watch("");
    RUN_UNTIL(&f.room.loop, has("a"));
    send_event(watch, "", "/s/b");
    send_piece(watch, "{\"error\":{\"message\":\"etcdserver: no leader\"}}");
    RUN_UNTIL(&f.room.loop, failed_with("etcd ended the watch: etcdserver: no leader"));
    cr_expect(has("a b"));
}

Test(provider_etcd, nonsense_in_a_watch_is_a_failure)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    send_piece(answer_watch(""), "{\"result\":{\"events\":[1]}}");
    RUN_UNTIL(&f.room.loop, failed_with("the watch answers nonsense"));
}

Test(provider_etcd, a_value_that_is_nonsense_is_refused_alone)
{
    start("");
    answer_page(FIRST_PAGE, "/s/a", "7", true);
    answer_page("\"revision\":\"7\"", "/s/", "9", false);
    RUN_UNTIL(&f.room.loop, has("a"));
    cr_expect_eq(f.source->refused.count, 1u);
}

Test(provider_etcd, what_is_no_answer)
{
    start("");
    answer(asked("/v3/kv/range", ""), "200 OK", "{}");
    RUN_UNTIL(&f.room.loop, failed_with("the answer is no list of keys"));
    answer(asked("/v3/kv/range", ""), "404 Not Found", "page not found");
    RUN_UNTIL(&f.room.loop, failed_with("status 404: page not found"));
}

/* ---- authentication ---- */

static void start_with_password(const char *password)
{
    room_write(&f.room, "password", password);
    char *more =
        xasprintf("user = \"root\"; password_file = \"%s\";", room_path(&f.room, "password"));
    start(more);
    free(more);
}

#define LOGIN "{\"name\":\"root\",\"password\":\"secret\"}"

Test(provider_etcd, shows_its_token_and_asks_for_another_when_it_has_expired)
{
    f.check_ms = 20;
    start_with_password("secret\n");
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{\"token\":\"abc.1\"}");
    answer_page("\r\nAuthorization: abc.1\r\n", "/s/a", "7", false);
    answer_watch("\r\nAuthorization: abc.1\r\n");
    answer(asked("/v3/kv/range", "min_mod_revision"), "401 Unauthorized",
           "{\"error\":\"etcdserver: invalid auth token\"}");
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{\"token\":\"abc.2\"}");
    answer_page("\r\nAuthorization: abc.2\r\n", "/s/b", "8", false);
    RUN_UNTIL(&f.room.loop, has("b"));
    cr_expect_eq(f.source->failures, 0u);
}

Test(provider_etcd, a_new_token_that_is_refused_is_a_failure)
{
    start_with_password("secret\n");
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{\"token\":\"abc.1\"}");
    answer(asked("/v3/kv/range", ""), "401 Unauthorized",
           "{\"error\":\"etcdserver: invalid auth token\"}");
    RUN_UNTIL(&f.room.loop, failed_with("status 401: etcdserver: invalid auth token"));
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{\"token\":\"abc.2\"}");
    answer_page("\r\nAuthorization: abc.2\r\n", "/s/a", "7", false);
    RUN_UNTIL(&f.room.loop, has("a"));
}

Test(provider_etcd, a_login_without_a_token_is_said)
{
    start_with_password("secret\n");
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{}");
    RUN_UNTIL(&f.room.loop, failed_with("authentication: the answer holds no token"));
}

Test(provider_etcd, a_password_that_was_changed_needs_no_reload)
{
    start_with_password("old\n");
    answer(asked("/v3/auth/authenticate", "\"old\""), "400 Bad Request",
           "{\"message\":\"etcdserver: authentication failed, invalid user ID or password\"}");
    RUN_UNTIL(&f.room.loop, failed_with("authentication: status 400: etcdserver: authentication "
                                        "failed, invalid user ID or password"));
    room_write(&f.room, "password", "secret\n");
    answer(asked("/v3/auth/authenticate", LOGIN), "200 OK", "{\"token\":\"abc.1\"}");
    answer_page("Authorization: abc.1", "/s/a", "7", false);
    RUN_UNTIL(&f.room.loop, has("a"));
}

Test(provider_etcd, a_password_file_that_is_not_there_is_said)
{
    start_with_password("");
    RUN_UNTIL(&f.room.loop, failed_with("holds no password"));
}

Test(provider_etcd, etcd_without_authentication_is_asked_without)
{
    start_with_password("secret\n");
    answer(asked("/v3/auth/authenticate", LOGIN), "412 Precondition Failed",
           "{\"message\":\"etcdserver: authentication is not enabled\"}");
    answer_page(FIRST_PAGE, "/s/a", "7", false);
    RUN_UNTIL(&f.room.loop, has("a"));
}
