/* `evergate events`: what happened, a line each, and on request what happens from now on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"
#include "health/duration.h"

enum { FOLLOW_MS = 500, EVENTS_AT_ONCE = 1000 };

static enum cli_colour colour_of(const char *severity)
{
    if (strcmp(severity, "error") == 0)
        return CLI_RED;
    return strcmp(severity, "warn") == 0 ? CLI_YELLOW : CLI_PLAIN;
}

/* "pool/endpoint", or the pool alone. */
static char *subject_of(const json_t *event)
{
    const char *endpoint = remote_text(event, "endpoint");

    return endpoint[0] ? xasprintf("%s/%s", remote_text(event, "pool"), endpoint)
                       : xstrdup(remote_text(event, "pool"));
}

/* "TIME  api/a  breaker closed -> open (after 3 h 12 m): WHY; NEXT"; what concerns the instance as
 * a whole has no subject. */
static char *line_of(const json_t *event)
{
    double was_s = remote_number(event, "was_seconds");
    const char *from = remote_text(event, "from"), *to = remote_text(event, "to");
    const char *why = remote_text(event, "why"), *next = remote_text(event, "next");
    char *subject = subject_of(event), *line;

    line = xasprintf("%s  %s%s%s %s%s%s%s%s%s%s%s%s%s", remote_text(event, "time"), subject,
                     subject[0] ? "  " : "", remote_text(event, "type"), from,
                     from[0] && to[0] ? " -> " : "", to, was_s > 0 ? " (after " : "",
                     was_s > 0 ? duration_text((uint64_t)(was_s * 1000000)).text : "",
                     was_s > 0 ? ")" : "", why[0] ? ": " : "", why, next[0] ? "; " : "", next);
    free(subject);
    return line;
}

void remote_print_events(const json_t *answer, FILE *out, bool colours)
{
    const json_t *event;
    size_t i;

    json_array_foreach(json_object_get(answer, "events"), i, event)
    {
        char *line = line_of(event), *printable = cli_printable(line);

        cli_print_in(out, colours, colour_of(remote_text(event, "severity")), printable);
        fputc('\n', out);
        free(printable);
        free(line);
    }
}

static void wait_a_little(void)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000L};

    nanosleep(&pause, NULL);
}

/* One answer, printed; *since moves on. */
static int step(struct remote *remote, const char *path, const struct cli_options *options,
                uint64_t *since, size_t *ret_count)
{
    json_t *answer;
    int code = remote_get(remote, path, &answer);

    if (code != CLI_GOOD)
        return code;
    *ret_count = json_array_size(json_object_get(answer, "events"));
    *since = (uint64_t)remote_number(answer, "last_id");
    if (!options->json) {
        remote_print_events(answer, stdout, cli_colours(stdout, options->colours));
    } else if (*ret_count > 0) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    }
    fflush(stdout);
    json_decref(answer);
    return CLI_GOOD;
}

/* A last_id below what was asked for belongs to a new process, whose events begin anew. */
static int follow(struct remote *remote, const struct cli_options *options, uint64_t since)
{
    for (;;) {
        char *path = xasprintf("/api/v1/events?since=%llu&limit=%d", (unsigned long long)since,
                               EVENTS_AT_ONCE);
        uint64_t last = since;
        size_t count = 0;
        int code = step(remote, path, options, &last, &count);

        free(path);
        if (code != CLI_GOOD)
            return code;
        since = last < since ? 0 : last;
        if (count < EVENTS_AT_ONCE)
            wait_a_little();
    }
}

int cli_events(const struct cli_options *options)
{
    char *path = options->has_since ? xasprintf("/api/v1/events?since=%llu&limit=%d",
                                                (unsigned long long)options->since, EVENTS_AT_ONCE)
                                    : xstrdup("/api/v1/events");
    struct remote remote;
    uint64_t since = 0;
    size_t count;
    int code = remote_init(&remote, "events", options);

    if (code == CLI_GOOD && options->json && !options->follow)
        code = remote_print(&remote, "GET", path, NULL, stdout);
    else if (code == CLI_GOOD)
        code = step(&remote, path, options, &since, &count);
    if (code == CLI_GOOD && options->follow)
        code = follow(&remote, options, since);
    remote_fini(&remote);
    free(path);
    return code;
}
