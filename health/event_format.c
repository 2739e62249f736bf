/* An event as the line that an operator reads. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "health/duration.h"
#include "health/events.h"

const char *event_type_name(enum event_type type)
{
    static const char *const names[EVENT_TYPE_COUNT] = {
        [EVENT_HEALTH] = "health",       [EVENT_BREAKER] = "breaker",
        [EVENT_OUTLIER] = "outlier",     [EVENT_STALL] = "stall",
        [EVENT_DRAIN] = "drain",         [EVENT_FAILOVER] = "failover",
        [EVENT_FAILBACK] = "failback",   [EVENT_PANIC] = "panic",
        [EVENT_RECOVERY] = "recovery",   [EVENT_FALLBACK] = "fallback",
        [EVENT_OVERLOAD] = "overload",   [EVENT_ENDPOINT] = "endpoint",
        [EVENT_CONFIG] = "config",       [EVENT_UPGRADE] = "upgrade",
        [EVENT_DISCOVERY] = "discovery",
    };

    return (unsigned)type < EVENT_TYPE_COUNT ? names[type] : "unknown";
}

enum { EVENT_WAS_MIN_US = 1000 }; /* "for 0 ms" says nothing */

struct line {
    char *out;
    size_t capacity, size;
};

static void line_add(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line_add(struct line *line, const char *format, ...)
{
    size_t left = line->capacity - line->size;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line->out + line->size, left, format, args);
    va_end(args);
    if (n > 0)
        line->size += (size_t)n < left ? (size_t)n : left - 1;
}

/* Texts may quote what a backend sent. */
static void line_clean(struct line *line)
{
    for (size_t i = 0; i < line->size; i++) {
        unsigned char c = (unsigned char)line->out[i];

        if (c < 0x20 || c == 0x7f)
            line->out[i] = '?';
    }
}

/* Since when. A tier is no state that the load is in: there it is the time since the last move. */
static void line_add_since(struct line *line, const struct health_event *event)
{
    struct duration_text was = duration_text(event->was_us);

    if (event->was_us < EVENT_WAS_MIN_US || event->from[0] == '\0')
        return;
    if (event->type == EVENT_FAILOVER || event->type == EVENT_FAILBACK)
        line_add(line, "; the load last moved %s ago", was.text);
    else
        line_add(line, "; was %s for %s", event->from, was.text);
}

/* Whom it is about. An endpoint without an id of its own has its address for it. */
static void line_add_who(struct line *line, const struct health_event *event)
{
    if (event->pool[0] != '\0')
        line_add(line, "pool \"%s\": ", event->pool);
    if (event->endpoint[0] == '\0')
        return;
    line_add(line, "endpoint \"%s\"", event->endpoint);
    if (event->address[0] != '\0' && strcmp(event->endpoint, event->address) != 0)
        line_add(line, " (%s)", event->address);
    line_add(line, ": ");
}

/* What became what: "breaker closed -> open", "registered", "config: 3 -> 4". */
static void line_add_what(struct line *line, const struct health_event *event)
{
    bool of_process = event->pool[0] == '\0', of_itself;
    bool both = event->from[0] != '\0' && event->to[0] != '\0';

    of_itself = event->type == EVENT_ENDPOINT && event->to[0] != '\0';
    if (!of_itself)
        line_add(line, "%s", event_type_name(event->type));
    if (event->from[0] == '\0' && event->to[0] == '\0')
        return;
    line_add(line, "%s%s%s%s",
             of_itself    ? ""
             : of_process ? ": "
                          : " ",
             event->from, both ? " -> " : "", event->to);
}

size_t event_format(const struct health_event *event, char *out, size_t capacity)
{
    struct line line = {.out = out, .capacity = capacity};

    if (capacity == 0)
        return 0;
    out[0] = '\0';
    line_add_who(&line, event);
    line_add_what(&line, event);
    if (event->why[0] != '\0')
        line_add(&line, ": %s", event->why);
    line_add_since(&line, event);
    if (event->next[0] != '\0')
        line_add(&line, "; %s", event->next);
    line_clean(&line);
    return line.size;
}
