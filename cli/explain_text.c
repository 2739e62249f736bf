/* Where a request would go, told as a story: see explain_text.h. */
#include "cli/explain_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"

/* "route     api  edge.conf:23  the first that matches"; what is blank is left out. */
static void print_texts(const json_t *object, const char *const *keys, FILE *out)
{
    bool any = false;

    for (; *keys; keys++) {
        char *text;

        if (remote_text(object, *keys)[0] == '\0')
            continue;
        text = cli_printable(remote_text(object, *keys));
        fprintf(out, "%s%s", any ? "  " : "", text);
        any = true;
        free(text);
    }
    fputs(any ? "\n" : "none\n", out);
}

static void print_step(FILE *out, const char *title, const json_t *object, const char *const *keys)
{
    fprintf(out, "%-10s", title);
    print_texts(object, keys, out);
}

/* Lines of a table, indented below the step that they belong to. */
static void print_indented(struct table *table, FILE *out, bool colours)
{
    char *text = NULL, *line, *rest;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    if (!memory)
        return;
    table_print(table, memory, colours);
    fclose(memory);
    rest = text;
    while ((line = strsep(&rest, "\n")) && (*line || rest))
        fprintf(out, "          %s\n", line);
    free(text);
}

/* Those before the one that is taken, or all where none is. */
static void print_routes(const json_t *answer, FILE *out, bool colours)
{
    static const char *const headings[] = {"PASSED OVER", "WHERE", "WHY", NULL};
    static const char *const keys[] = {"name", "where", "why", NULL};
    struct table *table = table_new(headings);
    const json_t *route, *taken = NULL;
    unsigned passed = 0;
    size_t i;

    json_array_foreach(json_object_get(answer, "routes"), i, route)
    {
        taken = json_is_true(json_object_get(route, "matched")) ? route : NULL;
        if (taken)
            break;
        passed++;
        table_add(table, remote_text(route, "name"), CLI_PLAIN);
        table_add(table, remote_text(route, "where"), CLI_DIM);
        table_add(table, remote_text(route, "why"), CLI_PLAIN);
    }
    print_step(out, "route", taken ? taken : json_object_get(answer, "route"), keys);
    if (passed > 0)
        print_indented(table, out, colours);
    table_free(table);
}

static enum cli_colour breaker_colour(const char *state)
{
    return strcmp(state, "closed") == 0 || *state == '\0' ? CLI_PLAIN : CLI_RED;
}

static void print_candidates(const json_t *answer, FILE *out, bool colours)
{
    static const char *const headings[] = {"",       "ENDPOINT", "ADDRESS", ">TIER",
                                           "STATUS", "BREAKER",  "WHY",     NULL};
    const json_t *candidates = json_object_get(answer, "candidates"), *candidate;
    struct table *table = table_new(headings);
    size_t i;

    json_array_foreach(candidates, i, candidate)
    {
        const char *breaker = remote_text(candidate, "breaker");
        const char *status = remote_text(candidate, "status");
        bool chosen = json_is_true(json_object_get(candidate, "chosen"));
        char *tier = fields_value_text(json_object_get(candidate, "tier")); /* 1, "1, zone" */

        table_add(table, chosen ? ">" : " ", CLI_GREEN);
        table_add(table, remote_text(candidate, "id"), chosen ? CLI_GREEN : CLI_PLAIN);
        table_add(table, remote_text(candidate, "address"), CLI_PLAIN);
        table_add(table, tier, CLI_PLAIN);
        table_add(table, status, remote_status_colour(status));
        table_add(table, breaker, breaker_colour(breaker));
        table_add(table, remote_text(candidate, "why"), CLI_PLAIN);
        free(tier);
    }
    if (json_array_size(candidates) > 0)
        print_indented(table, out, colours);
    table_free(table);
}

/* Those that somebody has written, or those that are as they come. */
static void add_policies(struct table *table, const json_t *policies, bool defaults)
{
    const json_t *policy;
    size_t i;

    json_array_foreach(policies, i, policy)
    {
        const char *where = remote_text(policy, "where");
        enum cli_colour colour = defaults ? CLI_DIM : CLI_PLAIN;

        if ((strcmp(where, "default") == 0) != defaults)
            continue;
        table_add(table, remote_text(policy, "name"), colour);
        table_add(table, where, CLI_DIM);
        table_add(table, remote_text(policy, "summary"), colour);
    }
}

static void print_policies(const json_t *answer, FILE *out, bool colours)
{
    static const char *const headings[] = {"POLICY", "WHERE", "WHAT", NULL};
    const json_t *policies = json_object_get(answer, "policies");
    struct table *table = table_new(headings);

    add_policies(table, policies, false);
    add_policies(table, policies, true);
    if (json_array_size(policies) > 0) {
        fputc('\n', out);
        table_print(table, out, colours);
    }
    table_free(table);
}

static void print_request(const json_t *request, FILE *out)
{
    char *method = cli_printable(remote_text(request, "method"));
    char *path = cli_printable(remote_text(request, "path"));
    char *host = cli_printable(remote_text(request, "host"));

    fprintf(out, "%-10s%s %s, Host: %s\n", "request", method, path, host);
    free(method);
    free(path);
    free(host);
}

static void print_rewrite(const json_t *route, FILE *out)
{
    const json_t *rewrite = json_object_get(route, "rewrite");
    char *path;

    if (!json_is_object(rewrite))
        return;
    path = cli_printable(remote_text(rewrite, "path"));
    fprintf(out, "%-10sthe backend is asked for %s\n", "rewrite", path);
    free(path);
}

/* What evergate answers by itself: "503 connection: no endpoint can serve". */
static void print_own_answer(const char *title, const json_t *answer, FILE *out)
{
    static const char *const keys[] = {"type", "message", NULL};
    double status = remote_number(answer, "status");
    char *number, *to;

    if (status == 0)
        return;
    number = xasprintf("%-10s%.0f", title, status);
    if (remote_text(answer, "redirect_to")[0] != '\0') {
        to = cli_printable(remote_text(answer, "redirect_to"));
        fprintf(out, "%s to %s\n", number, to);
        free(to);
    } else if (remote_text(answer, "message")[0] != '\0') {
        fprintf(out, "%s ", number);
        print_texts(answer, keys, out);
    } else {
        fprintf(out, "%s\n", number);
    }
    free(number);
}

/* What is tried in its place, in this order, where nobody can serve. */
static void print_instead(const json_t *answer, FILE *out)
{
    const json_t *instead = json_object_get(answer, "instead");
    const char *pool = remote_text(instead, "fallback_pool");
    const char *file = remote_text(instead, "fallback_file");
    char *printable;

    if (!json_is_object(instead))
        return;
    if (json_is_true(json_object_get(instead, "waits")))
        fprintf(out, "%-10sit waits for a connection first\n", "instead");
    if (json_is_true(json_object_get(instead, "stale_answer")))
        fprintf(out, "%-10sa stored answer, where there is one\n", "instead");
    if (pool[0] != '\0' || file[0] != '\0') {
        printable = cli_printable(pool[0] ? pool : file);
        fprintf(out, "%-10sthe fallback's %s %s\n", "instead", pool[0] ? "pool" : "file",
                printable);
        free(printable);
    }
    print_own_answer("instead", instead, out);
}

/* A route may have several pools; the story is told of the likeliest. */
static void print_other_pools(const json_t *answer, FILE *out)
{
    static const char *const keys[] = {"name", "why", NULL};
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(answer, "other_pools"), i, pool)
        print_step(out, "or", pool, keys);
}

static void print_pool(const json_t *answer, FILE *out, bool colours)
{
    static const char *const keys[] = {"name", "where", "why", NULL};
    static const char *const endpoint[] = {"id", "address", "why", NULL};
    static const char *const why[] = {"why", NULL};
    const json_t *found = json_object_get(answer, "endpoint");

    print_step(out, "pool", json_object_get(answer, "pool"), keys);
    print_other_pools(answer, out);
    if (json_is_object(found))
        print_step(out, "endpoint", found, endpoint);
    else
        print_step(out, "endpoint", answer, why);
    print_candidates(answer, out, colours);
    print_instead(answer, out);
    print_policies(answer, out, colours);
}

void explain_print(const json_t *request, const json_t *answer, FILE *out, bool colours)
{
    static const char *const listener[] = {"name", "address", "bind", "where", "why", NULL};

    print_request(request, out);
    print_step(out, "listener", json_object_get(answer, "listener"), listener);
    print_routes(answer, out, colours);
    print_rewrite(json_object_get(answer, "route"), out);
    print_own_answer("answer", json_object_get(answer, "answer"), out);
    if (json_is_object(json_object_get(answer, "pool")))
        print_pool(answer, out, colours);
}
