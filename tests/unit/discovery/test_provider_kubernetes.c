/* Lists and watches, answered byte by byte: what an API server would not say by itself, and the
 * moments that cannot be hit from outside. The rest is test_discovery_kubernetes.py's. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/providers.h"
#include "room.h"
#include "tests/lib/fake_backend.h"

static struct {
    struct room room;
    struct fake_backend server;
    struct config *config;
    struct discovery_source *source;
} f;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    room_init(&f.room);
    fake_backend_start(&f.server, &f.room.loop, "127.0.0.1:0");
    char *kubeconfig = xasprintf("current-context: x\n"
                                 "contexts: [{name: x, context: {cluster: y, namespace: shop}}]\n"
                                 "clusters: [{name: y, cluster: {server: 'http://%s'}}]\n",
                                 f.server.text);
    room_write(&f.room, "kubeconfig", kubeconfig);
    free(kubeconfig);
    char *block = xasprintf("type = \"kubernetes\"; service = \"web\"; kubeconfig = \"%s\"",
                            room_path(&f.room, "kubeconfig"));
    f.config = room_config(block, "");
    free(block);
    f.source = source_new(&f.room.context, f.config, f.config->pools[0].discovery);
    source_add_pool_locked(f.source, "api", false);
    IN_TURN(&f.room.loop, source_start(f.source, &discovery_kubernetes));
}

static void teardown(void)
{
    IN_TURN(&f.room.loop, source_stop(f.source));
    source_free(f.source);
    config_unref(&f.config);
    fake_backend_stop(&f.server);
    room_fini(&f.room);
}

TestSuite(provider_kubernetes, .init = setup, .fini = teardown);

/* The connection of the nth request, which has this in its target. */
static struct fake_connection *asked(unsigned n, const char *words)
{
    RUN_UNTIL(&f.room.loop,
              f.server.count > n && strstr(f.server.connections[n]->record, "\r\n\r\n"));
    cr_assert(strstr(f.server.connections[n]->record, words), "%s",
              f.server.connections[n]->record);
    return f.server.connections[n];
}

static void answer(struct fake_connection *c, const char *body)
{
    char *text = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);

    fake_send(c, text);
    free(text);
}

/* The head of a watch, and events; its end is the connection's. */
static void begin_watch(struct fake_connection *c, const char *events)
{
    fake_send(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    fake_send(c, events);
}

#define SLICE(name, address, version)                                                              \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version                          \
    "\"},\"addressType\":\"IPv4\",\"ports\":[{\"port\":80}],\"endpoints\":[{\"addresses\":["       \
    "\"" address "\"]}]}"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

/* A watch that has listed one slice with 10.0.0.1. */
static struct fake_connection *watching(void)
{
    answer(asked(0, "limit=500"), LIST("10", SLICE("s1", "10.0.0.1", "7")));
    return asked(1, "watch=true");
}

static void wait_ids(const char *ids)
{
    RUN_UNTIL(&f.room.loop, f.source->found && strcmp(room_ids(f.source->found), ids) == 0);
}

static void wait_failing(const char *words)
{
    RUN_UNTIL(&f.room.loop, f.source->state == SOURCE_FAILING);
    cr_expect(strstr(f.source->last_error, words), "%s", f.source->last_error);
}

Test(provider_kubernetes, a_list_is_the_set_and_its_version_is_where_the_watch_begins)
{
    struct fake_connection *watch = watching();

    wait_ids("10.0.0.1:80");
    cr_expect_eq(f.source->state, SOURCE_SYNCED);
    cr_expect(strstr(watch->record, "&resourceVersion=10&"));
    cr_expect(strstr(watch->record, "GET /apis/discovery.k8s.io/v1/namespaces/shop/"));
}

Test(provider_kubernetes, nothing_is_known_before_the_last_page)
{
    answer(asked(0, "limit=500"), "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"p2\"},"
                                  "\"items\":[" SLICE("s1", "10.0.0.1", "7") "]}");
    struct fake_connection *second = asked(1, "&continue=p2");

    cr_expect_null(f.source->found);
    answer(second, LIST("10", SLICE("s2", "10.0.0.2", "8")));
    wait_ids("10.0.0.1:80 10.0.0.2:80");
}

Test(provider_kubernetes, a_list_without_items_is_a_service_without_pods)
{
    answer(asked(0, "limit=500"), "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":null}");
    wait_ids("");
    asked(1, "&resourceVersion=1&");
}

Test(provider_kubernetes, what_is_no_list_is_a_failure)
{
    static const char *const bodies[] = {
        "[]",
        "{\"items\":[]}",
        "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":7}",
        "{\"metadata\":{\"resourceVersion\":\"1\"}}",
        "{\"metadata\":{\"resourceVersion\":7},\"items\":[]}",
    };

    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        uint64_t failures = f.source->failures;

        answer(asked(i, "limit=500"), bodies[i]);
        RUN_UNTIL(&f.room.loop, f.source->failures > failures);
        wait_failing("no EndpointSliceList");
        /* Not as long as the back-off would have it. */
        IN_TURN(&f.room.loop, source_stop(f.source));
        IN_TURN(&f.room.loop, source_start(f.source, &discovery_kubernetes));
    }
}

Test(provider_kubernetes, a_burst_of_events_is_one_set)
{
    struct fake_connection *watch = watching();
    unsigned changes = f.room.changes;

    begin_watch(watch, EVENT("ADDED", SLICE("s2", "10.0.0.2", "11"))
                           EVENT("ADDED", SLICE("s3", "10.0.0.3", "12"))
                               EVENT("MODIFIED", SLICE("s2", "10.0.0.4", "13"))
                                   EVENT("DELETED", SLICE("s1", "10.0.0.1", "14")));
    wait_ids("10.0.0.3:80 10.0.0.4:80");
    cr_expect_eq(f.room.changes, changes + 1);
}

Test(provider_kubernetes, a_watch_that_ends_goes_on_from_what_it_said_last)
{
    struct fake_connection *watch = watching();

    begin_watch(watch, EVENT("ADDED", SLICE("s2", "10.0.0.2", "11"))
                           EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"15\"}}"));
    fake_finish(watch);
    asked(2, "&resourceVersion=15&");
    wait_ids("10.0.0.1:80 10.0.0.2:80");
}

Test(provider_kubernetes, what_was_heard_before_a_failure_is_not_lost)
{
    struct fake_connection *watch = watching();

    begin_watch(watch, EVENT("ADDED", SLICE("s2", "10.0.0.2", "11"))
                           EVENT("ERROR", "{\"code\":500,\"message\":\"no leader\"}")
                               EVENT("DELETED", SLICE("s1", "10.0.0.1", "12")));
    wait_failing("status 500 to a watch: no leader");
    cr_expect_str_eq(room_ids(f.source->found), "10.0.0.1:80 10.0.0.2:80");
    run_turns(&f.room.loop, 20);
    cr_expect_eq(f.source->state, SOURCE_FAILING);
}

Test(provider_kubernetes, a_version_that_is_forgotten_once_is_no_failure_but_again_is)
{
    static const char gone[] = EVENT("ERROR", "{\"code\":410,\"reason\":\"Expired\"}");

    begin_watch(watching(), gone);
    answer(asked(2, "limit=500"), LIST("20", ""));
    struct fake_connection *second = asked(3, "&resourceVersion=20&");
    cr_expect_eq(f.source->failures, 0);
    begin_watch(second, gone);
    wait_failing("status 410 once more");
}

#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")

/* A list goes well, and what is asked next is a watch that fails, whatever the way. */
static void expect_one_event_of_watches_that_fail(void (*fail)(struct fake_connection *watch))
{
    fail(watching());
    wait_failing("");
    unsigned events = f.room.event_count;
    answer(asked(2, "limit=500"), LIST("20", SLICE("s2", "10.0.0.2", "15")));
    wait_ids("10.0.0.2:80");
    cr_expect_eq(f.source->state, SOURCE_FAILING);
    fail(asked(3, "&resourceVersion=20&"));
    RUN_UNTIL(&f.room.loop, f.source->failures == 2);
    answer(asked(4, "limit=500"), LIST("30", SLICE("s2", "10.0.0.2", "15")));
    cr_expect_eq(f.room.event_count, events);

    begin_watch(asked(5, "&resourceVersion=30&"), BOOKMARK("31"));
    RUN_UNTIL(&f.room.loop, f.source->state == SOURCE_SYNCED);
    cr_expect_eq(f.room.event_count, events + 1);
}

static void fail_by_refusal(struct fake_connection *watch)
{
    fake_send(watch, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}");
}

static void fail_by_event(struct fake_connection *watch)
{
    begin_watch(watch, EVENT("ERROR", "{\"code\":500,\"message\":\"no leader\"}"));
}

Test(provider_kubernetes, watches_that_are_refused_are_one_event_whatever_lists_bring)
{
    expect_one_event_of_watches_that_fail(fail_by_refusal);
}

Test(provider_kubernetes, watches_that_say_errors_are_one_event_whatever_lists_bring)
{
    expect_one_event_of_watches_that_fail(fail_by_event);
}

Test(provider_kubernetes, after_watches_that_failed_all_is_well_once_one_runs)
{
    fail_by_refusal(watching());
    answer(asked(2, "limit=500"), LIST("20", ""));
    struct fake_connection *watch = asked(3, "&resourceVersion=20&");

    run_turns(&f.room.loop, 20);
    cr_expect_eq(f.source->state, SOURCE_FAILING);
    begin_watch(watch, "");
    RUN_UNTIL(&f.room.loop, f.source->state == SOURCE_SYNCED);
}

/* Ends the connection as if it had lasted for that long. What is set from now on is late. */
static void break_after_ms(struct fake_connection *watch, uint64_t lasted_ms)
{
    unsigned turns = 50;

    fake_reset(watch);
    loop_enter(&f.room.loop);
    f.room.loop.now_ms += lasted_ms;
    run_turns(&f.room.loop, turns);
    loop_leave(&f.room.loop);
}

Test(provider_kubernetes, a_load_balancer_that_cuts_what_is_silent_is_no_failure)
{
    begin_watch(watching(), BOOKMARK("11"));
    run_turns(&f.room.loop, 20);
    fake_reset(f.server.connections[1]);
    begin_watch(asked(2, "&resourceVersion=11&"), "");
    run_turns(&f.room.loop, 20);
    break_after_ms(f.server.connections[2], 30 * 1000);
    cr_expect_eq(f.source->failures, 0, "%s", f.source->last_error);
}

Test(provider_kubernetes, a_watch_that_breaks_off_twice_at_once_is_a_failure)
{
    begin_watch(watching(), "");
    run_turns(&f.room.loop, 20);
    fake_reset(f.server.connections[1]);
    begin_watch(asked(2, "watch=true"), "");
    run_turns(&f.room.loop, 20);
    fake_reset(f.server.connections[2]);
    RUN_UNTIL(&f.room.loop, f.source->failures == 1);
}

Test(provider_kubernetes, it_can_be_stopped_at_any_moment)
{
    IN_TURN(&f.room.loop, source_stop(f.source)); /* before anything */
    IN_TURN(&f.room.loop, source_start(f.source, &discovery_kubernetes));
    asked(0, "limit=500");
    IN_TURN(&f.room.loop, source_stop(f.source)); /* while it lists */
    IN_TURN(&f.room.loop, source_start(f.source, &discovery_kubernetes));
    answer(asked(1, "limit=500"), LIST("10", ""));
    struct fake_connection *watch = asked(2, "watch=true");
    begin_watch(watch, EVENT("ADDED", SLICE("s2", "10.0.0.2", "11")));
    run_turns(&f.room.loop, 3); /* while it watches, with something to tell */
}
