/* `evergate pools` and `evergate endpoints`: tables of a running instance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/client.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"

static void add_latency(struct table *table, const json_t *object, const char *key)
{
    double seconds = remote_number(object, key);

    if (seconds > 0)
        table_addf(table, CLI_PLAIN, "%.1f ms", seconds * 1000);
    else
        table_add(table, NULL, CLI_DIM);
}

static void add_count(struct table *table, const json_t *object, const char *key)
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
    add_count(table, pool, "active");
    add_count(table, pool, "requests");
    add_latency(table, latency, "p50_seconds");
    add_latency(table, latency, "p99_seconds");
    table_add(table, remote_text(pool, "summary"), colour == CLI_GREEN ? CLI_PLAIN : colour);
}

void remote_print_pools(const json_t *answer, bool colours)
{
    static const char *const headings[] = {"POOL", "ALGORITHM", ">USABLE", ">ACTIVE", ">REQUESTS",
                                           ">P50", ">P99",      "SUMMARY", NULL};
    struct table *table = table_new(headings);
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(answer, "pools"), i, pool) add_pool(table, pool);
    table_print(table, stdout, colours);
    table_free(table);
}

static enum cli_colour colour_of_status(const char *status)
{
    if (strcmp(status, "healthy") == 0)
        return CLI_GREEN;
    return strcmp(status, "unhealthy") == 0 ? CLI_RED : CLI_YELLOW;
}

static const char *breaker_state(const json_t *endpoint)
{
    return remote_text(json_object_get(endpoint, "breaker"), "state");
}

/* Does it serve as it should? Then there is nothing to be said about it. */
static bool is_well(const json_t *endpoint)
{
    return strcmp(remote_text(endpoint, "status"), "healthy") == 0 &&
           strcmp(breaker_state(endpoint), "closed") == 0 &&
           strcmp(remote_text(json_object_get(endpoint, "stall"), "state"), "clear") == 0 &&
           json_is_true(json_object_get(endpoint, "usable"));
}

static void add_state(struct table *table, const json_t *endpoint)
{
    const json_t *outlier = json_object_get(endpoint, "outlier");
    const char *status = remote_text(endpoint, "status"), *breaker = breaker_state(endpoint);
    bool ejected = json_is_true(json_object_get(outlier, "ejected"));

    if (ejected)
        table_addf(table, CLI_RED, "%s, ejected", status);
    else
        table_add(table, status, colour_of_status(status));
    table_add(table, breaker, strcmp(breaker, "closed") == 0 ? CLI_PLAIN : CLI_RED);
}

static void add_endpoint(struct table *table, const json_t *endpoint)
{
    table_add(table, remote_text(endpoint, "pool"), CLI_PLAIN);
    table_add(table, remote_text(endpoint, "id"), CLI_PLAIN);
    table_add(table, remote_text(endpoint, "address"), CLI_PLAIN);
    add_state(table, endpoint);
    table_addf(table, CLI_PLAIN, "%g", remote_number(endpoint, "effective_weight"));
    if (json_is_true(json_object_get(endpoint, "backup")))
        table_add(table, "backup", CLI_PLAIN);
    else
        add_count(table, endpoint, "priority");
    add_count(table, endpoint, "active");
    add_count(table, endpoint, "requests");
    add_count(table, endpoint, "failures");
    add_latency(table, json_object_get(endpoint, "latency"), "p50_seconds");
    add_latency(table, json_object_get(endpoint, "latency"), "p99_seconds");
}

static void print_sentences(const json_t *endpoints, bool colours)
{
    const json_t *endpoint;
    bool first = true;
    size_t i;

    json_array_foreach(endpoints, i, endpoint)
    {
        char *name, *summary;

        if (is_well(endpoint))
            continue;
        name = cli_printable(remote_text(endpoint, "id"));
        summary = cli_printable(remote_text(endpoint, "summary"));
        if (first)
            putchar('\n');
        first = false;
        cli_print_in(stdout, colours, CLI_YELLOW, name);
        printf(": %s\n", summary);
        free(name);
        free(summary);
    }
}

static void print_endpoints(const json_t *endpoints, bool colours)
{
    static const char *const headings[] = {
        "POOL",    "ENDPOINT",  "ADDRESS",   "STATUS", "BREAKER", ">WEIGHT", ">PRIORITY",
        ">ACTIVE", ">REQUESTS", ">FAILURES", ">P50",   ">P99",    NULL};
    struct table *table = table_new(headings);
    const json_t *endpoint;
    size_t i;

    json_array_foreach(endpoints, i, endpoint) add_endpoint(table, endpoint);
    table_print(table, stdout, colours);
    table_free(table);
    print_sentences(endpoints, colours);
}

int cli_pools(const struct cli_options *options)
{
    static const char path[] = "/api/v1/pools?endpoints=false";
    struct remote remote;
    json_t *answer;
    int code = remote_init(&remote, "pools", options);

    if (code != CLI_GOOD)
        return code;
    if (options->json) {
        code = remote_print(&remote, "/api/v1/pools");
    } else if ((code = remote_get(&remote, path, &answer)) == CLI_GOOD) {
        remote_print_pools(answer, cli_colours(stdout));
        json_decref(answer);
    }
    remote_fini(&remote);
    return code;
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

int cli_endpoints(const struct cli_options *options)
{
    char *pool = options->pool ? client_escape(options->pool) : NULL;
    char *path = pool ? xasprintf("/api/v1/pools/%s/endpoints", pool) : xstrdup("/api/v1/pools");
    struct remote remote;
    json_t *answer;
    int code = remote_init(&remote, "endpoints", options);

    if (code == CLI_GOOD && options->json) {
        code = remote_print(&remote, path);
    } else if (code == CLI_GOOD && (code = remote_get(&remote, path, &answer)) == CLI_GOOD) {
        json_t *endpoints =
            pool ? json_incref(json_object_get(answer, "endpoints")) : all_endpoints(answer);

        print_endpoints(endpoints, cli_colours(stdout));
        json_decref(endpoints);
        json_decref(answer);
    }
    remote_fini(&remote);
    free(path);
    free(pool);
    return code;
}
