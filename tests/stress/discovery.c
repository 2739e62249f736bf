/*
 * Discovery under threads. A plain program, so that ThreadSanitizer can watch it.
 *
 *   stress_discovery   a server changes which sources there are, waits for them and collects what
 *                      they say; a writer changes, breaks, deletes and returns the files that are
 *                      the sources; two readers look on. Afterwards the files rest, and every pool
 *                      comes to have what its file says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "discovery/discovery.h"
#include "random.h"

enum { FILES = 4, CONFIGS = 6, ROUNDS = 400, WRITES = 6000, READERS = 2, STATS = 8 };
enum { LIMIT_MS = 60 * 1000 };

static struct {
    char directory[64];
    struct config *configs[CONFIGS];
    struct discovery *discovery;
    _Atomic unsigned changes, events, thens, awaits;
    _Atomic bool ending;
} s;

/* ---- the files ---- */

static char *file_path(unsigned file)
{
    return xasprintf("%s/%u.json", s.directory, file);
}

static void file_write(unsigned file, const char *text)
{
    char *path = file_path(file), *beside = xasprintf("%s.new", path);
    FILE *f = fopen(beside, "w");

    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    CHECK(rename(beside, path) == 0);
    free(beside);
    free(path);
}

/* `count` endpoints, f0 to fN. */
static void file_write_endpoints(unsigned file, unsigned count)
{
    json_t *array = json_array();
    char *text;

    for (unsigned i = 0; i < count; i++) {
        char id[16], address[32];

        snprintf(id, sizeof(id), "f%u", i);
        snprintf(address, sizeof(address), "10.0.%u.%u:80", file, i);
        json_array_append_new(array, json_pack("{s:s, s:s}", "id", id, "address", address));
    }
    text = json_dumps(array, 0);
    file_write(file, text);
    free(text);
    json_decref(array);
}

static void *writer_main(void *arg)
{
    uint64_t random = 7;

    for (unsigned i = 0; i < WRITES; i++) {
        unsigned file = (unsigned)(random_next(&random) % FILES);

        switch (random_next(&random) % 8) {
        case 0:
            file_write(file, "half of [");
            break;
        case 1:
            file_write(file, "[]");
            break;
        case 2: {
            char *path = file_path(file);

            unlink(path);
            free(path);
            break;
        }
        default:
            file_write_endpoints(file, 1 + (unsigned)(random_next(&random) % 20));
        }
        sched_yield();
    }
    for (unsigned file = 0; file < FILES; file++)
        file_write_endpoints(file, file + 1);
    return NULL;
}

/* ---- configurations: each has some of the files, some of them twice ---- */

static char *pool_text(unsigned pool, unsigned file, bool allow_empty)
{
    return xasprintf("{ name = \"p%u\"; discovery = { type = \"file\"; path = \"%s/%u.json\"; "
                     "cache = \"%s/%u.cache\"; allow_empty = %s; } }",
                     pool, s.directory, file, s.directory, file, allow_empty ? "true" : "false");
}

static struct config *config_of(unsigned first, unsigned pools)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *list = xstrdup(""), *text;

    for (unsigned i = 0; i < pools; i++) {
        char *pool = pool_text(i, (first + i) % FILES, i % 2 == 1);
        char *longer = xasprintf("%s%s%s", list, i > 0 ? ", " : "", pool);

        free(pool);
        free(list);
        list = longer;
    }
    text = xasprintf("listeners = ({ name = \"l\"; bind = \":8080\"; });\npools = (%s);\n"
                     "routes = ({ name = \"r\"; pool = \"p0\"; });\n",
                     list);
    CHECK(config_load_text(&config, "stress.conf", text, &errors) == 0);
    config_errors_free(&errors);
    free(text);
    free(list);
    return config;
}

/* ---- who uses discovery ---- */

static void on_changed(void *arg)
{
    atomic_fetch_add(&s.changes, 1);
}

static void on_event(void *arg, const struct discovery_event *event)
{
    CHECK(strlen(event->source) > 0 && strlen(event->why) > 0 && strlen(event->next) > 0);
    atomic_fetch_add(&s.events, 1);
}

static void on_settled(void *arg)
{
    atomic_fetch_add(&s.thens, 1);
}

static void on_waited(void *arg)
{
    sem_post(arg);
}

static void wait_settled(void)
{
    sem_t settled;

    CHECK(sem_init(&settled, 0, 0) == 0);
    discovery_await(s.discovery, LIMIT_MS, on_waited, &settled);
    CHECK(sem_wait(&settled) == 0);
    sem_destroy(&settled);
}

static void look(const struct config *config)
{
    struct config_discovered *discovered = discovery_collect(s.discovery, config, NULL);
    struct discovery_source_stats stats[STATS];
    json_t *json = discovery_json(s.discovery);

    for (size_t i = 0; i < config->pool_count; i++) {
        struct config_found *found = config_discovered_get(discovered, config->pools[i].name);

        CHECK(found == NULL || config_found_count(found) <= 20);
    }
    CHECK(json_array_size(json) <= FILES * 2);
    CHECK(discovery_stats(s.discovery, stats, STATS) <= FILES * 2);
    json_decref(json);
    config_discovered_unref(&discovered);
}

static void *reader_main(void *arg)
{
    while (!atomic_load(&s.ending)) {
        look(s.configs[0]);
        sched_yield();
    }
    return NULL;
}

static void serve(void)
{
    uint64_t random = 3;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct config *config = s.configs[random_next(&random) % CONFIGS];
        struct config *also = s.configs[random_next(&random) % CONFIGS];

        discovery_follow(s.discovery, config, i % 3 == 0 ? also : NULL);
        if (i % 2 == 0) {
            wait_settled();
        } else {
            atomic_fetch_add(&s.awaits, 1);
            discovery_await(s.discovery, LIMIT_MS, on_settled, NULL);
        }
        if (i % 5 == 0)
            discovery_leave(s.discovery);
        look(config);
    }
}

/* ---- the end ---- */

static bool is_what_the_files_say(const struct config *config)
{
    struct config_discovered *discovered = discovery_collect(s.discovery, config, NULL);
    bool good = true;

    for (size_t i = 0; i < config->pool_count; i++) {
        struct config_found *found = config_discovered_get(discovered, config->pools[i].name);

        good &= found != NULL && config_found_count(found) == i % FILES + 1;
    }
    config_discovered_unref(&discovered);
    return good;
}

static void come_to_rest(void)
{
    uint64_t end_us = clock_monotonic_us() + (uint64_t)LIMIT_MS * 1000;

    discovery_follow(s.discovery, s.configs[0], NULL);
    while (!is_what_the_files_say(s.configs[0])) {
        CHECK(clock_monotonic_us() < end_us);
        sched_yield();
    }
}

static void setup(void)
{
    const struct discovery_params params = {.on_changed = on_changed, .on_event = on_event};
    char *why = NULL;

    snprintf(s.directory, sizeof(s.directory), "/tmp/evergate-stress-XXXXXX");
    CHECK(mkdtemp(s.directory) != NULL);
    for (unsigned i = 0; i < CONFIGS; i++)
        s.configs[i] = config_of(i == 0 ? 0 : i, i == 0 ? FILES : 1 + i);
    CHECK(discovery_new(&s.discovery, &params, &why) == 0);
}

static void teardown(void)
{
    static const char *const names[] = {"json", "json.new", "cache"};

    for (unsigned i = 0; i < CONFIGS; i++)
        config_unref(&s.configs[i]);
    for (unsigned file = 0; file < FILES; file++) {
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            char *path = xasprintf("%s/%u.%s", s.directory, file, names[i]);

            CHECK(unlink(path) == 0 || errno == ENOENT);
            free(path);
        }
    }
    CHECK(rmdir(s.directory) == 0);
}

int main(void)
{
    pthread_t writer, readers[READERS];

    setup();
    CHECK(pthread_create(&writer, NULL, writer_main, NULL) == 0);
    for (unsigned i = 0; i < READERS; i++)
        CHECK(pthread_create(&readers[i], NULL, reader_main, NULL) == 0);
    serve();
    CHECK(pthread_join(writer, NULL) == 0);
    come_to_rest();
    atomic_store(&s.ending, true);
    for (unsigned i = 0; i < READERS; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
    discovery_free(&s.discovery);
    CHECK(atomic_load(&s.thens) == atomic_load(&s.awaits));
    printf("%u changes, %u events, %u waits that were answered\n", atomic_load(&s.changes),
           atomic_load(&s.events), atomic_load(&s.thens));
    teardown();
    return 0;
}
