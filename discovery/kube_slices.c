/* See kube_slices.h. */
#include "discovery/kube_slices.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Names of objects are never empty: what can be said of no slice's stands here. */
static const char nameless[] = "";

struct kube_slices {
    const struct kube_selection *selection;
    json_t *by_name; /* name -> {"endpoints": [...], "refused": [...]} */
    size_t items;    /* of all entries */
};

struct kube_slices *kube_slices_new(const struct kube_selection *selection)
{
    struct kube_slices *slices = xcalloc(1, sizeof(*slices));

    slices->selection = selection;
    slices->by_name = json_object();
    return slices;
}

void kube_slices_free(struct kube_slices *slices)
{
    if (!slices)
        return;
    json_decref(slices->by_name);
    free(slices);
}

/* ---- what is there ---- */

static size_t count_of(const json_t *entry)
{
    return json_array_size(json_object_get(entry, "endpoints")) +
           json_array_size(json_object_get(entry, "refused"));
}

/* Takes the references. */
static bool put(struct kube_slices *slices, const char *name, struct kube_slice slice)
{
    const json_t *before = json_object_get(slices->by_name, name);
    json_t *entry = json_object();

    json_object_set_new(entry, "endpoints", slice.endpoints);
    json_object_set_new(entry, "refused", slice.refused);
    bool changed = !json_equal(before, entry);

    slices->items += count_of(entry) - count_of(before);
    json_object_set_new(slices->by_name, name, entry);
    return changed;
}

static bool refuse(struct kube_slices *slices, const char *name, char *sentence)
{
    struct kube_slice slice = {json_array(), json_array()};

    json_array_append_new(slice.refused, json_string(sentence));
    free(sentence);
    return put(slices, name, slice);
}

bool kube_slices_put(struct kube_slices *slices, const json_t *object)
{
    const char *name = kube_slice_name(object);

    if (!name)
        return refuse(slices, nameless, xstrdup("a slice has no name"));
    const json_t *before = json_object_get(slices->by_name, name);
    if (!before && json_object_size(slices->by_name) >= KUBE_SLICES)
        return refuse(slices, nameless, xasprintf("there are more than %d slices", KUBE_SLICES));

    struct kube_slice slice = kube_slice_read(object, slices->selection);
    size_t count = slices->items - count_of(before) + json_array_size(slice.endpoints) +
                   json_array_size(slice.refused);
    if (count <= KUBE_SLICES_ITEMS)
        return put(slices, name, slice);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
    return refuse(
        slices, name,
        xasprintf("slice \"%s\": the service has more than %d endpoints", name, KUBE_SLICES_ITEMS));
}

bool kube_slices_remove(struct kube_slices *slices, const json_t *object)
{
    const char *name = kube_slice_name(object);

    if (!name)
        return false;
    slices->items -= count_of(json_object_get(slices->by_name, name));
    return json_object_del(slices->by_name, name) == 0;
}

size_t kube_slices_size(const struct kube_slices *slices)
{
    return slices->items;
}

void kube_slices_refused(const struct kube_slices *slices,
                         void (*tell)(void *arg, const char *sentence), void *arg)
{
    json_t *entry, *sentence;
    const char *name;
    size_t i;

    json_object_foreach(slices->by_name, name, entry)
    {
        json_array_foreach(json_object_get(entry, "refused"), i, sentence)
            tell(arg, json_string_value(sentence));
    }
}

/* ---- what they make together ---- */

struct candidate {
    json_t *endpoint; /* the store's */
    const char *id, *address, *slice;
    unsigned rank; /* the lowest one is taken */
};

/* IPv4 before IPv6, whatever they say of readiness: a pod's address is not to change because one of
 * its two slices was written first. Then as ready as anywhere. */
static unsigned rank_of(const json_t *endpoint, const char *address)
{
    const char *reported = json_string_value(json_object_get(endpoint, "reported"));
    unsigned family = address[0] == '[' ? 3 : 0;

    if (strcmp(reported, "healthy") == 0)
        return family;
    return family + (strcmp(reported, "draining") == 0 ? 1 : 2);
}

static int compare_rank(const struct candidate *a, const struct candidate *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    int order = strcmp(a->slice, b->slice);
    if (order != 0)
        return order;
    /* Twice in one slice. Whatever is taken must be taken again the next time. */
    order = strcmp(a->id, b->id);
    return order != 0 ? order : strcmp(a->address, b->address);
}

static int compare_address(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = strcmp(x->address, y->address);

    return order != 0 ? order : compare_rank(x, y);
}

static int compare_id(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = strcmp(x->id, y->id);

    return order != 0 ? order : compare_rank(x, y);
}

static struct candidate *candidates_of(const struct kube_slices *slices, size_t *ret_count)
{
    struct candidate *all = xcalloc(slices->items + 1, sizeof(*all));
    json_t *entry, *endpoint;
    const char *name;
    size_t i, n = 0;

    json_object_foreach(slices->by_name, name,
                        entry){json_array_foreach(json_object_get(entry, "endpoints"), i, endpoint){
        const char *address = json_string_value(json_object_get(endpoint, "address"));
    const char *id = json_string_value(json_object_get(endpoint, "id"));

    all[n++] = (struct candidate){endpoint, id, address, name, rank_of(endpoint, address)};
}
}
*ret_count = n;
return all;
}

static bool same_address(const struct candidate *a, const struct candidate *b)
{
    return strcmp(a->address, b->address) == 0;
}

static bool same_id(const struct candidate *a, const struct candidate *b)
{
    return strcmp(a->id, b->id) == 0;
}

/* Of each row of those that are the same, the first. Returns how many are left. */
static size_t keep_first(struct candidate *all, size_t count,
                         bool (*same)(const struct candidate *a, const struct candidate *b))
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !same(&all[kept - 1], &all[i]))
            all[kept++] = all[i];
    return kept;
}

json_t *kube_slices_endpoints(const struct kube_slices *slices)
{
    json_t *endpoints = json_array();
    size_t count;
    struct candidate *all = candidates_of(slices, &count);

    qsort(all, count, sizeof(*all), compare_address);
    count = keep_first(all, count, same_address);
    qsort(all, count, sizeof(*all), compare_id);
    count = keep_first(all, count, same_id);
    for (size_t i = 0; i < count; i++)
        json_array_append(endpoints, all[i].endpoint);
    free(all);
    return endpoints;
}
