/* One source's full set: reading an array of endpoint objects, and what is equal in the set before
 * shared with it. */
#include "config/found.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sorted.h"
#include "config/found_internal.h"
#include "config/overlay.h"

/* ---- what was left out ---- */

enum { REASON_MAX_BYTES = 512 };

void config_refused_fini(struct config_refused *refused)
{
    for (unsigned i = 0; i < refused->reason_count; i++)
        free(refused->reasons[i]);
    *refused = (struct config_refused){0};
}

/* A reason quotes what was said, which may be megabytes. Takes it over. */
static char *reason_cut(char *reason)
{
    size_t n = REASON_MAX_BYTES;
    char *cut;

    if (strlen(reason) <= n)
        return reason;
    while (n > 0 && ((unsigned char)reason[n] & 0xc0) == 0x80)
        n--; /* not within a character (RFC 3629 section 3) */
    cut = xasprintf("%.*s...", (int)n, reason);
    free(reason);
    return cut;
}

/* Takes over the reason. */
static void refuse(struct config_refused *refused, unsigned count, char *reason)
{
    refused->count += count;
    if (refused->reason_count < CONFIG_FOUND_REASONS)
        refused->reasons[refused->reason_count++] = reason_cut(reason);
    else
        free(reason);
}

/* ---- finding ---- */

static const char *entry_id_at(const void *found, size_t at)
{
    return ((const struct config_found *)found)->entries[at]->backend.id;
}

size_t config_found_position(const struct config_found *found, const char *id)
{
    bool is_there;
    size_t at = sorted_position(found, found->count, entry_id_at, id, &is_there);

    return is_there ? at : found->count;
}

/* ---- reading ---- */

struct found_build {
    const struct config_found *before;
    size_t near; /* where in `before` the next one most likely stands */
    struct found_entry **entries;
    size_t count;
    struct config_refused *refused;
};

/* Sources tell their endpoints in the same order each time. */
static struct found_entry *before_find(struct found_build *build, const char *id)
{
    const struct config_found *before = build->before;
    size_t at = build->near;

    if (before == NULL)
        return NULL;
    if (at >= before->count || strcmp(before->entries[at]->backend.id, id) != 0)
        at = config_found_position(before, id);
    if (at == before->count)
        return NULL;
    build->near = at + 1;
    return before->entries[at];
}

/* The entry of the set before that says the same; a reference, or NULL. */
static struct found_entry *before_take(struct found_build *build, const json_t *fields)
{
    const char *id = json_string_value(json_object_get(fields, "id"));
    struct found_entry *entry = id != NULL ? before_find(build, id) : NULL;

    if (entry == NULL || !config_found_packed_equal(entry->fields, fields))
        return NULL;
    return config_found_entry_ref(entry);
}

static struct found_entry *build_read(struct found_build *build, json_t *fields, size_t index)
{
    const char *id = json_string_value(json_object_get(fields, "id"));
    char *label =
        id != NULL ? xasprintf("endpoint \"%s\"", id) : xasprintf("endpoint %zu", index + 1);
    struct found_entry *entry;
    struct config_scope scope;
    struct config_diag diag;

    config_diag_init(&diag);
    config_diag_enter(&diag, &scope, label);
    entry = config_found_entry_read(fields, &diag);
    if (entry == NULL)
        refuse(build->refused, 1, xstrdup(diag.entries[0].message));
    config_diag_leave(&diag);
    config_diag_fini(&diag);
    free(label);
    return entry;
}

static void build_add(struct found_build *build, const json_t *object, size_t index)
{
    struct found_entry *entry;
    json_t *fields;

    if (!json_is_object(object)) {
        refuse(build->refused, 1, xasprintf("endpoint %zu is no object", index + 1));
        return;
    }
    /* First as it came: most sources say nothing that would have to be taken out. */
    entry = before_take(build, object);
    if (entry == NULL) {
        fields = config_found_entry_fields(object);
        if (fields != object)
            entry = before_take(build, fields);
        if (entry == NULL)
            entry = build_read(build, fields, index);
        json_decref(fields);
    }
    if (entry != NULL)
        build->entries[build->count++] = entry;
}

/* ---- sorting: of several with one id, the first one counts ---- */

struct found_place {
    struct found_entry *entry;
    size_t index;
};

static int place_compare(const void *a, const void *b)
{
    const struct found_place *x = a, *y = b;
    int order = strcmp(x->entry->backend.id, y->entry->backend.id);

    return order != 0 ? order : x->index < y->index ? -1 : 1;
}

static bool build_is_sorted(const struct found_build *build)
{
    for (size_t i = 1; i < build->count; i++) {
        if (strcmp(build->entries[i - 1]->backend.id, build->entries[i]->backend.id) >= 0)
            return false;
    }
    return true;
}

static void build_take_sorted(struct found_build *build, const struct found_place *places)
{
    size_t kept = 0;

    for (size_t i = 0; i < build->count; i++) {
        struct found_entry *entry = places[i].entry;

        if (kept > 0 && strcmp(build->entries[kept - 1]->backend.id, entry->backend.id) == 0) {
            refuse(
                build->refused, 1,
                xasprintf("endpoint \"%s\" stands twice; the first one counts", entry->backend.id));
            config_found_entry_unref(entry);
        } else {
            build->entries[kept++] = entry;
        }
    }
    build->count = kept;
}

static void build_sort(struct found_build *build)
{
    struct found_place *places;

    if (build_is_sorted(build))
        return;
    places = xcalloc(build->count, sizeof(*places));
    for (size_t i = 0; i < build->count; i++)
        places[i] = (struct found_place){build->entries[i], i};
    qsort(places, build->count, sizeof(*places), place_compare);
    build_take_sorted(build, places);
    free(places);
}

/* ---- the set ---- */

static struct config_found *found_new(struct found_entry **entries, size_t count)
{
    struct config_found *found = xcalloc(1, sizeof(*found));

    found->refs = 1;
    found->entries = entries;
    found->count = count;
    return found;
}

struct config_found *config_found_new(const json_t *endpoints, struct config_found *before,
                                      struct config_refused *ret_refused)
{
    size_t size = json_array_size(endpoints);
    size_t most = size < CONFIG_FOUND_ENDPOINTS ? size : CONFIG_FOUND_ENDPOINTS;
    struct found_build build = {.before = before, .refused = ret_refused};
    struct config_found *found;

    *ret_refused = (struct config_refused){0};
    if (!json_is_array(endpoints))
        refuse(ret_refused, 1, xstrdup("it is no list of endpoints"));
    build.entries = xcalloc(most + 1, sizeof(struct found_entry *));
    for (size_t i = 0; i < most; i++)
        build_add(&build, json_array_get(endpoints, i), i);
    if (size > most)
        refuse(ret_refused, (unsigned)(size - most),
               xasprintf("there are more than %d endpoints; the last %zu are left out",
                         CONFIG_FOUND_ENDPOINTS, size - most));
    build_sort(&build);
    found = found_new(build.entries, build.count);
    if (before == NULL || !config_found_equal(before, found))
        return found;
    config_found_unref(&found);
    return config_found_ref(before);
}

struct config_found *config_found_of_backends(const struct config_backend *backends, size_t count)
{
    struct config_refused refused;
    json_t *array = json_array();
    struct config_found *found;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, config_backend_json(&backends[i]));
    found = config_found_new(array, NULL, &refused);
    config_refused_fini(&refused);
    json_decref(array);
    return found;
}

struct config_found *config_found_ref(struct config_found *found)
{
    unsigned before = atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);

    CHECK(before > 0);
    return found;
}

void config_found_unref(struct config_found **found)
{
    struct config_found *gone = *found;

    *found = NULL;
    /* Acquire and release: what other threads read of it happens before it is freed. */
    if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < gone->count; i++)
        config_found_entry_unref(gone->entries[i]);
    free(gone->entries);
    free(gone);
}

size_t config_found_count(const struct config_found *found)
{
    return found != NULL ? found->count : 0;
}

bool config_found_equal(const struct config_found *a, const struct config_found *b)
{
    if (a == b)
        return true;
    if (config_found_count(a) != config_found_count(b))
        return false;
    for (size_t i = 0; i < config_found_count(a); i++) {
        if (!config_found_entry_equal(a->entries[i], b->entries[i]))
            return false;
    }
    return true;
}

json_t *config_found_json(const struct config_found *found)
{
    json_t *array = json_array();

    for (size_t i = 0; i < config_found_count(found); i++)
        json_array_append_new(array, config_found_packed_json(found->entries[i]->fields));
    return array;
}
