/* `evergate providers`: where pools find their endpoints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"
#include "cli/watch.h"
#include "health/duration.h"

static struct duration_text seconds_text(double seconds)
{
    return duration_text(seconds > 0 ? (uint64_t)(seconds * 1000000) : 0);
}

static bool is_failing(const json_t *source)
{
    return strcmp(remote_text(source, "state"), "failing") == 0;
}

static bool is_unregistered(const json_t *source)
{
    const json_t *registration = json_object_get(source, "registration");

    return strcmp(remote_text(registration, "state"), "failing") == 0;
}

static double refused_count(const json_t *source)
{
    return remote_number(json_object_get(source, "refused"), "count");
}

/* ---- The table ---- */

/* "api, shop". Heap. */
static char *pools_text(const json_t *source)
{
    char *text = xstrdup("");
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(source, "pools"), i, pool)
    {
        const char *name = json_is_string(pool) ? json_string_value(pool) : "?";
        char *longer = xasprintf("%s%s%s", text, i > 0 ? ", " : "", name);

        free(text);
        text = longer;
    }
    return text;
}

static enum cli_colour colour_of(const json_t *source)
{
    if (is_failing(source))
        return CLI_RED;
    return strcmp(remote_text(source, "state"), "synced") == 0 ? CLI_GREEN : CLI_YELLOW;
}

static void add_source(struct table *table, const json_t *source)
{
    char *pools = pools_text(source);

    table_add(table, remote_text(source, "type"), CLI_PLAIN);
    table_add(table, remote_text(source, "source"), CLI_PLAIN);
    table_add(table, pools, CLI_PLAIN);
    table_add(table, remote_text(source, "state"), colour_of(source));
    table_add_count(table, source, "endpoints");
    table_addf(table, refused_count(source) > 0 ? CLI_YELLOW : CLI_PLAIN, "%.0f",
               refused_count(source));
    if (json_is_string(json_object_get(source, "last_sync")))
        table_addf(table, CLI_PLAIN, "%s ago",
                   seconds_text(remote_number(source, "last_sync_ago_s")).text);
    else
        table_add(table, NULL, CLI_DIM);
    table_add_count(table, source, "failures");
    free(pools);
}

/* ---- What is the matter ---- */

static char *failure_text(const json_t *source)
{
    double endpoints = remote_number(source, "endpoints");
    char *kept = endpoints > 0 ? xasprintf("the last %.0f endpoint%s stay%s", endpoints,
                                           plural(endpoints), endpoints == 1 ? "s" : "")
                               : xstrdup("it has told of no endpoints");
    char *text = xasprintf("failing since %s: %s; %s; next try in %s", remote_text(source, "since"),
                           remote_text(source, "last_error"), kept,
                           seconds_text(remote_number(source, "next_try_in_s")).text);

    free(kept);
    return text;
}

static char *refusal_text(const json_t *source)
{
    const json_t *reasons = json_object_get(json_object_get(source, "refused"), "reasons");
    const json_t *first = json_array_get(reasons, 0);

    return xasprintf("%.0f left out of its last answer, the first: %s", refused_count(source),
                     json_is_string(first) ? json_string_value(first) : "?");
}

static char *registration_text(const json_t *source)
{
    const json_t *registration = json_object_get(source, "registration");

    return xasprintf("this proxy's service \"%s\" is not registered since %s: %s",
                     remote_text(registration, "id"), remote_text(registration, "since"),
                     remote_text(registration, "last_error"));
}

char *remote_source_trouble(const json_t *source)
{
    if (is_failing(source))
        return failure_text(source);
    return is_unregistered(source) ? registration_text(source) : refusal_text(source);
}

static void print_trouble(const json_t *source, FILE *out)
{
    char *trouble = remote_source_trouble(source);
    char *line =
        xasprintf("%s %s: %s", remote_text(source, "type"), remote_text(source, "source"), trouble);
    char *printable = cli_printable(line);

    fprintf(out, "%s\n", printable);
    free(printable);
    free(line);
    free(trouble);
}

void remote_print_providers(const json_t *sources, FILE *out, bool colours)
{
    static const char *const headings[] = {"TYPE",      "SOURCE",     "POOLS",
                                           "STATE",     ">ENDPOINTS", ">REFUSED",
                                           "LAST SYNC", ">FAILURES",  NULL};
    struct table *table = table_new(headings);
    bool troubled = false;
    const json_t *source;
    size_t i;

    json_array_foreach(sources, i, source) add_source(table, source);
    table_print(table, out, colours);
    table_free(table);
    json_array_foreach(sources, i, source)
    {
        if (!is_failing(source) && !is_unregistered(source) && refused_count(source) == 0)
            continue;
        if (!troubled)
            fputc('\n', out);
        troubled = true;
        print_trouble(source, out);
    }
}

static int show(struct remote *remote, const struct cli_options *options, FILE *out, bool colours)
{
    json_t *answer;
    int code;

    if (options->json)
        return remote_print(remote, "GET", "/api/v1/providers", NULL, out);
    code = remote_get_array(remote, "/api/v1/providers", &answer);
    if (code != CLI_GOOD)
        return code;
    remote_print_providers(answer, out, colours);
    json_decref(answer);
    return CLI_GOOD;
}

int cli_providers(const struct cli_options *options)
{
    return cli_show("providers", options, show);
}
