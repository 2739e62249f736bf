/* The overlay as the JSON document that state_file holds. Its form is checked here; what stands in
 * its policies and endpoints, when it is laid over a configuration. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/overlay_internal.h"

enum { OVERLAY_VERSION = 1 };

/* Stands among an endpoint's keys, and is not one that a client could say. */
static const char replaces_key[] = "replaces";

/* ---- writing ---- */

static json_t *document_entry(const struct overlay_entry *entry)
{
    json_t *fields;

    if (entry->fields == NULL)
        return json_null();
    fields = json_copy(entry->fields);
    if (entry->replaces)
        json_object_set_new(fields, replaces_key, json_true());
    return fields;
}

static json_t *document_pool(const struct overlay_pool *pool)
{
    json_t *object = json_object(), *endpoints = json_object();

    for (size_t i = 0; i < pool->count; i++)
        json_object_set_new(endpoints, pool->entries[i]->id, document_entry(pool->entries[i]));
    if (pool->policy != NULL)
        json_object_set(object, "policy", pool->policy);
    if (pool->count > 0)
        json_object_set(object, "endpoints", endpoints);
    json_decref(endpoints);
    return object;
}

json_t *config_overlay_json(const struct config_overlay *overlay)
{
    json_t *pools = json_object();

    for (size_t i = 0; i < overlay->pool_count; i++) {
        const struct overlay_pool *pool = &overlay->pools[i];

        if (pool->count > 0 || pool->policy != NULL)
            json_object_set_new(pools, pool->name, document_pool(pool));
    }
    return json_pack("{s:i, s:o}", "version", OVERLAY_VERSION, "pools", pools);
}

/* ---- reading ---- */

/* The first member that is none of keys[0..count); NULL when there is none. */
static const char *document_stranger(const json_t *object, const char *const *keys, size_t count)
{
    json_t *members = (json_t *)object; /* jansson's iterators take no const */

    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        const char *key = json_object_iter_key(at);
        bool known = false;

        for (size_t i = 0; i < count; i++)
            known = known || strcmp(key, keys[i]) == 0;
        if (!known)
            return key;
    }
    return NULL;
}

static char *parse_entry(struct config_overlay *overlay, const char *pool, const char *id,
                         const json_t *said)
{
    const json_t *replaces = json_object_get(said, replaces_key);
    json_t *fields = NULL;

    if (!json_is_object(said) && !json_is_null(said))
        return xasprintf("pool \"%s\": endpoint \"%s\" is neither an object nor null", pool, id);
    if (replaces != NULL && !json_is_boolean(replaces))
        return xasprintf("pool \"%s\": endpoint \"%s\": replaces is not true", pool, id);
    if (json_is_object(said)) {
        fields = json_deep_copy(said);
        json_object_del(fields, replaces_key);
    }
    if (config_overlay_put(overlay, pool, id, fields, json_is_true(replaces)) != 0)
        return xasprintf("it names more than %d endpoints", CONFIG_OVERLAY_ENDPOINTS);
    return NULL;
}

static char *parse_endpoints(struct config_overlay *overlay, const char *pool, json_t *endpoints)
{
    char *why = NULL;

    if (endpoints != NULL && !json_is_object(endpoints))
        return xasprintf("pool \"%s\": endpoints is no object", pool);
    for (void *at = json_object_iter(endpoints); at != NULL && why == NULL;
         at = json_object_iter_next(endpoints, at))
        why = parse_entry(overlay, pool, json_object_iter_key(at), json_object_iter_value(at));
    return why;
}

static char *parse_pool(struct config_overlay *overlay, const char *name, const json_t *said)
{
    static const char *const keys[] = {"policy", "endpoints"};
    const char *stranger = document_stranger(said, keys, 2);
    json_t *policy = json_object_get(said, "policy");

    if (!json_is_object(said))
        return xasprintf("pool \"%s\" is no object", name);
    if (stranger != NULL)
        return xasprintf("pool \"%s\" has \"%s\", which is neither policy nor endpoints", name,
                         stranger);
    if (policy != NULL && !json_is_object(policy))
        return xasprintf("pool \"%s\": policy is no object", name);
    if (json_object_size(policy) > 0)
        config_overlay_put_policy(overlay, name, json_deep_copy(policy));
    return parse_endpoints(overlay, name, json_object_get(said, "endpoints"));
}

static char *parse_document(struct config_overlay *overlay, const json_t *document)
{
    static const char *const keys[] = {"version", "pools"};
    const json_t *version = json_object_get(document, "version");
    json_t *pools = json_object_get(document, "pools");
    const char *stranger = document_stranger(document, keys, 2);
    char *why = NULL;

    if (!json_is_object(document))
        return xstrdup("it is no object");
    if (!json_is_integer(version))
        return xstrdup("it has no version");
    if (json_integer_value(version) != OVERLAY_VERSION)
        return xasprintf("it has version %lld, and only %d can be read",
                         (long long)json_integer_value(version), OVERLAY_VERSION);
    if (stranger != NULL)
        return xasprintf("it has \"%s\", which is neither version nor pools", stranger);
    if (pools != NULL && !json_is_object(pools))
        return xstrdup("pools is no object");
    for (void *at = json_object_iter(pools); at != NULL && why == NULL;
         at = json_object_iter_next(pools, at))
        why = parse_pool(overlay, json_object_iter_key(at), json_object_iter_value(at));
    return why;
}

int config_overlay_parse(struct config_overlay **ret_overlay, const json_t *document,
                         char **ret_why)
{
    struct config_overlay *overlay = config_overlay_new();
    char *why = parse_document(overlay, document);

    if (why == NULL) {
        *ret_overlay = overlay;
        return 0;
    }
    config_overlay_free(overlay);
    *ret_why = why;
    return EG_E_INTERNAL;
}
