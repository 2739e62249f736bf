/*
 * What a source says, from bytes to a snapshot. Whatever it is, each endpoint is either read or
 * refused with a reason that can be printed; what was read is written down and read back as the
 * same, whether or not it was shared with the set before; and it can be laid over any base.
 *
 * Three ways in: an array of endpoints, an array of such arrays (sets that follow each other), and
 * libconfig's notation, as in a file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found.h"
#include "config/overlay.h"
#include "config/plan.h"

static struct config *make_base(void)
{
    struct config *base = NULL;
    struct config_errors errors;

    CHECK(config_load_text(&base, "fuzz.conf",
                           "listeners = ( { bind = \":80\"; } ); pools = ( { name = \"api\"; "
                           "discovery = { type = \"file\"; path = \"x\"; }; backends = ( { id = "
                           "\"a\"; address = \"10.0.0.1:80\"; weight = 3; } ); } );",
                           &errors) == 0);
    config_errors_free(&errors);
    return base;
}

/* Operators have spoken of endpoints that may be found. */
static struct config_overlay *make_overlay(void)
{
    struct config_overlay *overlay = config_overlay_new();
    json_t *fields = json_pack("{s:i, s:{s:s}}", "weight", 7, "metadata", "k", "said");

    CHECK(config_overlay_set_endpoint(overlay, "api", "b", fields, false) == 0);
    CHECK(config_overlay_set_endpoint(overlay, "api", "c", NULL, false) == 0);
    json_decref(fields);
    return overlay;
}

static struct config_found *read_set(const json_t *endpoints, struct config_found *before)
{
    struct config_refused refused;
    struct config_found *found = config_found_new(endpoints, before, &refused);

    CHECK(config_found_count(found) + refused.count ==
          (json_is_array(endpoints) ? json_array_size(endpoints) : 1));
    CHECK((refused.count > 0) == (refused.reason_count > 0));
    for (unsigned i = 0; i < refused.reason_count; i++) {
        CHECK(refused.reasons[i][0] != '\0');
        CHECK(strpbrk(refused.reasons[i], "\r\n\x1b") == NULL);
    }
    config_refused_fini(&refused);
    return found;
}

static void check_same(const struct config_found *found, const json_t *endpoints)
{
    json_t *written = config_found_json(found), *again;
    char *text = json_dumps(written, 0);
    struct config_found *alone = read_set(endpoints, NULL), *reread;

    CHECK(text != NULL && config_found_equal(found, alone));
    again = json_loads(text, 0, NULL);
    reread = read_set(again, NULL);
    CHECK(config_found_equal(found, reread));
    config_found_unref(&alone);
    config_found_unref(&reread);
    json_decref(again);
    json_decref(written);
    free(text);
}

static void check_backends(const struct config_pool *pool)
{
    for (size_t i = 0; i < pool->backend_count; i++) {
        const struct config_backend *b = &pool->backends[i];
        json_t *shown = config_backend_json(b);

        CHECK(b->id[0] != '\0' && b->address[0] != '\0' && b->name != NULL && b->tags != NULL);
        CHECK(b->place.region != NULL && b->place.zone != NULL && b->priority >= 1);
        CHECK(strpbrk(b->address, "\r\n\x1b") == NULL && strpbrk(b->id, "\r\n\x1b") == NULL);
        CHECK(shown != NULL && strcmp(b->id, "c") != 0);
        json_decref(shown);
    }
}

static void check_plan(const struct config *from, const struct config *to, bool equal)
{
    struct config_plan *plan = config_plan_new(from, to);
    json_t *json = config_plan_json(plan);
    char *text = json_dumps(json, 0);

    CHECK(text != NULL && strpbrk(text, "\r\n\x1b") == NULL);
    CHECK(!equal || plan->count == 0);
    free(text);
    json_decref(json);
    config_plan_free(plan);
}

static struct config *lay(struct config *base, struct config_overlay *overlay,
                          struct config_discovered *discovered)
{
    struct config *config = NULL;
    struct config_errors errors;

    CHECK(config_overlay_apply(&config, overlay, base, discovered, &errors) == 0);
    CHECK(errors.count == 0);
    config_errors_free(&errors);
    check_backends(&config->pools[0]);
    return config;
}

static void check_written(struct config *base, const struct config *config)
{
    json_t *json = config_discovered_json(config->discovered);
    struct config_discovered *parsed = config_discovered_parse(json);
    struct config_overlay *overlay = make_overlay();
    struct config *again = lay(base, overlay, parsed);

    CHECK(config_discovered_equal(config->discovered, parsed));
    check_plan(config, again, true);
    config_unref(&again);
    config_overlay_free(overlay);
    config_discovered_unref(&parsed);
    json_decref(json);
}

/* One set after the other. */
static void try_sets(const json_t *sets, struct config *base)
{
    struct config_discovered *discovered = NULL, *next;
    struct config_found *found = NULL, *before;
    struct config *config = config_ref(base), *laid;

    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *endpoints = json_array_get(sets, i);
        struct config_overlay *overlay = make_overlay();

        before = found;
        found = read_set(endpoints, before);
        check_same(found, endpoints);
        next = config_discovered_new(discovered);
        config_discovered_put(next, "api", found);
        laid = lay(base, overlay, next);
        check_plan(config, laid, before != NULL && config_found_equal(before, found));
        check_written(base, laid);
        config_overlay_free(overlay);
        config_found_unref(&before);
        config_discovered_unref(&discovered);
        config_unref(&config);
        discovered = next;
        config = laid;
    }
    config_found_unref(&found);
    config_discovered_unref(&discovered);
    config_unref(&config);
}

static json_t *read_input(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL), *sets;
    char *text, *why = NULL;

    if (json == NULL) {
        text = xstrndup((const char *)data, size);
        json = config_json_from_libconfig("fuzz", text, &why);
        free(text);
        CHECK((json == NULL) == (why != NULL && why[0] != '\0'));
        CHECK(why == NULL || strpbrk(why, "\r\n\x1b") == NULL);
        free(why);
    }
    if (json == NULL || json_is_array(json_array_get(json, 0)))
        return json;
    sets = json_array();
    json_array_append(sets, json_is_object(json) ? json_object_get(json, "endpoints") : json);
    json_decref(json);
    return sets;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *base;
    json_t *sets = read_input(data, size);

    if (base == NULL)
        base = make_base();
    try_sets(sets, base);
    json_decref(sets);
    return 0;
}
