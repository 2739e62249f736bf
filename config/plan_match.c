/* Two lists of named things: what of one is what of the other, and what changed places. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/plan_internal.h"

struct match_name {
    const char *name;
    size_t index;
};

static const char *list_name(const struct plan_list *list, size_t index)
{
    const char *name;

    memcpy(&name, (const char *)list->elements + index * list->bytes + list->name_offset,
           sizeof(name));
    return name;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const struct match_name *)a)->name, ((const struct match_name *)b)->name);
}

static struct match_name *list_sorted(const struct plan_list *list)
{
    struct match_name *names = xcalloc(list->count + 1, sizeof(*names));

    for (size_t i = 0; i < list->count; i++)
        names[i] = (struct match_name){list_name(list, i), i};
    qsort(names, list->count, sizeof(*names), name_compare);
    return names;
}

static bool match_same_order(const struct plan_list *from, const struct plan_list *to)
{
    bool same = from->count == to->count;

    for (size_t i = 0; same && i < to->count; i++)
        same = strcmp(list_name(from, i), list_name(to, i)) == 0;
    return same;
}

static void match_sorted(struct plan_match *match, const struct plan_list *from,
                         const struct plan_list *to)
{
    struct match_name *names = list_sorted(from);

    for (size_t i = 0; i < to->count; i++) {
        struct match_name wanted = {list_name(to, i), 0}, *found;

        found = bsearch(&wanted, names, from->count, sizeof(*names), name_compare);
        if (found == NULL)
            continue;
        match->from_of[i] = found->index;
        match->to_of[found->index] = i;
    }
    free(names);
}

void plan_match_init(struct plan_match *match, const struct plan_list *from,
                     const struct plan_list *to)
{
    bool same = match_same_order(from, to);

    match->from_of = xcalloc(to->count + 1, sizeof(size_t));
    match->to_of = xcalloc(from->count + 1, sizeof(size_t));
    for (size_t i = 0; i < to->count; i++)
        match->from_of[i] = same ? i : PLAN_NONE;
    for (size_t i = 0; i < from->count; i++)
        match->to_of[i] = same ? i : PLAN_NONE;
    if (!same)
        match_sorted(match, from, to);
}

void plan_match_fini(struct plan_match *match)
{
    free(match->from_of);
    free(match->to_of);
}

/*
 * The longest rising sequence of old places stays; the others moved. `ends[k]` is the element with
 * the lowest old place that a rising sequence of k + 1 elements can end with, `before` leads back
 * through it.
 */
void plan_match_moved(const struct plan_match *match, size_t to_count, bool *moved)
{
    size_t *ends = xcalloc(to_count + 1, sizeof(*ends));
    size_t *before = xcalloc(to_count + 1, sizeof(*before)), length = 0, at;

    for (size_t i = 0; i < to_count; i++) {
        size_t low = 0, high = length;

        moved[i] = match->from_of[i] != PLAN_NONE;
        if (!moved[i])
            continue;
        while (low < high) {
            size_t middle = (low + high) / 2;

            if (match->from_of[ends[middle]] < match->from_of[i])
                low = middle + 1;
            else
                high = middle;
        }
        before[i] = low > 0 ? ends[low - 1] : PLAN_NONE;
        ends[low] = i;
        length = low == length ? length + 1 : length;
    }
    for (at = length > 0 ? ends[length - 1] : PLAN_NONE; at != PLAN_NONE; at = before[at])
        moved[at] = false;
    free(ends);
    free(before);
}
