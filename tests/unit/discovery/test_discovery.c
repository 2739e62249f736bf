/* Sources by configuration, waiting for them, and what they come to for each pool. With the thread
 * that it has, and files as sources. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/overlay.h"
#include "room.h"

enum { LIMIT_MS = 10 * 1000 };

static struct {
    struct room room;
    struct discovery *discovery;
    pthread_mutex_t lock;
    pthread_cond_t happened;
    unsigned changes, events, thens;
} f;

static void count(unsigned *counter)
{
    pthread_mutex_lock(&f.lock);
    (*counter)++;
    pthread_cond_broadcast(&f.happened);
    pthread_mutex_unlock(&f.lock);
}

static void on_changed(void *arg)
{
    count(&f.changes);
}

static void on_event(void *arg, const struct discovery_event *event)
{
    count(&f.events);
}

static void then(void *arg)
{
    count(arg);
}

/* Until what is counted is so many. */
static void until(unsigned *counter, unsigned wanted)
{
    struct timespec end;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += LIMIT_MS / 1000;
    pthread_mutex_lock(&f.lock);
    while (*counter < wanted && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&f.happened, &f.lock, &end);
    cr_assert_geq(*counter, wanted);
    pthread_mutex_unlock(&f.lock);
}

static void setup(void)
{
    const struct discovery_params params = {.on_changed = on_changed, .on_event = on_event};
    char *why = NULL;

    memset(&f, 0, sizeof(f));
    room_init(&f.room);
    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.happened, NULL);
    cr_assert_eq(discovery_new(&f.discovery, &params, &why), 0, "%s", why);
}

static void teardown(void)
{
    discovery_free(&f.discovery);
    room_fini(&f.room);
}

TestSuite(discovery, .init = setup, .fini = teardown);

/* ---- configurations and what comes of them ---- */

/* A pool "api" with a file of the room. */
static struct config *config_of(const char *name, const char *keys, const char *more)
{
    char *block = xasprintf("type = \"file\"; path = \"%s\"; %s", room_path(&f.room, name), keys);
    struct config *config = room_config(block, more);

    free(block);
    return config;
}

/* The pool `web` with another file, or with the same one. */
static char *web(const char *name, const char *keys)
{
    return xasprintf(", { name = \"web\"; discovery = { type = \"file\"; path = \"%s\"; %s } }",
                     room_path(&f.room, name), keys);
}

static void wait_settled(void)
{
    unsigned settled = 0;

    discovery_await(f.discovery, LIMIT_MS, then, &settled);
    until(&settled, 1);
}

static void follow(struct config *config)
{
    discovery_follow(f.discovery, config, NULL);
    wait_settled();
}

/* "a b", or "none" when nothing was put. */
static void expect_collected(struct config *config, struct config *served, const char *pool,
                             const char *wanted)
{
    struct config_discovered *discovered = discovery_collect(f.discovery, config, served);
    struct config_found *found = config_discovered_get(discovered, pool);

    cr_expect_str_eq(found != NULL ? room_ids(found) : "none", wanted, "%s",
                     found != NULL ? room_ids(found) : "none");
    config_discovered_unref(&discovered);
}

/* As the server does after a round: the sets are laid over the file. */
static struct config *serve(struct config *base)
{
    struct config_discovered *discovered = discovery_collect(f.discovery, base, NULL);
    struct config_overlay *overlay = config_overlay_new();
    struct config_errors errors;
    struct config *served = NULL;

    cr_assert_eq(config_overlay_apply(&served, overlay, base, discovered, &errors), 0);
    config_errors_free(&errors);
    config_overlay_free(overlay);
    config_discovered_unref(&discovered);
    return served;
}

static json_t *source_at(size_t index, size_t count_wanted)
{
    json_t *array = discovery_json(f.discovery);
    json_t *source = json_incref(json_array_get(array, index));

    cr_assert_eq(json_array_size(array), count_wanted);
    json_decref(array);
    return source;
}

#define ONE   "[{\"id\": \"a\", \"address\": \"10.0.0.1:80\"}]"
#define OTHER "[{\"id\": \"b\", \"address\": \"10.0.0.2:80\"}]"

Test(discovery, waits_until_all_have_answered_or_failed)
{
    char *more = web("missing", "");
    struct config *config = config_of("one", "", more);

    room_write(&f.room, "one", ONE);
    follow(config);
    expect_collected(config, NULL, "api", "a");
    expect_collected(config, NULL, "web", "none");
    cr_expect_geq(f.changes, 1u);
    until(&f.events, 1); /* the missing file */
    free(more);
    config_unref(&config);
}

Test(discovery, shares_one_watch_among_pools_that_say_the_same)
{
    char *more = web("one", "allow_empty = true");
    struct config *config = config_of("one", "", more);
    json_t *source;

    room_write(&f.room, "one", ONE);
    follow(config);
    source = source_at(0, 1);
    cr_expect_eq(json_array_size(json_object_get(source, "pools")), 2u);
    cr_expect_eq(json_integer_value(json_object_get(source, "syncs")), 1);
    expect_collected(config, NULL, "api", "a");
    expect_collected(config, NULL, "web", "a");
    json_decref(source);
    free(more);
    config_unref(&config);
}

Test(discovery, leaves_alone_what_a_reload_leaves_alone)
{
    char *more = web("other", "");
    struct config *config = config_of("one", "", ""), *next = config_of("one", "", more);
    json_t *source;

    room_write(&f.room, "one", ONE);
    room_write(&f.room, "other", OTHER);
    follow(config);
    follow(next);
    config_unref(&config); /* whose block the source began with */
    source = source_at(0, 2);
    cr_expect_eq(json_integer_value(json_object_get(source, "syncs")), 1);
    json_decref(source);
    room_replace(&f.room, "one", OTHER);
    until(&f.changes, 3);
    expect_collected(next, NULL, "api", "b");
    free(more);
    config_unref(&next);
}

Test(discovery, stops_what_nobody_names_any_more)
{
    char *more = web("other", "");
    struct config *config = config_of("one", "", more), *next = config_of("one", "", "");

    room_write(&f.room, "one", ONE);
    room_write(&f.room, "other", OTHER);
    follow(config);
    follow(next);
    json_decref(source_at(0, 1));
    expect_collected(config, NULL, "web", "none");
    free(more);
    config_unref(&config);
    config_unref(&next);
}

Test(discovery, follows_a_candidate_beside_what_is_served)
{
    struct config *config = config_of("one", "", ""), *also = config_of("other", "", "");

    room_write(&f.room, "one", ONE);
    room_write(&f.room, "other", OTHER);
    discovery_follow(f.discovery, config, also);
    wait_settled();
    expect_collected(config, NULL, "api", "a");
    expect_collected(also, NULL, "api", "b");
    config_unref(&config);
    config_unref(&also);
}

Test(discovery, tells_sources_apart_that_look_the_same)
{
    char *more = web("one", "max_bytes = \"1m\"");
    struct config *config = config_of("one", "", more);
    struct discovery_source_stats stats[3];

    room_write(&f.room, "one", ONE);
    follow(config);
    cr_assert_eq(discovery_stats(f.discovery, stats, 3), 2u);
    cr_expect_str_eq(stats[0].type, "file");
    cr_expect_str_eq(stats[0].source, room_path(&f.room, "one"));
    cr_expect_str_eq(stats[1].source, room_path(&f.room, "one #2"));
    cr_expect(stats[0].up && stats[1].up);
    cr_expect_eq(stats[0].endpoints, 1u);
    cr_expect_eq(discovery_stats(f.discovery, stats, 1), 2u);
    free(more);
    config_unref(&config);
}

/* "é" is two bytes: before one of these numbers a label is cut between them. */
Test(discovery, cuts_a_label_before_its_number_where_a_character_ends)
{
    for (size_t shift = 0; shift < 2; shift++) {
        struct discovery_source_stats stats[2];
        char name[160] = "/x", *blocks, *block;
        struct config *config;
        json_t *text;

        for (size_t i = 1 + shift; i + 2 < sizeof(name); i += 2)
            memcpy(name + i, "\xc3\xa9", 3);
        block = xasprintf("type = \"file\"; path = \"%s\"", name);
        blocks = xasprintf(", { name = \"web\"; discovery = { %s; max_bytes = \"1m\" } }", block);
        config = room_config(block, blocks);
        follow(config);
        cr_assert_eq(discovery_stats(f.discovery, stats, 2), 2u);
        cr_expect_str_eq(strrchr(stats[1].source, ' '), " #2");
        text = json_string(stats[1].source);
        cr_expect_not_null(text, "no UTF-8: %s", stats[1].source);
        json_decref(text);
        free(block);
        free(blocks);
        config_unref(&config);
    }
}

/* ---- what a pool had ---- */

Test(discovery, leaves_a_pool_what_it_had_when_the_set_is_empty)
{
    char *more = web("one", "allow_empty = true");
    struct config *config = config_of("one", "", more), *served;

    room_write(&f.room, "one", ONE);
    follow(config);
    served = serve(config);
    cr_assert_eq(served->pools[0].backend_count, 1u);
    room_replace(&f.room, "one", "[]");
    until(&f.changes, 2);
    expect_collected(config, served, "api", "a");
    expect_collected(config, served, "web", "");
    free(more);
    config_unref(&served);
    config_unref(&config);
}

Test(discovery, leaves_a_pool_what_it_had_when_its_block_changes)
{
    struct config *config = config_of("one", "", ""), *next = config_of("missing", "", "");
    struct config *served;

    room_write(&f.room, "one", ONE);
    follow(config);
    served = serve(config);
    follow(next);
    expect_collected(next, served, "api", "a");
    config_unref(&served);
    config_unref(&config);
    config_unref(&next);
}

Test(discovery, begins_with_the_endpoints_of_the_file_in_a_pool_that_had_no_block)
{
    struct config *served = NULL, *next = config_of("missing", "", "");
    struct config_errors errors;

    cr_assert_eq(config_load_text(&served, "edge.conf",
                                  "listeners = ({ name = \"l\"; bind = \":8080\"; });\n"
                                  "pools = ({ name = \"api\"; backends = ("
                                  "{ id = \"old\"; address = \"10.0.0.9:80\"; }); });\n",
                                  &errors),
                 0);
    config_errors_free(&errors);
    follow(next);
    expect_collected(next, served, "api", "old");
    room_write(&f.room, "missing", ONE);
    until(&f.changes, 1);
    expect_collected(next, served, "api", "a");
    config_unref(&served);
    config_unref(&next);
}

/* What an heir was handed counts before its cache, and an answer before both, though it be the same
 * as the cache. */
Test(discovery, begins_with_the_cache_only_where_the_pool_had_nothing)
{
    char *cached = xasprintf("cache = \"%s\"", room_path(&f.room, "cache"));
    struct config *config = config_of("one", "", ""), *next = config_of("missing", cached, "");
    struct config *served;

    room_write(&f.room, "one", ONE);
    room_write(&f.room, "cache", "{\"endpoints\": " OTHER "}");
    follow(config);
    served = serve(config);
    follow(next);
    expect_collected(next, NULL, "api", "b");
    expect_collected(next, served, "api", "a");
    until(&f.changes, 2);
    room_write(&f.room, "missing", OTHER);
    until(&f.changes, 3);
    expect_collected(next, served, "api", "b");
    free(cached);
    config_unref(&served);
    config_unref(&config);
    config_unref(&next);
}

/* A cache's set is the last good one too: nobody is served yet. */
Test(discovery, begins_with_the_cache_when_the_first_answer_is_empty)
{
    char *cached = xasprintf("cache = \"%s\"", room_path(&f.room, "cache"));
    struct config *config = config_of("one", cached, ""), *served;

    room_write(&f.room, "one", "[]");
    room_write(&f.room, "cache", "{\"endpoints\": " OTHER "}");
    follow(config);
    expect_collected(config, NULL, "api", "b");
    served = serve(config);
    room_replace(&f.room, "one", ONE);
    until(&f.changes, 3);
    expect_collected(config, served, "api", "a");
    free(cached);
    config_unref(&served);
    config_unref(&config);
}

Test(discovery, a_first_answer_of_nonsense_empties_no_pool)
{
    struct config *config = config_of("one", "", ""), *served;
    struct config *next = config_of("other", "allow_empty = true", "");

    room_write(&f.room, "one", ONE);
    room_write(&f.room, "other", "[{\"id\": \"b\"}]");
    follow(config);
    served = serve(config);
    follow(next);
    expect_collected(next, served, "api", "a");
    config_unref(&served);
    config_unref(&config);
    config_unref(&next);
}

/* ---- waiting without blocking ---- */

Test(discovery, calls_when_all_have_settled)
{
    struct config *config = config_of("one", "", "");

    room_write(&f.room, "one", ONE);
    discovery_follow(f.discovery, config, NULL);
    discovery_await(f.discovery, LIMIT_MS, then, &f.thens);
    until(&f.thens, 1);
    expect_collected(config, NULL, "api", "a");
    discovery_await(f.discovery, LIMIT_MS, then, &f.thens);
    until(&f.thens, 2); /* nothing to wait for */
    config_unref(&config);
}

Test(discovery, calls_everybody_who_waits_once)
{
    struct config *config = config_of("one", "", "");
    unsigned first = 0, second = 0, last = 0;

    room_write(&f.room, "one", ONE);
    discovery_follow(f.discovery, config, NULL);
    discovery_await(f.discovery, LIMIT_MS, then, &first);
    discovery_await(f.discovery, 0, then, &second);
    until(&first, 1);
    until(&second, 1);
    discovery_await(f.discovery, LIMIT_MS, then, &last);
    discovery_free(&f.discovery);
    cr_expect_eq(first, 1u);
    cr_expect_eq(second, 1u);
    cr_expect_eq(last, 1u);
    config_unref(&config);
}

Test(discovery, may_end_with_everything_under_way)
{
    struct config *config = config_of("one", "", "");

    room_write(&f.room, "one", ONE);
    discovery_follow(f.discovery, config, NULL);
    discovery_leave(f.discovery);
    discovery_free(&f.discovery);
    cr_expect_null(f.discovery);
    config_unref(&config);
}
