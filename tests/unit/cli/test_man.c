/* man/evergate.1 is read by users, the tables by the program: each command, verb and option is
 * there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "cli/cli_internal.h"

enum { PAGE_BYTES = 1 << 16 };

static char *page_read(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/../man/evergate.1", "re");
    char *page = xcalloc(1, PAGE_BYTES);

    cr_assert_not_null(file);
    cr_assert_lt(fread(page, 1, PAGE_BYTES - 1, file), PAGE_BYTES - 1);
    fclose(file);
    return page;
}

/* Is there a line that begins with this, as a whole word? */
static bool has_line(const char *page, const char *start)
{
    for (const char *at = page; (at = strstr(at, start)) != NULL; at++)
        if ((at == page || at[-1] == '\n') && strchr(" \n", at[strlen(start)]) != NULL)
            return true;
    return false;
}

static bool has_command(const char *page, const char *name)
{
    char *item = xasprintf(".It Cm %s", name);
    bool has = has_line(page, item);

    free(item);
    return has;
}

/* In an item's line, by its long name; the short one stands before it. */
static bool has_option(const char *page, const struct cli_option *option)
{
    char *item = option->letter != 0 ? xasprintf(".It Fl %c , -%s", option->letter, option->name)
                                     : xasprintf("Fl -%s", option->name);
    const char *at = strstr(page, item);
    bool has = at != NULL && strchr(" \n", at[strlen(item)]) != NULL;

    free(item);
    return has;
}

Test(man, has_every_command_and_verb)
{
    char *page = page_read();

    for (const struct cli_command *c = cli_commands; c->name != NULL; c++) {
        cr_expect(has_command(page, c->name), "evergate.1 lacks the command %s", c->name);
        for (const struct cli_command *v = c->verbs; v != NULL && v->name != NULL; v++)
            cr_expect(has_command(page, v->name), "evergate.1 lacks %s %s", c->name, v->name);
    }
    free(page);
}

Test(man, has_every_option)
{
    char *page = page_read();

    for (const struct cli_option *o = cli_option_table; o->name != NULL; o++)
        cr_expect(has_option(page, o), "evergate.1 lacks --%s", o->name);
    free(page);
}
