/* `evergate pools policy POOL [KEY=VALUE]...`: a pool's policy, shown or changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/table.h"

static void add_row(void *arg, const char *key, const json_t *value)
{
    char *text = fields_value_text(value);

    table_add(arg, key, CLI_PLAIN);
    table_add(arg, text, CLI_PLAIN);
    free(text);
}

static void print_policy(const json_t *policy, const struct cli_options *options)
{
    static const char *const headings[] = {"KEY", "VALUE", NULL};
    struct table *table = table_new(headings);

    fields_each(policy, add_row, table);
    table_print(table, stdout, cli_colours(stdout, options->colours));
    table_free(table);
}

/* What the change comes to, which may be less than what was asked, or nothing. */
struct comparison {
    const json_t *before;
    struct table *table;
    unsigned differences;
};

static void compare(void *arg, const char *key, const json_t *value)
{
    struct comparison *comparison = arg;
    const json_t *before = fields_at(comparison->before, key);
    char *was, *is;

    if (json_equal(before, value))
        return;
    was = fields_value_text(before);
    is = fields_value_text(value);
    table_add(comparison->table, key, CLI_PLAIN);
    table_add(comparison->table, was, CLI_PLAIN);
    table_add(comparison->table, is, CLI_GREEN);
    comparison->differences++;
    free(was);
    free(is);
}

static void print_comparison(const json_t *before, const json_t *after,
                             const struct cli_options *options)
{
    static const char *const headings[] = {"KEY", "BEFORE", "NOW", NULL};
    struct comparison comparison = {.before = before, .table = table_new(headings)};

    fields_each(after, compare, &comparison);
    if (comparison.differences > 0)
        table_print(comparison.table, stdout, cli_colours(stdout, options->colours));
    else
        printf("Nothing has changed.\n");
    table_free(comparison.table);
}

/* NULL after a sentence: wrong usage. */
static json_t *patch_of(const json_t *policy, const struct cli_options *options)
{
    json_t *patch = json_object();

    for (unsigned i = 1; i < options->operand_count; i++) {
        if (fields_merge(patch, policy, options->operands[i]))
            continue;
        fprintf(stderr, "evergate pools policy: \"%s\" is no KEY=VALUE\n", options->operands[i]);
        json_decref(patch);
        return NULL;
    }
    return patch;
}

static int change(struct remote *remote, const char *path, const json_t *before,
                  const struct cli_options *options)
{
    json_t *patch = patch_of(before, options), *after;
    int code;

    if (!patch)
        return CLI_USAGE;
    if (options->json) {
        code = remote_print(remote, "PATCH", path, patch, stdout);
    } else if ((code = remote_ask(remote, "PATCH", path, patch, &after)) == CLI_GOOD) {
        json_object_del(after, "not_saved"); /* a warning, not a key */
        print_comparison(before, after, options);
        json_decref(after);
    }
    json_decref(patch);
    return code;
}

static int policy_of(struct remote *remote, const char *path, const struct cli_options *options)
{
    bool changes = options->operand_count > 1;
    json_t *policy;
    int code;

    if (options->json && !changes)
        return remote_print(remote, "GET", path, NULL, stdout);
    code = remote_get(remote, path, &policy);
    if (code != CLI_GOOD)
        return code;
    if (changes)
        code = change(remote, path, policy, options);
    else
        print_policy(policy, options);
    json_decref(policy);
    return code;
}

int cli_policy(const struct cli_options *options)
{
    struct remote remote;
    char *path;
    int code = remote_init(&remote, "pools policy", options);

    if (code != CLI_GOOD)
        return code;
    path = remote_pool_path(options->operands[0], "/policy");
    code = policy_of(&remote, path, options);
    free(path);
    remote_fini(&remote);
    return code;
}
