/* `evergate status`: the running instance in one page. */
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

static void print_pair(FILE *out, const char *title, const json_t *object, const char *now_key,
                       const char *now_word)
{
    fprintf(out, "%-14s %.0f %s, %.0f since the start\n", title, remote_number(object, now_key),
            now_word, remote_number(object, "total"));
}

static void print_listeners(FILE *out, const json_t *listeners)
{
    const json_t *listener;
    size_t i;

    json_array_foreach(listeners, i, listener)
    {
        char *name = cli_printable(remote_text(listener, "name"));
        char *address = cli_printable(remote_text(listener, "address"));

        double open = remote_number(listener, "connections");

        fprintf(out, "%-14s %s on %s, %.0f connection%s\n", i == 0 ? "listeners" : "", name,
                address, open, plural(open));
        free(name);
        free(address);
    }
}

void remote_print_state(const json_t *status, FILE *out, bool colours)
{
    char *version = cli_printable(remote_text(status, "version"));
    char *state = cli_printable(remote_text(status, "state"));
    bool ready = json_is_true(json_object_get(status, "ready"));
    uint64_t uptime_us = (uint64_t)(remote_number(status, "uptime_seconds") * 1000000);
    double workers = remote_number(status, "workers");

    fprintf(out, "evergate %s, ", version);
    cli_print_in(out, colours, ready ? CLI_GREEN : CLI_RED, state);
    fprintf(out, "%s, for %s, %.0f worker%s\n",
            !ready && strcmp(state, "serving") == 0 ? ", but no pool has a usable endpoint" : "",
            duration_text(uptime_us).text, workers, plural(workers));
    free(version);
    free(state);
}

static void print_instance(const json_t *status, FILE *out, bool colours)
{
    const json_t *config = json_object_get(status, "config");
    char *file = cli_printable(remote_text(config, "file"));

    remote_print_state(status, out, colours);
    fprintf(out, "%-14s %s, generation %.0f\n", "configuration", file,
            remote_number(config, "generation"));
    print_pair(out, "connections", json_object_get(status, "connections"), "open", "open");
    print_pair(out, "requests", json_object_get(status, "requests"), "active", "in flight");
    print_listeners(out, json_object_get(status, "listeners"));
    free(file);
}

static void print_failing(const json_t *status, FILE *out, bool colours)
{
    const json_t *discovery = json_object_get(status, "discovery");
    const json_t *source;
    size_t i;

    json_array_foreach(json_object_get(discovery, "failing"), i, source)
    {
        char *trouble = remote_source_trouble(source);
        char *line = xasprintf("%-14s %s %s: %s", i == 0 ? "discovery" : "",
                               remote_text(source, "type"), remote_text(source, "source"), trouble);
        char *printable = cli_printable(line);

        cli_print_in(out, colours, CLI_RED, printable);
        fputc('\n', out);
        free(printable);
        free(line);
        free(trouble);
    }
}

static void print_commands(const json_t *status, FILE *out, bool colours)
{
    const json_t *commands = json_object_get(status, "commands");
    char *line, *printable;

    if (!json_is_false(json_object_get(commands, "available")))
        return;
    line = xasprintf("%-14s none can be started: %s; restart evergate", "commands",
                     remote_text(commands, "why"));
    printable = cli_printable(line);
    cli_print_in(out, colours, CLI_RED, printable);
    fputc('\n', out);
    free(printable);
    free(line);
}

/* For whoever asks before sending traffic, again and again: a container's health check, keepalived,
 * a script that waits. They hold no token, and a page that nobody reads is not made. */
static int show_ready(struct remote *remote, FILE *out)
{
    char *sentence = NULL;
    int code = remote_ask_health(remote, "/health/ready", &sentence);
    char *printable = sentence != NULL ? cli_printable(sentence) : NULL;

    if (printable != NULL)
        fprintf(out, "%s\n", printable);
    free(printable);
    free(sentence);
    return code;
}

static int require_ready(struct remote *remote)
{
    json_t *status = NULL;
    int code = remote_get(remote, "/api/v1/status", &status);

    if (code == CLI_GOOD && !json_is_true(json_object_get(status, "ready")))
        code = CLI_BAD;
    json_decref(status);
    return code;
}

static int show_page(struct remote *remote, FILE *out, bool colours)
{
    json_t *status = NULL, *pools = NULL, *events = NULL;
    int code = remote_get(remote, "/api/v1/status", &status);
    if (code == CLI_GOOD)
        code = remote_get(remote, "/api/v1/pools?endpoints=false", &pools);
    if (code == CLI_GOOD)
        code = remote_get(remote, "/api/v1/events?limit=5", &events);
    if (code == CLI_GOOD) {
        print_instance(status, out, colours);
        print_failing(status, out, colours);
        print_commands(status, out, colours);
        fputc('\n', out);
        remote_print_pools(pools, out, colours);
        if (json_array_size(json_object_get(events, "events")) > 0)
            fprintf(out, "\nThe latest events:\n");
        remote_print_events(events, out, colours);
    }
    json_decref(status);
    json_decref(pools);
    json_decref(events);
    return code;
}

static int show(struct remote *remote, const struct cli_options *options, FILE *out, bool colours)
{
    int code;

    if (options->ready && !options->json)
        return show_ready(remote, out);
    code = options->json ? remote_print(remote, "GET", "/api/v1/status", NULL, out)
                         : show_page(remote, out, colours);

    return code == CLI_GOOD && options->ready ? require_ready(remote) : code;
}

int cli_status(const struct cli_options *options)
{
    return cli_show("status", options, show);
}
