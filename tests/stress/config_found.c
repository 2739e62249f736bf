/*
 * Found sets and the snapshots made of them, under threads. A plain program, so that
 * ThreadSanitizer can watch it.
 *
 *   stress_config_found   a source makes sets, most of each shared with the one before; a server
 *                         lays them over two bases and compares; readers look at whatever is
 *                         served, and may be the last to let go of it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found.h"
#include "config/overlay.h"
#include "config/plan.h"

enum { SETS = 1500, ENDPOINTS = 40, READERS = 3, POOLS = 2 };

static struct {
    pthread_mutex_t lock;
    struct config_found *found; /* what the source says */
    struct config *served;
    _Atomic bool told, ending; /* the source, the server are done */
    _Atomic unsigned looks;
} s = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the source ---- */

/* In set `number`, one endpoint says its number; the others what they said before. */
static json_t *set_json(unsigned number)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < ENDPOINTS; i++) {
        unsigned since = number >= i ? number - (number - i) % ENDPOINTS : 0;
        json_t *endpoint =
            json_pack("{s:o, s:o, s:{s:o}, s:s}", "id", json_sprintf("e%02u", i), "address",
                      json_sprintf("10.0.0.%u:80", i + 1), "metadata", "since",
                      json_sprintf("%u", since), "reported", since % 2 ? "healthy" : "degraded");

        if ((number / ENDPOINTS + i) % 7 != 0)
            json_array_append(array, endpoint);
        json_decref(endpoint);
    }
    return array;
}

static void *source_main(void *arg)
{
    for (unsigned number = 0; number < SETS; number++) {
        struct config_found *before = s.found, *found;
        struct config_refused refused;
        json_t *array = set_json(number);

        found = config_found_new(array, before, &refused);
        json_decref(array);
        CHECK(refused.count == 0);
        config_refused_fini(&refused);
        CHECK(pthread_mutex_lock(&s.lock) == 0);
        s.found = found;
        CHECK(pthread_mutex_unlock(&s.lock) == 0);
        config_found_unref(&before);
        sched_yield();
    }
    atomic_store(&s.told, true);
    return NULL;
}

/* ---- the server ---- */

static struct config *base_new(void)
{
    struct config *base = NULL;
    struct config_errors errors;

    CHECK(config_load_text(&base, "stress.conf",
                           "listeners = ( { bind = \":80\"; } );\n"
                           "pools = ( { name = \"p0\"; backends = ( { id = \"e03\"; address = "
                           "\"10.9.9.9:80\"; } ); }, { name = \"p1\"; } );\n"
                           "routes = ( { pool = \"p0\"; } );\n",
                           &errors) == 0);
    config_errors_free(&errors);
    return base;
}

static struct config_discovered *collect(const struct config *served)
{
    struct config_discovered *discovered =
        config_discovered_new(served != NULL ? served->discovered : NULL);
    struct config_found *found;

    CHECK(pthread_mutex_lock(&s.lock) == 0);
    found = s.found != NULL ? config_found_ref(s.found) : NULL;
    CHECK(pthread_mutex_unlock(&s.lock) == 0);
    for (unsigned i = 0; found != NULL && i < POOLS; i++)
        config_discovered_put(discovered, i == 0 ? "p0" : "p1", found);
    config_found_unref(&found);
    return discovered;
}

/* Takes over the reference. */
static void publish(struct config *config)
{
    struct config *before;

    CHECK(pthread_mutex_lock(&s.lock) == 0);
    before = s.served;
    s.served = config;
    CHECK(pthread_mutex_unlock(&s.lock) == 0);
    config_unref(&before);
}

static struct config *look_at(void)
{
    struct config *config;

    CHECK(pthread_mutex_lock(&s.lock) == 0);
    config = s.served != NULL ? config_ref(s.served) : NULL;
    CHECK(pthread_mutex_unlock(&s.lock) == 0);
    return config;
}

static void compare(const struct config *from, const struct config *to)
{
    struct config_plan *plan = config_plan_new(from, to);

    for (size_t i = 0; i < to->pool_count; i++)
        CHECK(!config_pool_is_shared(from, &from->pools[i], to, &to->pools[i]) ||
              config_pool_differences(from, &from->pools[i], to, &to->pools[i]) == 0);
    CHECK(!config_discovered_equal(from->discovered, to->discovered) || plan->count == 0);
    config_plan_free(plan);
}

static void *server_main(void *arg)
{
    struct config_overlay *overlay = config_overlay_new();
    struct config *base = base_new();

    for (unsigned round = 0; !atomic_load(&s.told); round++) {
        struct config *before = look_at(), *config = NULL;
        struct config_discovered *discovered = collect(before);
        struct config_errors errors;

        if (round % 16 == 15) { /* a reload */
            config_unref(&base);
            base = base_new();
        }
        CHECK(config_overlay_apply(&config, overlay, base, discovered, &errors) == 0);
        config_errors_free(&errors);
        config_discovered_unref(&discovered);
        if (before != NULL)
            compare(before, config);
        publish(config);
        config_unref(&before);
    }
    config_unref(&base);
    config_overlay_free(overlay);
    atomic_store(&s.ending, true);
    return NULL;
}

/* ---- readers: workers that serve, and the letter to the next binary ---- */

static void read_pool(const struct config_pool *pool)
{
    for (size_t i = 0; i < pool->backend_count; i++) {
        const struct config_backend *backend = &pool->backends[i];

        CHECK(strncmp(backend->id, "e", 1) == 0 && backend->port == 80);
        CHECK((backend->where.line > 0) == (backend->metadata_count == 0));
        if (backend->metadata_count > 0)
            CHECK(backend->reported == (strtoul(backend->metadata[0].value, NULL, 10) % 2
                                            ? CONFIG_REPORTED_HEALTHY
                                            : CONFIG_REPORTED_DEGRADED));
    }
}

static void read_letter(const struct config *config)
{
    json_t *json = config_discovered_json(config->discovered);
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text != NULL);
    free(text);
    json_decref(json);
}

static void *reader_main(void *arg)
{
    while (!atomic_load(&s.ending)) {
        struct config *config = look_at();

        for (size_t i = 0; config != NULL && i < config->pool_count; i++)
            read_pool(&config->pools[i]);
        if (config != NULL && atomic_fetch_add(&s.looks, 1) % 64 == 0)
            read_letter(config);
        config_unref(&config);
        sched_yield();
    }
    return NULL;
}

int main(void)
{
    pthread_t source, server, readers[READERS];

    CHECK(pthread_create(&source, NULL, source_main, NULL) == 0);
    CHECK(pthread_create(&server, NULL, server_main, NULL) == 0);
    for (unsigned i = 0; i < READERS; i++)
        CHECK(pthread_create(&readers[i], NULL, reader_main, NULL) == 0);
    CHECK(pthread_join(source, NULL) == 0 && pthread_join(server, NULL) == 0);
    for (unsigned i = 0; i < READERS; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
    publish(NULL);
    config_found_unref(&s.found);
    printf("%d sets, %u looks\n", SETS, atomic_load(&s.looks));
    return 0;
}
