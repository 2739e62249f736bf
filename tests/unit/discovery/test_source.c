/* A source's states, its last good set, and what it tells of both. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "room.h"

static struct {
    struct room room;
    struct config *config;
    struct discovery_source *source;
    unsigned starts, stops, leaves;
} f;

/* ---- a provider that says what the test says ---- */

static void *fake_start(struct discovery_source *source, const struct discovery_context *context)
{
    cr_assert_eq(source, f.source);
    cr_assert_eq(context->config, source->block);
    f.starts++;
    return &f;
}

static void fake_stop(void *watch)
{
    f.stops++;
}

static void fake_leave(void *watch)
{
    f.leaves++;
}

static const struct discovery_provider fake = {
    .start = fake_start, .stop = fake_stop, .leave = fake_leave};

static void start_block(const char *block)
{
    f.config = room_config(block, "");
    f.source = source_new(&f.room.context, f.config, f.config->pools[0].discovery);
    source_add_pool_locked(f.source, "api", f.source->block->allow_empty);
    IN_TURN(&f.room.loop, source_start(f.source, &fake));
    cr_assert_eq(f.starts, 1u);
}

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    room_init(&f.room);
}

static void teardown(void)
{
    if (f.source != NULL) {
        IN_TURN(&f.room.loop, source_stop(f.source));
        source_free(f.source);
    }
    if (f.config != NULL)
        config_unref(&f.config);
    room_fini(&f.room);
}

TestSuite(source, .init = setup, .fini = teardown);

#define PLAIN "type = \"file\"; path = \"/e.json\""

static void say(const char *text)
{
    json_error_t error;
    json_t *endpoints = json_loads(text, 0, &error);

    cr_assert_not_null(endpoints, "%s", error.text);
    IN_TURN(&f.room.loop, source_found(f.source, endpoints));
}

#define ONE   "[{\"id\": \"a\", \"address\": \"10.0.0.1:80\"}]"
#define OTHER "[{\"id\": \"b\", \"address\": \"10.0.0.2:80\"}]"

static json_t *shown(void)
{
    json_t *object;

    pthread_mutex_lock(&f.room.context.lock);
    object = source_json_locked(f.source);
    pthread_mutex_unlock(&f.room.context.lock);
    return object;
}

static void expect_shown(const char *key, const char *wanted)
{
    json_t *object = shown();
    char *got = json_dumps(json_object_get(object, key), JSON_ENCODE_ANY | JSON_COMPACT);

    cr_expect_str_eq(got, wanted, "%s: %s", key, got);
    free(got);
    json_decref(object);
}

static const char *state(void)
{
    return source_state_name(f.source->state);
}

Test(source, found_while_failing_is_taken_and_the_failure_goes_on)
{
    start_block(PLAIN);
    say(ONE);
    IN_TURN(&f.room.loop, source_failed(f.source, "the watch is refused"));
    unsigned events = f.room.event_count;
    uint64_t next_try_us = f.source->next_try_us;

    IN_TURN(&f.room.loop, source_found_while_failing(f.source, json_loads(OTHER, 0, NULL)));
    cr_expect_str_eq(room_ids(f.source->found), "b");
    cr_expect_str_eq(state(), "failing");
    cr_expect_eq(f.source->next_try_us, next_try_us);
    cr_expect_eq(f.source->backoff.failures, 1);
    cr_expect_eq(f.room.event_count, events);
    say(OTHER);
    cr_expect_str_eq(state(), "synced");
    cr_expect_eq(f.room.event_count, events + 1);
}

Test(source, is_connecting_until_it_answers)
{
    start_block(PLAIN);
    cr_expect_str_eq(state(), "connecting");
    expect_shown("last_sync", "null");
    expect_shown("last_error", "null");
    expect_shown("next_try_in_s", "null");
    cr_expect_eq(f.room.settled, 0u);
    say(ONE);
    cr_expect_str_eq(state(), "synced");
    cr_expect_eq(f.room.settled, 1u);
    cr_expect_eq(f.room.changes, 1u);
    cr_expect_eq(f.room.event_count, 0u, "that a source answers is nothing to be told");
    cr_expect_str_eq(room_ids(f.source->found), "a");
    expect_shown("endpoints", "1");
    expect_shown("syncs", "1");
    expect_shown("pools", "[\"api\"]");
    expect_shown("type", "\"file\"");
    expect_shown("source", "\"/e.json\"");
}

Test(source, tells_of_a_change_only_when_there_is_one)
{
    start_block(PLAIN);
    say(ONE);
    say(ONE);
    IN_TURN(&f.room.loop, source_unchanged(f.source));
    cr_expect_eq(f.room.changes, 1u);
    cr_expect_eq(f.source->syncs, 3u);
    say(OTHER);
    cr_expect_eq(f.room.changes, 2u);
    cr_expect_str_eq(room_ids(f.source->found), "b");
}

Test(source, keeps_its_last_good_set_while_it_fails)
{
    uint64_t delays[3];

    start_block(PLAIN);
    say(ONE);
    for (unsigned i = 0; i < 3; i++)
        IN_TURN(&f.room.loop, delays[i] = source_failed(f.source, "no. %u", i));
    cr_expect_str_eq(state(), "failing");
    cr_expect_str_eq(room_ids(f.source->found), "a");
    cr_expect_eq(f.room.changes, 1u);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_leq(delays[i], (uint64_t)BACKOFF_FIRST_MS << i);
        cr_expect_geq(delays[i], (uint64_t)BACKOFF_FIRST_MS / 2 << i);
    }
    expect_shown("last_error", "\"no. 2\"");
    expect_shown("failures", "3");
    cr_assert_eq(f.room.event_count, 1u, "once per outage");
    cr_expect_eq(f.room.events[0].what, DISCOVERY_LOST);
    cr_expect_str_eq(f.room.events[0].source, "file \"/e.json\"");
    cr_expect_str_eq(f.room.events[0].pool, "api");
    cr_expect_str_eq(f.room.events[0].from, "synced");
    cr_expect_str_eq(f.room.events[0].to, "failing");
    cr_expect_str_eq(f.room.events[0].why, "no. 0");
    cr_expect_not_null(strstr(f.room.events[0].next, "the last 1 endpoint stays; next try in "));
}

Test(source, tells_when_it_is_back_and_begins_its_backoff_anew)
{
    uint64_t delay;

    start_block(PLAIN);
    say(ONE);
    for (unsigned i = 0; i < 9; i++)
        IN_TURN(&f.room.loop, source_failed(f.source, "gone"));
    IN_TURN(&f.room.loop, source_unchanged(f.source));
    cr_assert_eq(f.room.event_count, 2u);
    cr_expect_eq(f.room.events[1].what, DISCOVERY_BACK);
    cr_expect_str_eq(f.room.events[1].from, "failing");
    cr_expect_str_eq(f.room.events[1].to, "synced");
    expect_shown("next_try_in_s", "null");
    expect_shown("last_error", "\"gone\"");
    IN_TURN(&f.room.loop, delay = source_failed(f.source, "again"));
    cr_expect_leq(delay, (uint64_t)BACKOFF_FIRST_MS);
    cr_expect_eq(f.room.event_count, 3u, "another outage");
}

Test(source, has_settled_when_it_failed)
{
    start_block(PLAIN);
    IN_TURN(&f.room.loop, source_failed(f.source, "gone"));
    IN_TURN(&f.room.loop, source_failed(f.source, "gone"));
    cr_expect_eq(f.room.settled, 1u);
    cr_expect_str_eq(f.room.events[0].from, "connecting");
    say(ONE);
    cr_expect_eq(f.room.settled, 1u);
}

Test(source, tells_an_empty_answer_once)
{
    start_block(PLAIN);
    say(ONE);
    say("[]");
    say("[]");
    cr_assert_eq(f.room.event_count, 1u);
    cr_expect_eq(f.room.events[0].what, DISCOVERY_EMPTY);
    cr_expect_str_eq(f.room.events[0].next,
                     "the last 1 endpoint stays; allow_empty = true would let them go");
    say(ONE);
    say("[]");
    cr_expect_eq(f.room.event_count, 2u);
}

Test(source, refuses_one_by_one_and_tells_it_once)
{
    static const char *const some =
        "[{\"id\": \"a\", \"address\": \"10.0.0.1:80\"}, {\"id\": \"a\", \"address\": \"h:2\"},"
        " 5, {\"id\": \"n\", \"address\": \"nonsense\"}]";

    start_block(PLAIN);
    IN_TURN(&f.room.loop, {
        source_refused(f.source, "entry 9: no port");
        source_found(f.source, json_loads(some, 0, NULL));
    });
    cr_expect_str_eq(room_ids(f.source->found), "a");
    cr_expect_eq(f.source->refused.count, 4u);
    cr_assert_eq(f.source->refused.reason_count, 4u);
    cr_expect_str_eq(f.source->refused.reasons[0], "entry 9: no port");
    say(some);
    cr_expect_eq(f.source->refused.count, 3u);
    cr_expect_eq(f.source->refusals, 7u);
    cr_assert_eq(f.room.event_count, 1u);
    cr_expect_eq(f.room.events[0].what, DISCOVERY_REFUSED);
    say(ONE);
    cr_expect_eq(f.source->refused.count, 0u);
    say(some);
    cr_expect_eq(f.room.event_count, 2u);
}

Test(source, keeps_its_last_good_set_when_nothing_of_an_answer_can_be_used)
{
    start_block(PLAIN "; allow_empty = true");
    say(ONE);
    say("[{\"id\": \"b\"}, 7]");
    cr_expect_str_eq(room_ids(f.source->found), "a");
    cr_expect_eq(f.room.changes, 1u);
    cr_assert_eq(f.room.event_count, 1u, "it does not say that there are none");
    cr_expect_eq(f.room.events[0].what, DISCOVERY_REFUSED);
    cr_expect_str_eq(f.room.events[0].next, "1 endpoint counts");
    say("[]");
    cr_expect_str_eq(room_ids(f.source->found), "");
    cr_expect_eq(f.room.changes, 2u);
    cr_expect_eq(f.room.events[1].what, DISCOVERY_EMPTY);
}

Test(source, keeps_only_the_first_reasons)
{
    start_block(PLAIN);
    IN_TURN(&f.room.loop, {
        for (unsigned i = 0; i < 100; i++)
            source_refused(f.source, "no. %u", i);
        source_found(f.source, json_array());
    });
    cr_expect_eq(f.source->refused.count, 100u);
    cr_expect_eq(f.source->refused.reason_count, (unsigned)CONFIG_FOUND_REASONS);
}

Test(source, forgets_the_refusals_of_an_answer_that_failed)
{
    start_block(PLAIN);
    IN_TURN(&f.room.loop, {
        source_refused(f.source, "half of it");
        source_failed(f.source, "it broke off");
    });
    say(ONE);
    cr_expect_eq(f.source->refused.count, 0u);
}

Test(source, lets_no_strange_bytes_through)
{
    start_block(PLAIN);
    IN_TURN(&f.room.loop, source_failed(f.source, "a\nb\x1b[1m \xff caf\xc3\xa9"));
    expect_shown("last_error", "\"a b [1m ? caf??\"");
    IN_TURN(&f.room.loop, source_failed(f.source, "caf\xc3\xa9"));
    expect_shown("last_error", "\"caf\xc3\xa9\"");
}

/* "é" is two bytes: one of these texts is cut between them. */
Test(source, cuts_long_texts_between_two_characters)
{
    static char text[400];

    start_block(PLAIN);
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        IN_TURN(&f.room.loop, {
            source_refused(f.source, "%s", text);
            source_found(f.source, json_array());
            source_failed(f.source, "%s", text);
        });
        cr_expect_null(strchr(f.source->refused.reasons[0], '?'), "%zu", shift);
        cr_expect_null(strchr(f.source->last_error, '?'), "%zu", shift);
        cr_expect_gt(strlen(f.source->last_error), (size_t)SOURCE_ERROR_BYTES - 4);
    }
}

Test(source, fails_in_a_later_turn_when_there_is_no_such_provider)
{
    f.config = room_config(PLAIN, "");
    f.source = source_new(&f.room.context, f.config, f.config->pools[0].discovery);
    loop_enter(&f.room.loop);
    source_start(f.source, NULL);
    cr_expect_eq(f.source->failures, 0u);
    loop_leave(&f.room.loop);
    RUN_UNTIL(&f.room.loop, f.source->failures == 1);
    expect_shown("last_error", "\"this evergate was built without discovery by file\"");
}

Test(source, hands_leave_on)
{
    start_block(PLAIN);
    IN_TURN(&f.room.loop, source_leave(f.source));
    cr_expect_eq(f.leaves, 1u);
}

/* ---- the cache ---- */

static void start_cached(const char *more)
{
    char *block = xasprintf(PLAIN "; cache = \"%s\"; %s", room_path(&f.room, "cache"), more);

    start_block(block);
    free(block);
}

static void expect_cached(const char *wanted)
{
    char *text = room_read(&f.room, "cache");

    cr_assert_not_null(text);
    cr_expect_str_eq(text, wanted);
    free(text);
}

#define CACHED_ONE "{\"endpoints\":[{\"id\":\"a\",\"address\":\"10.0.0.1:80\"}]}"

Test(source_cache, is_published_at_once_but_is_no_answer, .init = setup, .fini = teardown)
{
    room_write(&f.room, "cache", CACHED_ONE);
    start_cached("");
    cr_expect_str_eq(state(), "connecting");
    cr_expect_str_eq(room_ids(f.source->found), "a");
    cr_expect_eq(f.room.changes, 1u);
    cr_expect_eq(f.room.settled, 0u);
    expect_shown("from_cache", "true");
    IN_TURN(&f.room.loop, source_failed(f.source, "gone"));
    expect_shown("from_cache", "true");
    cr_expect_str_eq(room_ids(f.source->found), "a");
    say(ONE);
    expect_shown("from_cache", "false");
    cr_expect_eq(f.room.changes, 2u, "an answer counts for more than a cache");
}

/* What came as an address alone is kept as an object. */
Test(source_cache, may_be_larger_than_an_answer, .init = setup, .fini = teardown)
{
    char *large = xasprintf("%70000s", CACHED_ONE);

    room_write(&f.room, "cache", large);
    start_cached("max_bytes = \"64k\"");
    cr_assert_not_null(f.source->found);
    cr_expect_str_eq(room_ids(f.source->found), "a");
    free(large);
}

Test(source_cache, is_written_for_its_owner_only, .init = setup, .fini = teardown)
{
    struct stat st;

    start_cached("");
    say(ONE);
    RUN_UNTIL(&f.room.loop, stat(room_path(&f.room, "cache"), &st) == 0);
    cr_expect_eq(st.st_mode & 0777, 0600u);
    expect_cached(CACHED_ONE);
}

Test(source_cache, is_written_once_a_second_and_at_the_end, .init = setup, .fini = teardown)
{
    struct stat st;

    start_cached("");
    say(ONE);
    RUN_UNTIL(&f.room.loop, stat(room_path(&f.room, "cache"), &st) == 0);
    say(OTHER);
    run_turns(&f.room.loop, 20);
    expect_cached(CACHED_ONE);
    IN_TURN(&f.room.loop, source_stop(f.source));
    expect_cached("{\"endpoints\":[{\"id\":\"b\",\"address\":\"10.0.0.2:80\"}]}");
}

Test(source_cache, keeps_the_last_set_that_was_not_empty, .init = setup, .fini = teardown)
{
    start_cached("");
    say(ONE);
    say("[]");
    IN_TURN(&f.room.loop, source_stop(f.source));
    expect_cached(CACHED_ONE);
}

Test(source_cache, holds_an_empty_set_where_one_is_allowed, .init = setup, .fini = teardown)
{
    start_cached("allow_empty = true");
    say(ONE);
    say("[]");
    IN_TURN(&f.room.loop, source_stop(f.source));
    expect_cached("{\"endpoints\":[]}");
}

Test(source_cache, is_left_aside_when_it_is_broken, .init = setup, .fini = teardown)
{
    static const char *const broken[] = {"", "{", "[]", "{\"endpoints\": 5}", "\xff"};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct source_cache *cache = source_cache_new(&f.room.loop, room_path(&f.room, "cache"));

        room_write(&f.room, "cache", broken[i]);
        cr_expect_null(source_cache_load(cache, 1000));
        source_cache_free(&cache);
    }
}

Test(source_cache, that_cannot_be_written_harms_nobody, .init = setup, .fini = teardown)
{
    start_cached("");
    room_make(&f.room, "cache");
    say(ONE);
    IN_TURN(&f.room.loop, source_stop(f.source));
    cr_expect_str_eq(state(), "synced");
}

/* ---- names ---- */

static void expect_names(const char *block, const char *wanted_title, const char *wanted_label)
{
    struct config *config = room_config(block, "");
    char *title = source_title(config->pools[0].discovery), label[128];

    source_label(config->pools[0].discovery, 1, label, sizeof(label));
    cr_expect_str_eq(title, wanted_title, "%s", title);
    cr_expect_str_eq(label, wanted_label, "%s", label);
    free(title);
    config_unref(&config);
}

Test(source, is_called_by_what_it_looks_for_and_where)
{
    expect_names(PLAIN, "file \"/e.json\"", "/e.json");
    expect_names("type = \"dns\"; name = \"api.internal:80\"", "dns \"api.internal:80\"",
                 "api.internal:80");
    expect_names("type = \"dns\"; name = \"_http._tcp.api\"; record = \"srv\"",
                 "dns SRV \"_http._tcp.api\"", "_http._tcp.api");
    expect_names("type = \"consul\"; service = \"api\"; address = [\"a:8500\", \"b:8500\"]; "
                 "token = \"secret\"",
                 "consul \"api\" at a:8500, b:8500", "api at a:8500, b:8500");
    expect_names("type = \"kubernetes\"; service = \"api\"; namespace = \"shop\"",
                 "kubernetes \"api\" in namespace shop", "api in namespace shop");
    expect_names("type = \"etcd\"; prefix = \"/api/\"; address = \"127.0.0.1:2379\"",
                 "etcd \"/api/\" at 127.0.0.1:2379", "/api/ at 127.0.0.1:2379");
}

Test(source, cuts_a_label_where_a_character_ends)
{
    struct config_discovery block = {.type = CONFIG_DISCOVERY_FILE, .path = "/caf\xc3\xa9s"};
    char label[7];

    source_label(&block, 1, label, sizeof(label));
    cr_expect_str_eq(label, "/caf\xc3\xa9");
    source_label(&block, 1, label, sizeof(label) - 1);
    cr_expect_str_eq(label, "/caf");
    source_label(&block, 12, label, sizeof(label));
    cr_expect_str_eq(label, "/c #12");
}
