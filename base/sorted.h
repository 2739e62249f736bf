/* Lists that are sorted by name: where one is, and making room for one that is not. */
#ifndef EVERGATE_BASE_SORTED_H
#define EVERGATE_BASE_SORTED_H

#include <stdbool.h>
#include <stddef.h>

/* The name of what stands `at` in `list`, whatever that is to the caller. */
typedef const char *(*sorted_name_cb)(const void *list, size_t at);

/* Where `name` is among `count`, or where it would have to stand (strcmp's order). */
size_t sorted_position(const void *list, size_t count, sorted_name_cb name_at, const char *name,
                       bool *ret_found);

/* `items` (heap, NULL: none yet), `count` of `size` bytes each, with a place more: the one at `at`
 * holds nothing yet, what stood there and behind it has moved up. The caller's; `items` is gone. */
void *sorted_make_room(void *items, size_t count, size_t size, size_t at);

#endif
