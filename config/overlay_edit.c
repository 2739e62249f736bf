/* Edits: what the API says of an endpoint or a policy is merged into what it said before. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/overlay_internal.h"

/* ---- RFC 7396 ---- */

static void merge_member(json_t *target, const char *key, json_t *value)
{
    json_t *before = json_object_get(target, key), *merged;

    if (json_is_null(value)) {
        json_object_del(target, key);
        return;
    }
    if (!json_is_object(value)) {
        json_object_set(target, key, value);
        return;
    }
    /* A copy: the target's member may be shared with what it was copied from. */
    merged = json_is_object(before) ? json_copy(before) : json_object();
    config_json_merge(merged, value);
    if (json_object_size(merged) == 0 && json_object_size(value) > 0) {
        json_object_del(target, key); /* all of it was given back: nothing is said of it any more */
        json_decref(merged);
    } else {
        json_object_set_new(target, key, merged);
    }
}

void config_json_merge(json_t *target, const json_t *patch)
{
    json_t *members = (json_t *)patch; /* jansson's iterators take no const */

    for (void *at = json_object_iter(members); at != NULL; at = json_object_iter_next(members, at))
        merge_member(target, json_object_iter_key(at), json_object_iter_value(at));
}

/* ---- endpoints ---- */

static json_t *edit_writable(const json_t *fields)
{
    json_t *members = (json_t *)fields, *kept = json_object();

    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        if (!config_endpoint_is_read_only(json_object_iter_key(at)))
            json_object_set(kept, json_object_iter_key(at), json_object_iter_value(at));
    }
    return kept;
}

int config_overlay_set_endpoint(struct config_overlay *overlay, const char *pool_name,
                                const char *id, json_t *fields, bool replace)
{
    const struct overlay_pool *pool = config_overlay_find_pool(overlay, pool_name);
    size_t at = pool != NULL ? config_overlay_find_entry(pool, id) : 0;
    const struct overlay_entry *before = pool && at < pool->count ? pool->entries[at] : NULL;
    bool merges = !replace && before != NULL && before->fields != NULL;
    json_t *patch, *merged;

    if (fields == NULL)
        return config_overlay_put(overlay, pool_name, id, NULL, false);
    patch = edit_writable(fields);
    merged = merges ? json_copy(before->fields) : json_object();
    config_endpoint_settle_port(merged, patch);
    config_json_merge(merged, patch);
    json_decref(patch);
    if (!replace && json_object_size(merged) == 0 && !(merges && before->replaces)) {
        json_decref(merged); /* nothing is said of it any more */
        config_overlay_drop(overlay, pool_name, id);
        return 0;
    }
    return config_overlay_put(overlay, pool_name, id, merged,
                              replace || (merges && before->replaces));
}

/* ---- policies ---- */

/* Weights are kept where all else of an endpoint is, so that the last word counts, whichever way it
 * was said. */
static int edit_weight(struct config_overlay *overlay, const char *pool, const char *id,
                       json_t *weight)
{
    json_t *fields = json_pack("{s:O}", "weight", weight);
    int code;

    CHECK(fields != NULL);
    code = config_overlay_set_endpoint(overlay, pool, id, fields, false);
    json_decref(fields);
    return code;
}

static int edit_weights(struct config_overlay *overlay, const char *pool, json_t *weights)
{
    int code = 0;

    for (void *at = json_object_iter(weights); at != NULL && code == 0;
         at = json_object_iter_next(weights, at))
        code = edit_weight(overlay, pool, json_object_iter_key(at), json_object_iter_value(at));
    return code;
}

/* The last one first: an entry that says nothing else goes, and those behind it move up. */
static int give_weights_back(struct config_overlay *overlay, const char *pool_name)
{
    const struct overlay_pool *pool = config_overlay_find_pool(overlay, pool_name);
    size_t count = pool != NULL ? pool->count : 0;
    int code = 0;

    while (count-- > 0 && code == 0) {
        const struct overlay_entry *entry = pool->entries[count];

        if (json_object_get(entry->fields, "weight") != NULL)
            code = edit_weight(overlay, pool_name, entry->id, json_null());
    }
    return code;
}

int config_overlay_set_policy(struct config_overlay *overlay, const char *pool_name, json_t *fields)
{
    const struct overlay_pool *pool = config_overlay_find_pool(overlay, pool_name);
    json_t *policy = pool && pool->policy ? json_copy(pool->policy) : json_object();
    json_t *weights = json_object_get(fields, "weights");
    json_t *patch = json_copy(fields);
    int code = 0;

    if (json_is_object(weights)) {
        code = edit_weights(overlay, pool_name, weights);
        json_object_del(patch, "weights");
    } else if (json_is_null(weights)) {
        code = give_weights_back(overlay, pool_name);
    }
    config_json_merge(policy, patch);
    json_decref(patch);
    if (json_object_size(policy) == 0) {
        json_decref(policy);
        policy = NULL;
    }
    config_overlay_put_policy(overlay, pool_name, policy);
    return code;
}
