/* See sorted.h. */
#include "base/sorted.h"

#include <string.h>

#include "base/alloc.h"

size_t sorted_position(const void *list, size_t count, sorted_name_cb name_at, const char *name,
                       bool *ret_found)
{
    size_t low = 0, high = count;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name_at(list, middle), name);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void *sorted_make_room(void *items, size_t count, size_t size, size_t at)
{
    char *roomy = xrealloc(items, (count + 1) * size);
    char *place = roomy + at * size;

    memmove(place + size, place, (count - at) * size);
    return roomy;
}
