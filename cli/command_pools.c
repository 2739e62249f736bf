/* `evergate pools`: a line per pool of a running instance. */
#include <stdio.h>

#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"
#include "cli/watch.h"

void table_add_latency(struct table *table, const json_t *object, const char *key)
{
    double seconds = remote_number(object, key);

    if (seconds > 0)
        table_addf(table, CLI_PLAIN, "%.1f ms", seconds * 1000);
    else
        table_add(table, NULL, CLI_DIM);
}

void table_add_count(struct table *table, const json_t *object, const char *key)
{
    table_addf(table, CLI_PLAIN, "%.0f", remote_number(object, key));
}

static void add_pool(struct table *table, const json_t *pool)
{
    const json_t *latency = json_object_get(pool, "latency");
    double usable = remote_number(pool, "endpoints_usable");
    double total = remote_number(pool, "endpoints_total");
    enum cli_colour colour = usable == 0 ? CLI_RED : usable < total ? CLI_YELLOW : CLI_GREEN;

    table_add(table, remote_text(pool, "name"), CLI_PLAIN);
    table_add(table, remote_text(pool, "algorithm"), CLI_PLAIN);
    table_addf(table, colour, "%.0f/%.0f", usable, total);
    table_add_count(table, pool, "active");
    table_add_count(table, pool, "requests");
    table_add_latency(table, latency, "p50_seconds");
    table_add_latency(table, latency, "p99_seconds");
    table_add(table, remote_text(pool, "summary"), colour == CLI_GREEN ? CLI_PLAIN : colour);
}

void remote_print_pools(const json_t *answer, FILE *out, bool colours)
{
    static const char *const headings[] = {"POOL", "ALGORITHM", ">USABLE", ">ACTIVE", ">REQUESTS",
                                           ">P50", ">P99",      "SUMMARY", NULL};
    struct table *table = table_new(headings);
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(answer, "pools"), i, pool) add_pool(table, pool);
    table_print(table, out, colours);
    table_free(table);
}

static int show(struct remote *remote, const struct cli_options *options, FILE *out, bool colours)
{
    json_t *answer;
    int code;

    if (options->json)
        return remote_print(remote, "GET", "/api/v1/pools", NULL, out);
    code = remote_get(remote, "/api/v1/pools?endpoints=false", &answer);
    if (code != CLI_GOOD)
        return code;
    remote_print_pools(answer, out, colours);
    json_decref(answer);
    return CLI_GOOD;
}

int cli_pools(const struct cli_options *options)
{
    return cli_show("pools", options, show);
}
