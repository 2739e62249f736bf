/* Text that is made in an arena. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"

Test(arena, formatted_text_of_any_length_is_kept)
{
    struct arena arena;
    const char *text, *before;

    arena_init(&arena);
    before = arena_format(&arena, "%s:%u", "10.0.0.1", 80u);
    text = arena_format(&arena, "%*d", 10000, 7);
    cr_expect_eq(strlen(text), 10000);
    cr_expect_eq(text[9999], '7');
    cr_expect_str_eq(before, "10.0.0.1:80");
    arena_fini(&arena);
}
