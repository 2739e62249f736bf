/* See laying.h. */
#include "laying.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "support.h"

json_t *laying_json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

    cr_assert_not_null(value, "%s: %s", error.text, text);
    return value;
}

struct config_found *laying_read(const char *text, struct config_found *before,
                                 struct config_refused *refused)
{
    json_t *array = laying_json(text);
    struct config_found *found = config_found_new(array, before, refused);

    json_decref(array);
    return found;
}

const char laying_base_text[] =
    LISTENER "pools = ( { name = \"api\"; backends = ( { id = \"a\"; address = \"10.0.0.1:80\"; "
             "weight = 3; } ); discovery = { type = \"file\"; path = \"x\"; }; },\n"
             "  { name = \"web\"; backends = ( { address = \"w:80\"; } ); } );\n"
             "routes = ( { pool = \"web\"; } );\n";

void laying_lay(struct laying *l, const char *endpoints)
{
    struct config_discovered *before = l->discovered;
    struct config_found *had = before != NULL ? config_discovered_get(before, "api") : NULL, *found;
    struct config_refused refused;
    struct config_errors errors;
    struct config *laid = NULL;
    char *printed;

    if (l->base == NULL)
        l->base = support_load(laying_base_text);
    if (l->overlay == NULL)
        l->overlay = config_overlay_new();
    found = laying_read(endpoints, had, &refused);
    l->discovered = config_discovered_new(before);
    config_discovered_put(l->discovered, "api", found);
    cr_expect_eq(config_overlay_apply(&laid, l->overlay, l->base, l->discovered, &errors), 0);
    printed = support_print(&errors);
    cr_assert_not_null(laid, "%s", printed);
    free(printed);
    config_errors_free(&errors);
    config_refused_fini(&refused);
    config_found_unref(&found);
    config_discovered_unref(&before);
    config_unref(&l->config);
    l->config = laid;
}

void laying_fini(struct laying *l)
{
    config_unref(&l->base);
    config_overlay_free(l->overlay);
    config_discovered_unref(&l->discovered);
    config_unref(&l->config); /* last: it holds what it needs */
}

void laying_forget(struct laying *l, uint64_t now_s)
{
    config_overlay_forget(l->overlay, l->config, now_s * 1000000);
}

void laying_say(struct laying *l, const char *id, const char *fields, bool replace)
{
    json_t *said = fields != NULL ? laying_json(fields) : NULL;

    cr_assert_eq(config_overlay_set_endpoint(l->overlay, "api", id, said, replace), 0);
    json_decref(said);
}

const struct config_backend *laying_find(const struct laying *l, const char *id)
{
    const struct config_pool *pool = &l->config->pools[0];

    for (size_t i = 0; i < pool->backend_count; i++) {
        if (strcmp(pool->backends[i].id, id) == 0)
            return &pool->backends[i];
    }
    return NULL;
}
