/*
 * What the management API is sent, from bytes to a snapshot. Whatever it is, it is either served or
 * refused with mistakes that can be printed; what is served is written down and read back as the
 * same, and a plan tells when two snapshots are equal.
 *
 * Two ways in: the whole document (as in state_file), and edits: an object whose members are laid
 * over the pool "api" one after the other, as POST, PUT, PATCH and DELETE would.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/overlay.h"
#include "config/plan.h"

static struct config *make_base(void)
{
    struct config *base = NULL;
    struct config_errors errors;

    CHECK(config_load_text(
              &base, "fuzz.conf",
              "listeners = ( { bind = \":80\"; } ); pools = ( { name = \"api\"; retry = { attempts "
              "= 3; }; backends = ( { id = \"a\"; address = \"10.0.0.1:80\"; weight = 3; tags = [ "
              "\"t\" ]; metadata = { k = \"v\"; }; }, { address = \"unix:/b\"; } ); }, { name = "
              "\"web\"; fallback = { pool = \"api\"; }; } ); routes = ( { pool = \"web\"; } );",
              &errors) == 0);
    config_errors_free(&errors);
    return base;
}

static void check_errors(const struct config_errors *errors)
{
    CHECK(errors->count > 0);
    for (size_t i = 0; i < errors->count; i++) {
        CHECK(strcmp(errors->v[i].file, "api") == 0 && errors->v[i].line == 0);
        CHECK(errors->v[i].message[0] != '\0');
        CHECK(strpbrk(errors->v[i].message, "\r\n\x1b") == NULL);
    }
}

/* NULL: refused. */
static struct config *apply(struct config_overlay *overlay, struct config *base)
{
    struct config *config = NULL;
    struct config_errors errors;

    if (config_overlay_apply(&config, overlay, base, NULL, &errors) == 0)
        CHECK(errors.count == 0);
    else
        check_errors(&errors);
    config_errors_free(&errors);
    return config;
}

static void check_backends(const struct config_pool *pool)
{
    for (size_t i = 0; i < pool->backend_count; i++) {
        const struct config_backend *b = &pool->backends[i];
        json_t *shown = config_backend_json(b);

        CHECK(b->id[0] != '\0' && b->address[0] != '\0' && b->name != NULL && b->tags != NULL);
        CHECK(b->place.region != NULL && b->place.zone != NULL && b->priority >= 1);
        CHECK(strpbrk(b->address, "\r\n ") == NULL && shown != NULL);
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
    CHECK((plan->count == 0) == (plan->risk == CONFIG_RISK_NONE));
    free(text);
    json_decref(json);
    config_plan_free(plan);
}

static void check_written(struct config_overlay *overlay, struct config *base,
                          const struct config *config)
{
    json_t *document = config_overlay_json(overlay), *again;
    char *text = json_dumps(document, 0), *why = NULL;
    struct config_overlay *parsed = NULL;
    struct config *reread;

    CHECK(text != NULL);
    again = json_loads(text, 0, NULL);
    CHECK(again != NULL && json_equal(document, again));
    CHECK(config_overlay_parse(&parsed, again, &why) == 0);
    reread = apply(parsed, base);
    CHECK(reread != NULL);
    check_plan(config, reread, true);
    config_unref(&reread);
    config_overlay_free(parsed);
    json_decref(again);
    json_decref(document);
    free(text);
}

static void check_overlay(struct config_overlay *overlay, struct config *base)
{
    struct config *config = apply(overlay, base);
    json_t *policy;

    if (config == NULL)
        return;
    for (size_t i = 0; i < config->pool_count; i++) {
        check_backends(&config->pools[i]);
        policy = config_policy_json(&config->pools[i]);
        CHECK(policy != NULL);
        json_decref(policy);
    }
    check_plan(base, config, false);
    check_plan(config, base, false);
    check_written(overlay, base, config);
    config_unref(&config);
}

static void try_document(const json_t *document, struct config *base)
{
    struct config_overlay *overlay = NULL;
    char *why = NULL;

    if (config_overlay_parse(&overlay, document, &why) == 0)
        check_overlay(overlay, base);
    else
        CHECK(why != NULL && why[0] != '\0');
    config_overlay_free(overlay);
    free(why);
}

/* {"policy": {...}, "=ID": {...} (replaces), "ID": {...}, "ID": null} */
static void try_edits(json_t *edits, struct config *base)
{
    struct config_overlay *overlay = config_overlay_new();

    for (void *at = json_object_iter(edits); at != NULL; at = json_object_iter_next(edits, at)) {
        const char *key = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at);
        bool replace = key[0] == '=';

        if (!json_is_object(value) && !json_is_null(value))
            continue;
        if (strcmp(key, "policy") == 0 && json_is_object(value))
            CHECK(config_overlay_set_policy(overlay, "api", value) == 0);
        else if (key[replace] != '\0')
            CHECK(config_overlay_set_endpoint(overlay, "api", key + replace,
                                              json_is_null(value) ? NULL : value, replace) == 0);
        check_overlay(overlay, base);
    }
    config_overlay_free(overlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *base;
    json_t *json = json_loadb((const char *)data, size, 0, NULL);

    if (base == NULL)
        base = make_base();
    if (json == NULL)
        return 0;
    if (json_object_get(json, "version") != NULL)
        try_document(json, base);
    else
        try_edits(json, base);
    json_decref(json);
    return 0;
}
