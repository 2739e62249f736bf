/* `evergate top`: pools and endpoints with their rates, again and again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/plural.h"
#include "cli/rates.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/watch.h"

enum { INTERVAL_MS = 1000, EVENTS_LOOKED_AT = 1000 };

/* The answers of one moment. */
struct moment {
    uint64_t us;
    json_t *status, *pools, *events;
};

/* What was before, from page to page: a page alone has no rates. */
static struct moment last;

static void moment_clear(struct moment *moment)
{
    json_decref(moment->status);
    json_decref(moment->pools);
    json_decref(moment->events);
    *moment = (struct moment){0};
}

static int moment_ask(struct remote *remote, struct moment *ret_moment)
{
    static const char events[] = "/api/v1/events?limit=1000";
    struct moment moment = {.us = clock_monotonic_us()};
    int code = remote_get(remote, "/api/v1/status", &moment.status);

    _Static_assert(EVENTS_LOOKED_AT == 1000, "as the path says");
    if (code == CLI_GOOD)
        code = remote_get(remote, "/api/v1/pools", &moment.pools);
    if (code == CLI_GOOD)
        code = remote_get(remote, events, &moment.events);
    if (code != CLI_GOOD) {
        moment_clear(&moment);
        return code;
    }
    *ret_moment = moment;
    return CLI_GOOD;
}

/* Of requests to the instance, its own answers among them. 0: nothing to compare with. */
static double request_rate(const struct moment *moment, double seconds)
{
    const json_t *now = json_object_get(moment->status, "requests");
    const json_t *before = json_object_get(last.status, "requests");
    double counted = remote_number(now, "total") - remote_number(before, "total");

    return before && seconds > 0 && counted >= 0 ? counted / seconds : 0;
}

static void add_rate(struct table *table, const json_t *object, const char *key, bool is_bad)
{
    double value = remote_number(object, key);

    if (!json_is_number(json_object_get(object, key)))
        table_add(table, NULL, CLI_DIM);
    else
        table_addf(table, is_bad && value > 0 ? CLI_RED : CLI_PLAIN, "%.1f", value);
}

static void add_numbers(struct table *table, const json_t *object)
{
    table_add_count(table, object, "active");
    add_rate(table, object, "requests_per_second", false);
    add_rate(table, object, "errors_per_second", true);
    table_add_latency(table, json_object_get(object, "latency"), "p50_seconds");
    table_add_latency(table, json_object_get(object, "latency"), "p99_seconds");
}

static void print_pools(const json_t *pools, FILE *out, bool colours)
{
    static const char *const headings[] = {"POOL",   ">USABLE", ">PENDING", ">ACTIVE", ">REQ/S",
                                           ">ERR/S", ">P50",    ">P99",     "SUMMARY", NULL};
    struct table *table = table_new(headings);
    const json_t *pool;
    size_t i;

    json_array_foreach(pools, i, pool)
    {
        double usable = remote_number(pool, "endpoints_usable");
        double total = remote_number(pool, "endpoints_total");
        enum cli_colour colour = usable == 0 ? CLI_RED : usable < total ? CLI_YELLOW : CLI_GREEN;

        table_add(table, remote_text(pool, "name"), CLI_PLAIN);
        table_addf(table, colour, "%.0f/%.0f", usable, total);
        table_add_count(table, pool, "pending");
        add_numbers(table, pool);
        table_add(table, remote_text(pool, "summary"), CLI_PLAIN);
    }
    table_print(table, out, colours);
    table_free(table);
}

/* The latest event of each endpoint, by "pool/endpoint". A new reference. */
static json_t *latest_events(const json_t *events)
{
    json_t *latest = json_object(), *event;
    size_t i;

    json_array_foreach(events, i, event)
    {
        char *name = xasprintf("%s/%s", remote_text(event, "pool"), remote_text(event, "endpoint"));

        json_object_set(latest, name, event);
        free(name);
    }
    return latest;
}

/* "02:58:11 breaker closed -> open", "02:58:11 endpoint changed". */
static void add_event(struct table *table, const json_t *endpoint, const json_t *latest)
{
    char *name = xasprintf("%s/%s", remote_text(endpoint, "pool"), remote_text(endpoint, "id"));
    const json_t *event = json_object_get(latest, name);
    const char *time = remote_text(event, "time"), *from = remote_text(event, "from");

    if (event)
        table_addf(table, CLI_PLAIN, "%.8s %s %s%s%s",
                   strlen(time) > 19 ? time + strlen("2026-11-21T") : time,
                   remote_text(event, "type"), from, from[0] ? " -> " : "",
                   remote_text(event, "to"));
    else
        table_add(table, NULL, CLI_DIM);
    free(name);
}

/* What is not well stands first, then the busiest. */
static int compare(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    double busy_x = remote_number(x, "requests_per_second");
    double busy_y = remote_number(y, "requests_per_second");

    if (remote_is_well(x) != remote_is_well(y))
        return remote_is_well(x) ? 1 : -1;
    if (busy_x < busy_y || busy_x > busy_y)
        return busy_x < busy_y ? 1 : -1;
    return strcmp(remote_text(x, "id"), remote_text(y, "id"));
}

static const json_t **sorted_endpoints(const json_t *pools, size_t *ret_count)
{
    const json_t **endpoints, *pool, *endpoint;
    size_t i, j, count = 0;

    json_array_foreach(pools, i, pool) count += json_array_size(json_object_get(pool, "endpoints"));
    endpoints = xcalloc(count + 1, sizeof(json_t *));
    count = 0;
    json_array_foreach(pools, i, pool) json_array_foreach(json_object_get(pool, "endpoints"), j,
                                                          endpoint) endpoints[count++] = endpoint;
    qsort(endpoints, count, sizeof(json_t *), compare);
    *ret_count = count;
    return endpoints;
}

static void print_endpoints(const struct moment *moment, FILE *out, bool colours)
{
    static const char *const headings[] = {"POOL",    "ENDPOINT",   "STATUS", "BREAKER",
                                           ">ACTIVE", ">REQ/S",     ">ERR/S", ">P50",
                                           ">P99",    "LAST EVENT", NULL};
    struct table *table = table_new(headings);
    json_t *latest = latest_events(json_object_get(moment->events, "events"));
    size_t count;
    const json_t **endpoints = sorted_endpoints(json_object_get(moment->pools, "pools"), &count);

    for (size_t i = 0; i < count; i++) {
        table_add(table, remote_text(endpoints[i], "pool"), CLI_PLAIN);
        table_add(table, remote_text(endpoints[i], "id"), CLI_PLAIN);
        table_add_state(table, endpoints[i]);
        add_numbers(table, endpoints[i]);
        add_event(table, endpoints[i], latest);
    }
    table_print(table, out, colours);
    table_free(table);
    json_decref(latest);
    free(endpoints);
}

static void print_page(const struct moment *moment, double seconds, FILE *out, bool colours)
{
    const json_t *connections = json_object_get(moment->status, "connections");
    const json_t *requests = json_object_get(moment->status, "requests");
    double open = remote_number(connections, "open");

    remote_print_state(moment->status, out, colours);
    fprintf(out, "%.1f requests/s, %.0f in flight, %.0f connection%s, generation %.0f\n\n",
            request_rate(moment, seconds), remote_number(requests, "active"), open, plural(open),
            remote_number(json_object_get(moment->status, "config"), "generation"));
    print_pools(json_object_get(moment->pools, "pools"), out, colours);
    fputc('\n', out);
    print_endpoints(moment, out, colours);
}

static void print_line(const struct moment *moment, double seconds, FILE *out)
{
    json_t *line = json_object();

    json_object_set_new(line, "seconds", json_real(seconds));
    json_object_set_new(line, "requests_per_second", json_real(request_rate(moment, seconds)));
    json_object_set(line, "status", moment->status);
    json_object_set(line, "pools", json_object_get(moment->pools, "pools"));
    json_dumpf(line, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', out);
    json_decref(line);
}

static int show(struct remote *remote, const struct cli_options *options, FILE *out, bool colours)
{
    struct moment now;
    double seconds;
    int code = moment_ask(remote, &now);

    if (code != CLI_GOOD)
        return code;
    seconds = last.us > 0 ? (double)(now.us - last.us) / 1000000 : 0;
    rates_add(now.pools, last.pools, seconds);
    if (options->json)
        print_line(&now, seconds, out);
    else
        print_page(&now, seconds, out, colours);
    moment_clear(&last);
    last = now;
    return CLI_GOOD;
}

/* Where the first page must have rates already: what it is compared with, and the time between. */
static int begin(struct remote *remote)
{
    const struct timespec pause = {.tv_sec = INTERVAL_MS / 1000};
    int code = moment_ask(remote, &last);

    if (code == CLI_GOOD)
        nanosleep(&pause, NULL);
    return code;
}

int cli_top(const struct cli_options *options)
{
    bool live = screen_is_there() && !options->json;
    uint64_t count = options->count;
    struct remote remote;
    int code = remote_init(&remote, "top", options);

    if (code != CLI_GOOD)
        return code;
    if (!live && !options->json && count == 0)
        count = 1;
    if (!live)
        code = begin(&remote);
    if (code == CLI_GOOD)
        code = cli_watch(&remote, options, INTERVAL_MS, count, show);
    moment_clear(&last);
    remote_fini(&remote);
    return code;
}
