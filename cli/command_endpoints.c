/* `evergate endpoints`: a line per endpoint of a running instance, and a sentence for each that
 * does not serve as it should. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"
#include "cli/watch.h"

enum cli_colour remote_status_colour(const char *status)
{
    if (strcmp(status, "healthy") == 0)
        return CLI_GREEN;
    return strcmp(status, "unhealthy") == 0 ? CLI_RED : CLI_YELLOW;
}

const char *remote_breaker_state(const json_t *endpoint)
{
    return remote_text(json_object_get(endpoint, "breaker"), "state");
}

bool remote_is_well(const json_t *endpoint)
{
    return strcmp(remote_text(endpoint, "status"), "healthy") == 0 &&
           strcmp(remote_breaker_state(endpoint), "closed") == 0 &&
           strcmp(remote_text(json_object_get(endpoint, "stall"), "state"), "clear") == 0 &&
           json_is_true(json_object_get(endpoint, "usable"));
}

void table_add_state(struct table *table, const json_t *endpoint)
{
    const json_t *outlier = json_object_get(endpoint, "outlier");
    const char *status = remote_text(endpoint, "status"), *breaker = remote_breaker_state(endpoint);
    bool ejected = json_is_true(json_object_get(outlier, "ejected"));

    if (ejected)
        table_addf(table, CLI_RED, "%s, ejected", status);
    else
        table_add(table, status, remote_status_colour(status));
    table_add(table, breaker, strcmp(breaker, "closed") == 0 ? CLI_PLAIN : CLI_RED);
}

static void add_endpoint(struct table *table, const json_t *endpoint)
{
    table_add(table, remote_text(endpoint, "pool"), CLI_PLAIN);
    table_add(table, remote_text(endpoint, "id"), CLI_PLAIN);
    table_add(table, remote_text(endpoint, "address"), CLI_PLAIN);
    table_add_state(table, endpoint);
    table_addf(table, CLI_PLAIN, "%g", remote_number(endpoint, "effective_weight"));
    if (json_is_true(json_object_get(endpoint, "backup")))
        table_add(table, "backup", CLI_PLAIN);
    else
        table_add_count(table, endpoint, "priority");
    table_add_count(table, endpoint, "active");
    table_add_count(table, endpoint, "requests");
    table_add_count(table, endpoint, "failures");
    table_add_latency(table, json_object_get(endpoint, "latency"), "p50_seconds");
    table_add_latency(table, json_object_get(endpoint, "latency"), "p99_seconds");
}

static void print_sentences(const json_t *endpoints, FILE *out, bool colours)
{
    const json_t *endpoint;
    bool first = true;
    size_t i;

    json_array_foreach(endpoints, i, endpoint)
    {
        char *name, *summary;

        if (remote_is_well(endpoint))
            continue;
        name = cli_printable(remote_text(endpoint, "id"));
        summary = cli_printable(remote_text(endpoint, "summary"));
        if (first)
            fputc('\n', out);
        first = false;
        cli_print_in(out, colours, CLI_YELLOW, name);
        fprintf(out, ": %s\n", summary);
        free(name);
        free(summary);
    }
}

void remote_print_endpoints(const json_t *endpoints, FILE *out, bool colours)
{
    static const char *const headings[] = {
        "POOL",    "ENDPOINT",  "ADDRESS",   "STATUS", "BREAKER", ">WEIGHT", ">PRIORITY",
        ">ACTIVE", ">REQUESTS", ">FAILURES", ">P50",   ">P99",    NULL};
    struct table *table = table_new(headings);
    const json_t *endpoint;
    size_t i;

    json_array_foreach(endpoints, i, endpoint) add_endpoint(table, endpoint);
    table_print(table, out, colours);
    table_free(table);
    print_sentences(endpoints, out, colours);
}

/* The endpoints of every pool as one array. */
static json_t *all_endpoints(const json_t *answer)
{
    json_t *all = json_array();
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(answer, "pools"), i, pool)
        json_array_extend(all, json_object_get(pool, "endpoints"));
    return all;
}

static int show(struct remote *remote, const struct cli_options *options, FILE *out, bool colours)
{
    const char *pool = options->operands[0];
    char *path = pool ? remote_pool_path(pool, "/endpoints") : xstrdup("/api/v1/pools");
    json_t *answer, *endpoints;
    int code;

    if (options->json) {
        code = remote_print(remote, "GET", path, NULL, out);
    } else if ((code = remote_get(remote, path, &answer)) == CLI_GOOD) {
        endpoints =
            pool ? json_incref(json_object_get(answer, "endpoints")) : all_endpoints(answer);
        remote_print_endpoints(endpoints, out, colours);
        json_decref(endpoints);
        json_decref(answer);
    }
    free(path);
    return code;
}

int cli_endpoints(const struct cli_options *options)
{
    return cli_show("endpoints", options, show);
}
