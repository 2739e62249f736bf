/* `evergate status`: the running instance in one page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"
#include "health/duration.h"

static void print_pair(const char *title, const json_t *object, const char *now_key,
                       const char *now_word)
{
    printf("%-14s %.0f %s, %.0f since the start\n", title, remote_number(object, now_key), now_word,
           remote_number(object, "total"));
}

static void print_listeners(const json_t *listeners)
{
    const json_t *listener;
    size_t i;

    json_array_foreach(listeners, i, listener)
    {
        char *name = cli_printable(remote_text(listener, "name"));
        char *address = cli_printable(remote_text(listener, "address"));

        printf("%-14s %s on %s, %.0f connections\n", i == 0 ? "listeners" : "", name, address,
               remote_number(listener, "connections"));
        free(name);
        free(address);
    }
}

static void print_instance(const json_t *status, bool colours)
{
    const json_t *config = json_object_get(status, "config");
    const char *state = remote_text(status, "state");
    bool ready = json_is_true(json_object_get(status, "ready"));
    char *file = cli_printable(remote_text(config, "file"));
    uint64_t uptime_us = (uint64_t)(remote_number(status, "uptime_seconds") * 1000000);

    printf("evergate %s, ", remote_text(status, "version"));
    cli_print_in(stdout, colours, ready ? CLI_GREEN : CLI_RED, state);
    printf("%s, for %s, %.0f workers\n",
           !ready && strcmp(state, "serving") == 0 ? ", but no pool has a usable endpoint" : "",
           duration_text(uptime_us).text, remote_number(status, "workers"));
    printf("%-14s %s, generation %.0f\n", "configuration", file,
           remote_number(config, "generation"));
    print_pair("connections", json_object_get(status, "connections"), "open", "open");
    print_pair("requests", json_object_get(status, "requests"), "active", "in flight");
    print_listeners(json_object_get(status, "listeners"));
    free(file);
}

static int print_page(struct remote *remote)
{
    json_t *status = NULL, *pools = NULL, *events = NULL;
    bool colours = cli_colours(stdout);
    int code = remote_get(remote, "/api/v1/status", &status);

    if (code == CLI_GOOD)
        code = remote_get(remote, "/api/v1/pools?endpoints=false", &pools);
    if (code == CLI_GOOD)
        code = remote_get(remote, "/api/v1/events?limit=5", &events);
    if (code == CLI_GOOD) {
        print_instance(status, colours);
        putchar('\n');
        remote_print_pools(pools, colours);
        if (json_array_size(json_object_get(events, "events")) > 0)
            printf("\nThe latest events:\n");
        remote_print_events(events, colours);
    }
    json_decref(status);
    json_decref(pools);
    json_decref(events);
    return code;
}

int cli_status(const struct cli_options *options)
{
    struct remote remote;
    int code = remote_init(&remote, "status", options);

    if (code != CLI_GOOD)
        return code;
    code = options->json ? remote_print(&remote, "/api/v1/status") : print_page(&remote);
    remote_fini(&remote);
    return code;
}
