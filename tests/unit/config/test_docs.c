/* docs/config.md is read by users, the tables by the program: both must say the same. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/sections_internal.h"
#include "support.h"

static char *read_file(const char *path)
{
    struct whole_file content;
    char *why;

    cr_assert(config_file_read(&content, NULL, path, 1 << 20, &why), "%s", path);
    return content.text;
}

/* The text under the heading `title`, up to the next heading (heap). */
static char *docs_section(const char *docs, const char *title)
{
    char *heading = xasprintf("# %s\n", title);
    const char *start = strstr(docs, heading), *end;

    cr_assert_not_null(start, "docs/config.md has no heading \"%s\"", title);
    start += strlen(heading);
    end = strstr(start, "\n#");
    free(heading);
    return xstrndup(start, end != NULL ? (size_t)(end - start) : strlen(start));
}

/* The table's row of `key` (heap); NULL when there is none. */
static char *docs_row(const char *section, const char *key)
{
    char *begin = xasprintf("\n| `%s` |", key);
    const char *row = strstr(section, begin);

    free(begin);
    return row != NULL ? xstrndup(row + 1, strcspn(row + 1, "\n")) : NULL;
}

static const char *docs_type(const struct schema_key *key)
{
    static const char *const types[] = {
        [SCHEMA_STRING] = "",
        [SCHEMA_NAME] = "name",
        [SCHEMA_PATH] = "file",
        [SCHEMA_SLICE] = "string",
        [SCHEMA_BOOL] = "bool",
        [SCHEMA_INTEGER] = "integer",
        [SCHEMA_DURATION] = "duration",
        [SCHEMA_SIZE] = "size",
        [SCHEMA_PERCENT] = "percentage",
        [SCHEMA_STATUSES] = "statuses",
        [SCHEMA_CHOICE] = "`",
        [SCHEMA_STRINGS] = "list of strings",
        [SCHEMA_SLICES] = "list of strings",
        [SCHEMA_GROUP] = "group",
        [SCHEMA_OPTIONAL] = "group",
        [SCHEMA_LIST] = "list of [",
        [SCHEMA_CUSTOM] = "",
    };

    return types[key->type];
}

static void check_row(const struct schema_section *section, const struct schema_key *key,
                      const char *row)
{
    char *expected = key->required ? xstrdup("| *required* |")
                     : key->fallback != NULL && key->fallback[0] != '\0'
                         ? xasprintf("| `%s` |", key->fallback)
                         : xstrdup("| ");
    const char *type = docs_type(key);

    cr_expect_not_null(strstr(row, expected), "%s: %s: default %s expected in\n%s", section->title,
                       key->name, expected, row);
    cr_expect_not_null(strstr(row, type), "%s: %s: type %s expected in\n%s", section->title,
                       key->name, type, row);
    for (size_t i = 0; key->choices != NULL && key->choices[i] != NULL; i++)
        cr_expect_not_null(strstr(row, key->choices[i]), "%s: %s: %s is missing in\n%s",
                           section->title, key->name, key->choices[i], row);
    free(expected);
}

Test(docs, every_key_of_the_tables_is_described_with_its_type_and_default)
{
    char *docs = read_file(TEST_SOURCE_DIR "/../docs/config.md");

    for (size_t i = 0; config_sections[i] != NULL; i++) {
        char *section = docs_section(docs, config_sections[i]->title);

        for (size_t k = 0; k < config_sections[i]->key_count; k++) {
            const struct schema_key *key = &config_sections[i]->keys[k];
            char *row = docs_row(section, key->name);

            cr_expect_not_null(row, "%s: %s is not described", config_sections[i]->title,
                               key->name);
            if (row != NULL)
                check_row(config_sections[i], key, row);
            free(row);
        }
        free(section);
    }
    free(docs);
}

Test(docs, every_key_that_is_not_built_is_named)
{
    char *docs = read_file(TEST_SOURCE_DIR "/../docs/config.md");
    char *section = docs_section(docs, "Not built yet");

    for (size_t i = 0; config_sections[i] != NULL; i++) {
        const char *names[64];
        size_t count = config_not_built_names(config_sections[i], names, 64);

        for (size_t k = 0; k < count; k++)
            cr_expect_not_null(strstr(section, names[k]), "%s is not named", names[k]);
    }
    free(section);
    free(docs);
}

Test(docs, the_example_is_good_but_for_the_files_it_names)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *printed;

    cr_expect_neq(config_load(&config, TEST_SOURCE_DIR "/../docs/example.conf", &errors), 0);
    printed = support_print(&errors);
    cr_expect_eq(errors.count, 7, "%s", printed);
    for (size_t i = 0; i < errors.count; i++)
        cr_expect_not_null(strstr(errors.v[i].message, "cannot read \"/etc/evergate/"), "%s",
                           printed);
    free(printed);
    config_errors_free(&errors);
}

Test(docs, the_smallest_file_in_the_text_is_good)
{
    char *docs = read_file(TEST_SOURCE_DIR "/../docs/config.md");
    const char *start = strstr(docs, "```\n"), *end = strstr(start + 4, "```");
    char *text = xstrndup(start + 4, (size_t)(end - start) - 4);
    struct config *config = support_load(text);

    config_unref(&config);
    free(text);
    free(docs);
}
