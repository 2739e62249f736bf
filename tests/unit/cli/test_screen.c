#include <criterion/criterion.h>

#include <stdlib.h>

#include "cli/screen.h"

#define HOME "\x1b[H"
#define FILL "\x1b[0m\x1b[K"

static void writes(const char *page, unsigned rows, unsigned columns, const char *want)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    screen_write_page(out, page, rows, columns);
    fclose(out);
    cr_assert_str_eq(text, want);
    free(text);
}

Test(screen, what_is_not_filled_is_cleared)
{
    writes("ab\n\nc\n", 5, 80,
           HOME "ab" FILL "\n" FILL "\n"
                "c" FILL "\n\x1b[J");
    writes("", 5, 80, HOME "\x1b[J");
}

Test(screen, lines_are_cut_by_characters)
{
    writes("abcdef\n", 2, 4, HOME "abcd" FILL "\n\x1b[J");
    writes("gr\xc3\xbc\xc3\x9f"
           "e\n",
           2, 4, HOME "gr\xc3\xbc\xc3\x9f" FILL "\n\x1b[J");
}

Test(screen, colours_have_no_width_and_end_with_the_line)
{
    writes("\x1b[32mab\x1b[0mcdef\n", 2, 3, HOME "\x1b[32mab\x1b[0mc" FILL "\n\x1b[J");
    writes("\x1b[31mabcdef", 2, 3, HOME "\x1b[31mabc" FILL "\n\x1b[J");
    writes("ab\x1b[3", 2, 3, HOME "ab\x1b[3" FILL "\n\x1b[J");
}

Test(screen, what_does_not_fit_is_counted)
{
    writes("a\nb\nc\nd\n", 3, 80, HOME "a" FILL "\nb" FILL "\n... 2 more lines\x1b[K");
    writes("a\nb\nc\n", 3, 80, HOME "a" FILL "\nb" FILL "\nc" FILL);
}
