/* Prometheus' text format: see admin_metrics_text.h. */
#include "admin/admin_metrics_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void metrics_family(struct evbuffer *out, const char *name, const char *type, const char *help)
{
    evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void begin_line(struct evbuffer *out, const char *name, const char *labels, const char *more)
{
    if (labels && more)
        evbuffer_add_printf(out, "%s{%s,%s} ", name, labels, more);
    else if (labels || more)
        evbuffer_add_printf(out, "%s{%s} ", name, labels ? labels : more);
    else
        evbuffer_add_printf(out, "%s ", name);
}

void metrics_line(struct evbuffer *out, const char *name, const char *labels, const char *more,
                  uint64_t value)
{
    begin_line(out, name, labels, more);
    evbuffer_add_printf(out, "%llu\n", (unsigned long long)value);
}

void metrics_line_seconds(struct evbuffer *out, const char *name, const char *labels,
                          const char *more, uint64_t us)
{
    begin_line(out, name, labels, more);
    evbuffer_add_printf(out, "%.6f\n", (double)us / 1000000);
}

void metrics_single(struct evbuffer *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    metrics_family(out, name, type, help);
    metrics_line(out, name, NULL, NULL, value);
}

/* A label's value: backslash, quote and newline are escaped. Returns the end. */
static char *escape(char *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            *out++ = '\\';
        *out++ = *value;
        if (*value == '\n')
            out[-1] = 'n';
    }
    *out = '\0';
    return out;
}

char *metrics_labels(const char *pool, const char *endpoint)
{
    char *text, *escaped_pool = xmalloc(2 * strlen(pool) + 1);
    char *escaped_endpoint = NULL;

    escape(escaped_pool, pool);
    if (endpoint) {
        escaped_endpoint = xmalloc(2 * strlen(endpoint) + 1);
        escape(escaped_endpoint, endpoint);
        text = xasprintf("pool=\"%s\",endpoint=\"%s\"", escaped_pool, escaped_endpoint);
    } else {
        text = xasprintf("pool=\"%s\"", escaped_pool);
    }
    free(escaped_pool);
    free(escaped_endpoint);
    return text;
}
