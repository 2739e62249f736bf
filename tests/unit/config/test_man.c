/* man/evergate.conf.5 is read by users, the tables by the program: no key is missing there, none is
 * made up, and the defaults are the same. scripts/man_keys.py writes the page's keys. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/sections_internal.h"

static char *page_read(void)
{
    struct whole_file content;
    char *why;

    cr_assert(
        config_file_read(&content, NULL, TEST_SOURCE_DIR "/../man/evergate.conf.5", 1 << 20, &why));
    return content.text;
}

/* The text below ".Ss title" (heap); empty where there is none. */
static char *page_section(const char *page, const char *title)
{
    char *heading = xasprintf("\n.Ss %s\n", title);
    const char *start = strstr(page, heading), *end;

    cr_expect_not_null(start, "man/evergate.conf.5 has no section \"%s\": run scripts/man_keys.py",
                       title);
    start = start != NULL ? start + strlen(heading) : "";
    end = strstr(start, "\n.El\n");
    free(heading);
    return xstrndup(start, end != NULL ? (size_t)(end - start) : 0);
}

/* Does an item of the key say its default? Where a key depends on another one, it has several. */
static bool says_default(const char *section, const struct schema_key *key)
{
    char *begin = xasprintf("\n.It Ic %s No ", key->name);
    char *fallback = key->fallback != NULL && key->fallback[0] != '\0'
                         ? xasprintf("default: %s", key->fallback)
                         : xstrdup(key->required ? "; required" : "");
    bool says = false;

    for (const char *at = section; !says && (at = strstr(at, begin)) != NULL; at++) {
        char *line = xstrndup(at + 1, strcspn(at + 1, "\n"));

        says = strstr(line, fallback) != NULL;
        free(line);
    }
    free(fallback);
    free(begin);
    return says;
}

static bool is_key(const struct schema_section *table, const char *name, size_t n)
{
    for (size_t i = 0; i < table->key_count; i++)
        if (strlen(table->keys[i].name) == n && strncmp(table->keys[i].name, name, n) == 0)
            return true;
    return false;
}

static void check_section(const struct schema_section *table, const char *section)
{
    static const char item[] = "\n.It Ic ";

    for (size_t i = 0; i < table->key_count; i++)
        cr_expect(says_default(section, &table->keys[i]),
                  "%s: %s is missing or has another default: run scripts/man_keys.py", table->title,
                  table->keys[i].name);
    for (const char *at = section; (at = strstr(at, item)) != NULL;) {
        at += sizeof(item) - 1;
        cr_expect(is_key(table, at, strcspn(at, " ")), "%s: %.*s is no key", table->title,
                  (int)strcspn(at, " "), at);
    }
}

Test(man, has_every_key_of_the_tables_and_no_other)
{
    char *page = page_read();

    for (size_t i = 0; config_sections[i] != NULL; i++) {
        const struct schema_section *table = config_sections[i];
        char *section = page_section(page, table->title);

        check_section(table, section);
        free(section);
    }
    free(page);
}
