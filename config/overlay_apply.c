/*
 * What was found, and an overlay, over a base: the snapshot that is served.
 *
 * Pools that neither mentions are the base's own: the struct is copied, all that it points to is
 * shared. Of one that has found endpoints, the list of backends was made with the set that was
 * found (found_list.c), and is shared by all snapshots with that set. Of one that it does mention,
 * the list of backends is new, but what did not change of each is shared as well. So an edit costs
 * what it touches, and what it did not touch is seen to be the same by its address alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found_internal.h"
#include "config/overlay_internal.h"
#include "config/values_internal.h"

enum { APPLY_MAX_ENDPOINTS = 65535 }; /* of a pool, as in the file */

struct overlay_apply {
    struct config *config;
    struct config_diag *diag;
    struct config_backend defaults;
    const struct overlay_pool *said; /* of the pool that is being made */
    bool *found;                     /* which of its entries the base has */
};

static struct config *apply_snapshot(struct config *base)
{
    size_t after_refs = offsetof(struct config, file);
    struct config *config = config_new("");
    struct arena *arena = config->arena;

    CHECK(base->base == NULL);
    memcpy((char *)config + after_refs, (const char *)base + after_refs,
           sizeof(*config) - after_refs);
    config->arena = arena;
    config->base = config_ref(base);
    config->pools = arena_alloc(arena, base->pool_count * sizeof(*config->pools));
    if (base->pool_count > 0)
        memcpy(config->pools, base->pools, base->pool_count * sizeof(*config->pools));
    return config;
}

/* ---- endpoints ---- */

/* Once per entry: snapshots to come find it read. */
static bool apply_read(struct overlay_apply *apply, struct overlay_entry *entry)
{
    if (entry->read)
        return true;
    entry->read = config_endpoint_read(&entry->said, entry->fields, &entry->arena, apply->diag);
    if (!entry->read)
        arena_fini(&entry->arena);
    return entry->read;
}

static bool is_address(const char *text)
{
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(text), 1);
    bool is = why == NULL;

    free(why);
    return is;
}

/* As in the file, an address may be the id of what was not given another; and of what was, once
 * somebody moved what had been found there: that must not become a mistake when it is gone. */
static void apply_check_id(struct overlay_apply *apply, const struct overlay_entry *entry,
                           const struct config_backend *backend, bool registered)
{
    if (entry->said.id != NULL && strcmp(entry->said.id, entry->id) != 0)
        config_diag_add(apply->diag, 0, "id: \"%s\" cannot be changed to \"%s\"; leave it out",
                        entry->id, entry->said.id);
    if (registered && strcmp(entry->id, backend->address) != 0 &&
        !config_value_is_name(entry->id) && !is_address(entry->id))
        config_diag_add(apply->diag, 0,
                        "id: \"%s\" cannot be a name; write 1 to 128 letters, digits and marks "
                        "without spaces, quotes, / \\ ? # %%",
                        entry->id);
}

/* A port alone is nothing that could be laid over a Unix socket. Where a file has one, that is a
 * mistake; a source must not make a mistake of what an operator said before, which would keep all
 * else from being served: it waits until it fits. */
static bool entry_fits(const struct overlay_entry *entry, const struct config_backend *before)
{
    bool found = before->where.line == 0; /* what stands in a file has a line */

    return !found || strncmp(before->address, "unix:", 5) != 0 ||
           json_object_get(entry->fields, "port") == NULL ||
           json_object_get(entry->fields, "address") != NULL;
}

/* `before` is the file's or the found one, or NULL; the backend is as it is, or has the defaults.
 */
static void apply_lay(struct overlay_apply *apply, const struct overlay_entry *entry,
                      const struct config_backend *before, struct config_backend *ret_backend)
{
    if (entry->replaces)
        *ret_backend = apply->defaults;
    ret_backend->id = before != NULL ? before->id : entry->id;
    /* What its source says of it is no setting that could be replaced. */
    ret_backend->reported = before != NULL ? before->reported : CONFIG_REPORTED_NOTHING;
    config_endpoint_lay(ret_backend, &entry->said, entry->fields, apply->config->arena,
                        apply->diag);
    apply_check_id(apply, entry, ret_backend, before == NULL);
    if (ret_backend->address[0] == '\0')
        config_diag_add(apply->diag, 0,
                        "\"address\" is missing; write address = \"10.0.0.1:8080\"");
}

/* What waits is read as well: its mistakes belong to who made them, and are none of the source's
 * that brings the endpoint one day. `ret_backend` NULL: it waits. */
static void apply_entry(struct overlay_apply *apply, struct overlay_entry *entry,
                        const struct config_backend *before, struct config_backend *ret_backend)
{
    char *label = xasprintf("endpoint \"%s\"", entry->id);
    struct config_scope scope;

    if (ret_backend != NULL)
        *ret_backend = before != NULL ? *before : apply->defaults;
    config_diag_enter(apply->diag, &scope, label);
    if (apply_read(apply, entry) && ret_backend != NULL &&
        (before == NULL || entry_fits(entry, before)))
        apply_lay(apply, entry, before, ret_backend);
    config_diag_leave(apply->diag);
    free(label);
}

static size_t apply_to_backends(struct overlay_apply *apply, const struct config_pool *pool,
                                struct config_backend *backends)
{
    const struct overlay_pool *said = apply->said;
    size_t count = 0;

    for (size_t i = 0; i < pool->backend_count; i++) {
        size_t at = config_overlay_find_entry(said, pool->backends[i].id);

        if (at == said->count) {
            backends[count++] = pool->backends[i];
            continue;
        }
        apply->found[at] = true;
        if (said->entries[at]->fields != NULL)
            apply_entry(apply, said->entries[at], &pool->backends[i], &backends[count++]);
    }
    return count;
}

/* A word about an endpoint that the file does not have (any more) waits for its return, unless it
 * makes one by itself. */
bool config_overlay_registers(const struct overlay_entry *entry)
{
    return entry->fields != NULL &&
           (entry->replaces || json_object_get(entry->fields, "address") != NULL);
}

static void apply_endpoints(struct overlay_apply *apply, struct config_pool *pool)
{
    const struct overlay_pool *said = apply->said;
    struct config_backend *backends =
        arena_alloc(apply->config->arena, (pool->backend_count + said->count) * sizeof(*backends));
    size_t count;

    apply->found = xcalloc(said->count + 1, sizeof(*apply->found));
    count = apply_to_backends(apply, pool, backends);
    for (size_t i = 0; i < said->count; i++) {
        struct overlay_entry *entry = said->entries[i];

        if (apply->found[i] || entry->fields == NULL)
            continue;
        apply_entry(apply, entry, NULL,
                    config_overlay_registers(entry) ? &backends[count++] : NULL);
    }
    free(apply->found);
    if (count > APPLY_MAX_ENDPOINTS)
        config_diag_add(apply->diag, 0, "it has %zu endpoints; write at most %d", count,
                        APPLY_MAX_ENDPOINTS);
    pool->backends = backends;
    pool->backend_count = count;
}

/* ---- found endpoints ---- */

/* As many as a pool may have: what a source says must not keep an operator's word, or a reload,
 * from being served. */
static size_t apply_room(const struct config_pool *pool, const struct overlay_pool *said)
{
    size_t taken = pool->backend_count + (said != NULL ? said->count : 0);

    return taken < APPLY_MAX_ENDPOINTS ? APPLY_MAX_ENDPOINTS - taken : 0;
}

static void apply_found(struct config *config, const struct overlay_pool *said, size_t index)
{
    struct config_pool *pool = &config->pools[index];
    struct found_list *list;

    if (config->discovered == NULL)
        return;
    list = config_discovered_list(config->discovered, config->base, pool, apply_room(pool, said));
    if (list == NULL)
        return;
    config->lists[index] = list;
    pool->backends = list->backends;
    pool->backend_count = list->count;
}

/* ---- policy ---- */

json_t *config_policy_json(const struct config_pool *pool)
{
    json_t *policy = config_schema_json(NULL, &config_policy_section, pool);
    json_t *weights = json_object();

    for (size_t i = 0; i < pool->backend_count; i++)
        json_object_set_new(weights, pool->backends[i].id, json_integer(pool->backends[i].weight));
    json_object_set_new(policy, "weights", weights);
    return policy;
}

static void apply_note_parts(struct config_pool *pool, const json_t *said)
{
    const struct schema_section *section = &config_policy_section;

    for (size_t i = 0; i < section->key_count; i++) {
        if (json_object_get(said, section->keys[i].name) != NULL)
            pool->parts[__builtin_ctz((unsigned)section->keys[i].part)] =
                (struct config_where){"api", 0};
    }
}

/* What was said is merged into the file's whole policy and read as if it stood in the file, so that
 * keys which limit each other are checked against each other, whoever wrote them. */
static void apply_policy(struct overlay_apply *apply, struct config_pool *pool)
{
    static const struct config_source source = {.name = "api"};
    struct schema_walk walk = {.config = apply->config,
                               .arena = apply->config->arena,
                               .diag = apply->diag,
                               .source = &source};
    json_t *policy = config_schema_json(NULL, &config_policy_section, pool);
    struct config_scope scope;
    struct config_node node;
    struct arena nodes;

    arena_init(&nodes);
    config_json_merge(policy, apply->said->policy);
    config_diag_enter(apply->diag, &scope, "policy");
    if (json_object_get(policy, "weights") != NULL)
        config_diag_add(apply->diag, 0,
                        "weights must be an object of ids and weights, such as { \"a\": 3 }");
    else if (config_json_nodes(policy, "", &nodes, apply->diag, &node))
        config_schema_read(&walk, &config_policy_section, &node, pool);
    config_diag_leave(apply->diag);
    apply_note_parts(pool, apply->said->policy);
    json_decref(policy);
    arena_fini(&nodes);
}

/* ---- all of it ---- */

static void apply_pool(struct overlay_apply *apply, struct config_pool *pool)
{
    char *label = xasprintf("pool \"%s\"", pool->name);
    struct config_scope scope;

    config_diag_enter(apply->diag, &scope, label);
    if (apply->said->count > 0)
        apply_endpoints(apply, pool);
    if (apply->said->policy != NULL)
        apply_policy(apply, pool);
    config_diag_leave(apply->diag);
    free(label);
}

int config_overlay_apply(struct config **ret_config, struct config_overlay *overlay,
                         struct config *base, struct config_discovered *discovered,
                         struct config_errors *ret_errors)
{
    static const struct config_source source = {.name = "api"};
    struct config *config = apply_snapshot(base);
    struct config_diag diag;
    struct overlay_apply apply = {.config = config, .diag = &diag};
    int code = 0;

    *ret_errors = (struct config_errors){0};
    config_diag_init(&diag);
    config_endpoint_defaults(&apply.defaults, config->arena);
    if (discovered != NULL) {
        config->discovered = config_discovered_ref(discovered);
        config->lists = arena_zalloc(config->arena, config->pool_count * sizeof(*config->lists));
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        apply.said = config_overlay_find_pool(overlay, config->pools[i].name);
        apply_found(config, apply.said, i);
        if (apply.said != NULL)
            apply_pool(&apply, &config->pools[i]);
    }
    if (diag.count == 0) {
        config->overlay = config_overlay_copy(overlay);
        *ret_config = config;
    } else {
        config_diag_finish(&diag, &source, ret_errors);
        config_unref(&config);
        code = EG_E_INTERNAL;
    }
    config_diag_fini(&diag);
    return code;
}
