/* See consul_names.h. */
#include "discovery/consul_names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    NAME_BYTES = 128, /* of an id: docs/config.md, "Names" */
    NAME_SUM_BYTES = sizeof("~01234567") - 1,
};

/* ---- ids as text ---- */

static bool id_may_hold(char c)
{
    return c > ' ' && c < 0x7f && strchr("\"\\/?#%", c) == NULL;
}

/* FNV-1a: the same on every machine and in every version, as ids must be. */
static uint32_t id_sum(const char *text)
{
    uint32_t sum = UINT32_C(2166136261);

    for (const char *p = text; *p != '\0'; p++)
        sum = (sum ^ (unsigned char)*p) * UINT32_C(16777619);
    return sum;
}

char *consul_names_write(const char *text)
{
    char *id = xstrdup(text);
    size_t n = strlen(text), kept = NAME_BYTES - NAME_SUM_BYTES;
    bool as_it_stands = n <= NAME_BYTES;
    char *summed;

    for (char *p = id; *p != '\0'; p++) {
        if (id_may_hold(*p))
            continue;
        *p = '_';
        as_it_stands = false;
    }
    if (as_it_stands)
        return id;
    summed = xasprintf("%.*s~%08x", (int)(n < kept ? n : kept), id, id_sum(text));
    free(id);
    return summed;
}

/* ---- what entries say ---- */

static const char *entry_text(const json_t *entry, const char *group, const char *key)
{
    return json_string_value(json_object_get(json_object_get(entry, group), key));
}

static bool id_is_default(const json_t *entry)
{
    const char *id = entry_text(entry, "Service", "ID");
    const char *service = entry_text(entry, "Service", "Service");

    return id != NULL && service != NULL && strcmp(id, service) == 0;
}

/* 0: it does not say. */
static json_int_t create_index(const json_t *entry)
{
    return json_integer_value(json_object_get(json_object_get(entry, "Service"), "CreateIndex"));
}

/* Those that have a choice: {ID: {NODE: entry}}. */
static json_t *entries_by_id(const json_t *answer)
{
    json_t *ids = json_object(), *entry;
    size_t i;

    json_array_foreach(answer, i, entry)
    {
        const char *id = entry_text(entry, "Service", "ID");
        const char *node = entry_text(entry, "Node", "Node");

        if (id == NULL || node == NULL || id_is_default(entry))
            continue;
        if (json_object_get(ids, id) == NULL)
            json_object_set_new(ids, id, json_object());
        json_object_set(json_object_get(ids, id), node, entry);
    }
    return ids;
}

/* ---- who is called by the ID alone ---- */

/* Whoever had it, and is there still; NULL: nobody. */
static const char *holder_of_before(const json_t *known, json_t *entries)
{
    const char *node;
    json_t *entry;

    json_object_foreach(entries, node, entry)
    {
        if (json_is_true(json_object_get(known, node)))
            return node;
    }
    return NULL;
}

/* Of those that were not there; NULL: none came, or nobody can say who was first. */
static const char *holder_among_new(const json_t *known, json_t *entries)
{
    const char *node, *first = NULL;
    json_int_t first_index = 0;
    bool doubtful = false;
    json_t *entry;

    json_object_foreach(entries, node, entry)
    {
        json_int_t index = create_index(entry);

        if (json_object_get(known, node) != NULL || (first != NULL && index > first_index))
            continue;
        doubtful = first != NULL && index == first_index;
        first = node;
        first_index = index;
    }
    return doubtful ? NULL : first;
}

/* {NODE: whether the ID alone is its name}. */
static json_t *name_nodes(const json_t *known, json_t *entries)
{
    const char *node, *holder = holder_of_before(known, entries);
    json_t *names = json_object(), *entry;

    if (holder == NULL)
        holder = holder_among_new(known, entries);
    json_object_foreach(entries, node, entry)
    {
        bool alone = holder != NULL && strcmp(node, holder) == 0;

        json_object_set_new(names, node, json_boolean(alone));
    }
    return names;
}

void consul_names_take(struct consul_names *names, const json_t *answer)
{
    json_t *ids, *next, *entries;
    const char *id;

    if (json_array_size(answer) == 0)
        return;
    ids = entries_by_id(answer);
    next = json_object();
    json_object_foreach(ids, id, entries)
    {
        json_object_set_new(next, id, name_nodes(json_object_get(names->known, id), entries));
    }
    json_decref(ids);
    json_decref(names->known);
    names->known = next;
}

char *consul_names_id(const struct consul_names *names, const json_t *entry)
{
    const char *id = entry_text(entry, "Service", "ID");
    const char *node = entry_text(entry, "Node", "Node");
    char *both, *written;

    if (id == NULL || id[0] == '\0')
        return NULL;
    if (node == NULL || json_is_true(json_object_get(json_object_get(names->known, id), node)))
        return consul_names_write(id);
    both = xasprintf("%s:%s", node, id);
    written = consul_names_write(both);
    free(both);
    return written;
}

void consul_names_init(struct consul_names *names)
{
    names->known = json_object();
}

void consul_names_fini(struct consul_names *names)
{
    json_decref(names->known);
    names->known = NULL;
}
