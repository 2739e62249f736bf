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

char *metrics_labels_of(const char *first, const char *value, const char *second,
                        const char *second_value)
{
    char *text, *escaped = xmalloc(2 * strlen(value) + 1), *second_escaped = NULL;

    escape(escaped, value);
    if (second_value) {
        second_escaped = xmalloc(2 * strlen(second_value) + 1);
        escape(second_escaped, second_value);
        text = xasprintf("%s=\"%s\",%s=\"%s\"", first, escaped, second, second_escaped);
    } else {
        text = xasprintf("%s=\"%s\"", first, escaped);
    }
    free(escaped);
    free(second_escaped);
    return text;
}

char *metrics_labels(const char *pool, const char *endpoint)
{
    return metrics_labels_of("pool", pool, "endpoint", endpoint);
}

/* Buckets are cumulated, and each bound's own value belongs to it (Prometheus' "le"). */
void metrics_histogram(struct evbuffer *out, const char *name, const char *labels,
                       const struct durations *durations)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= DURATION_BOUNDS; i++) {
        count += durations->counts[i];
        if (i < DURATION_BOUNDS)
            evbuffer_add_printf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels,
                                (double)duration_bounds_us[i] / 1000000, (unsigned long long)count);
        else
            evbuffer_add_printf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels,
                                (unsigned long long)count);
    }
    evbuffer_add_printf(out, "%s_sum{%s} %.6f\n", name, labels,
                        (double)durations->sum_us / 1000000);
    evbuffer_add_printf(out, "%s_count{%s} %llu\n", name, labels, (unsigned long long)count);
}
