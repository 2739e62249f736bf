/* What is said of endpoints, laid over what the file and the sources say. See overlay_apply.c. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/overlay_apply_internal.h"

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

void overlay_apply_endpoints(struct overlay_apply *apply, struct config_pool *pool)
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
    if (count > OVERLAY_POOL_ENDPOINTS)
        config_diag_add(apply->diag, 0, "it has %zu endpoints; write at most %d", count,
                        OVERLAY_POOL_ENDPOINTS);
    pool->backends = backends;
    pool->backend_count = count;
}
