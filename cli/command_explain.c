/* `evergate explain URL`: where a request would go, told as a story. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"

/* "http://host:port/path?query", "host/path" or "/path". */
struct url {
    char *host; /* "" when there is none */
    char *path; /* with the query; at least "/" */
};

static struct url split_url(const char *text)
{
    const char *scheme = strstr(text, "://"), *slash;

    if (scheme)
        text = scheme + 3;
    slash = text + strcspn(text, "/?");
    return (struct url){xstrndup(text, (size_t)(slash - text)),
                        *slash == '/' ? xstrdup(slash) : xasprintf("/%s", slash)};
}

static void set_if_given(json_t *object, const char *key, const char *text)
{
    if (text && *text)
        fields_set_text(object, key, text);
}

/* A Host header says what the URL does not. */
static json_t *question(const struct url *url, const struct cli_options *options)
{
    json_t *object = json_object(), *headers = fields_headers(options);
    const char *name, *host = url->host;
    const json_t *value;

    json_object_foreach(headers, name, value)
    {
        if (*host == '\0' && strcasecmp(name, "host") == 0)
            host = json_string_value(value);
    }
    set_if_given(object, "listener", options->listener);
    set_if_given(object, "client_ip", options->client);
    fields_set_text(object, "method", options->method ? options->method : "GET");
    set_if_given(object, "host", host);
    fields_set_text(object, "path", url->path);
    json_object_set_new(object, "headers", headers);
    return object;
}

/* "route     api  edge.conf:23  the first that matches"; what is blank is left out. */
static void print_step(FILE *out, const char *title, const json_t *object, const char *const *keys)
{
    bool any = false;

    fprintf(out, "%-10s", title);
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

/* A tier is a number or a sentence. */
static char *tier_text(const json_t *candidate)
{
    const json_t *tier = json_object_get(candidate, "tier");

    if (json_is_object(tier))
        tier = json_object_get(tier, "priority");
    return fields_value_text(tier);
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
        char *tier = tier_text(candidate);

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

static void print_policies(const json_t *answer, FILE *out, bool colours)
{
    static const char *const headings[] = {"POLICY", "WHERE", "WHAT", NULL};
    const json_t *policies = json_object_get(answer, "policies"), *policy;
    struct table *table = table_new(headings);
    size_t i;

    json_array_foreach(policies, i, policy)
    {
        table_add(table, remote_text(policy, "name"), CLI_PLAIN);
        table_add(table, remote_text(policy, "where"), CLI_DIM);
        table_add(table, remote_text(policy, "summary"), CLI_PLAIN);
    }
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

static void print_story(const json_t *request, const json_t *answer, FILE *out, bool colours)
{
    static const char *const listener[] = {"name", "address", "bind", "where", "why", NULL};
    static const char *const pool[] = {"name", "where", "why", NULL};
    static const char *const endpoint[] = {"id", "address", "why", NULL};

    print_request(request, out);
    print_step(out, "listener", json_object_get(answer, "listener"), listener);
    print_routes(answer, out, colours);
    print_step(out, "pool", json_object_get(answer, "pool"), pool);
    print_step(out, "endpoint", json_object_get(answer, "endpoint"), endpoint);
    print_candidates(answer, out, colours);
    print_policies(answer, out, colours);
}

static int ask(struct remote *remote, const json_t *request, const struct cli_options *options)
{
    static const char path[] = "/api/v1/explain";
    json_t *answer;
    int code;

    if (options->json)
        return remote_print(remote, "POST", path, request, stdout);
    code = remote_ask(remote, "POST", path, request, &answer);
    if (code != CLI_GOOD)
        return code;
    print_story(request, answer, stdout, cli_colours(stdout, options->colours));
    json_decref(answer);
    return CLI_GOOD;
}

int cli_explain(const struct cli_options *options)
{
    struct url url = split_url(options->operands[0]);
    json_t *request = question(&url, options);
    struct remote remote;
    int code = remote_init(&remote, "explain", options);

    if (code == CLI_GOOD) {
        code = ask(&remote, request, options);
        remote_fini(&remote);
    }
    json_decref(request);
    free(url.host);
    free(url.path);
    return code;
}
