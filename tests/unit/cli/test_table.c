#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/table.h"

static const char *const headings[] = {"NAME", ">COUNT", "WHY", NULL};

static void prints(const struct table *table, bool colours, const char *want)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    table_print(table, out, colours);
    fclose(out);
    cr_assert_str_eq(text, want);
    free(text);
}

Test(table, columns_are_as_wide_as_they_need_to_be)
{
    struct table *table = table_new(headings);

    prints(table, false, "NAME  COUNT  WHY\n");
    table_add(table, "a", CLI_PLAIN);
    table_addf(table, CLI_PLAIN, "%d", 1234567);
    table_add(table, "because", CLI_RED);
    table_add(table,
              "gr\xc3\xbc\xc3\x9f"
              "e",
              CLI_GREEN);
    table_addf(table, CLI_PLAIN, "%d", 1);
    table_add(table, NULL, CLI_PLAIN);
    prints(table, false,
           "NAME     COUNT  WHY\n"
           "a      1234567  because\n"
           "gr\xc3\xbc\xc3\x9f"
           "e        1  -\n");
    table_free(table);
}

Test(table, colours_do_not_move_columns)
{
    struct table *table = table_new(headings);

    table_add(table, "a", CLI_GREEN);
    table_add(table, "1", CLI_PLAIN);
    table_add(table, "x", CLI_RED);
    prints(table, true,
           "\x1b[2mNAME\x1b[0m  \x1b[2mCOUNT\x1b[0m  \x1b[2mWHY\x1b[0m\n"
           "\x1b[32ma\x1b[0m         1  \x1b[31mx\x1b[0m\n");
    table_free(table);
}

Test(table, nothing_that_is_shown_can_steer_a_terminal)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"plain", "plain"},
        {"\x1b[2J\x07\r\n\t\x7f", "?[2J?????"},
        {"\xc2\x9b"
         "2J",
         "??2J"},
        {"caf\xc3\xa9 \xc2\xa0", "caf\xc3\xa9 \xc2\xa0"},
        {"", "-"},
        {NULL, "-"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = cli_printable(cases[i].text);

        cr_assert_str_eq(text, cases[i].want);
        free(text);
    }
}

Test(client, a_name_is_escaped_into_one_segment)
{
    char *escaped = client_escape("unix:/run/a b.sock~%?\xff");

    cr_assert_str_eq(escaped, "unix%3A%2Frun%2Fa%20b.sock~%25%3F%FF");
    free(escaped);
}
