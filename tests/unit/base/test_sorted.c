#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/sorted.h"

static const char *name_at(const void *list, size_t at)
{
    return ((const char *const *)list)[at];
}

static const char *const words[] = {"b", "d", "f", "h"};

static size_t where(const char *word, size_t count, bool *ret_found)
{
    return sorted_position(words, count, name_at, word, ret_found);
}

Test(sorted, finds_what_is_there)
{
    bool found;

    for (size_t count = 1; count <= 4; count++) {
        for (size_t i = 0; i < count; i++) {
            cr_expect_eq(where(words[i], count, &found), i);
            cr_expect(found);
        }
    }
}

Test(sorted, says_where_another_would_have_to_stand)
{
    static const char *const others[] = {"a", "c", "e", "g", "i"};
    bool found;

    for (size_t count = 0; count <= 4; count++) {
        for (size_t i = 0; i <= count; i++) {
            cr_expect_eq(where(others[i], count, &found), i);
            cr_expect_not(found);
        }
    }
}

Test(sorted, room_is_made_at_either_end_and_between)
{
    static const size_t places[] = {0, 0, 2, 1};
    static const int wanted[] = {2, 4, 1, 3};
    int *items = NULL;

    for (int i = 0; i < 4; i++) {
        items = sorted_make_room(items, (size_t)i, sizeof(*items), places[i]);
        items[places[i]] = i + 1;
    }
    for (int i = 0; i < 4; i++)
        cr_expect_eq(items[i], wanted[i]);
    free(items);
}
