#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "admin/admin_metrics_text.h"

static void written(struct evbuffer *out, const char *want)
{
    evbuffer_add(out, "", 1);
    cr_assert_str_eq((const char *)evbuffer_pullup(out, -1), want);
    evbuffer_drain(out, evbuffer_get_length(out));
}

Test(metrics_text, a_line_has_its_labels_and_a_value)
{
    struct evbuffer *out = evbuffer_new();

    metrics_line(out, "x_total", NULL, NULL, 7);
    written(out, "x_total 7\n");
    metrics_line(out, "x_total", "pool=\"a\"", NULL, 18446744073709551615ULL);
    written(out, "x_total{pool=\"a\"} 18446744073709551615\n");
    metrics_line(out, "x_total", "pool=\"a\"", "to=\"open\"", 0);
    written(out, "x_total{pool=\"a\",to=\"open\"} 0\n");
    metrics_line(out, "x_total", NULL, "to=\"open\"", 0);
    written(out, "x_total{to=\"open\"} 0\n");
    metrics_line_seconds(out, "x_seconds", "pool=\"a\"", NULL, 1500);
    written(out, "x_seconds{pool=\"a\"} 0.001500\n");
    evbuffer_free(out);
}

Test(metrics_text, a_family_is_announced)
{
    struct evbuffer *out = evbuffer_new();

    metrics_single(out, "x", "gauge", "What it is.", 1);
    written(out, "# HELP x What it is.\n# TYPE x gauge\nx 1\n");
    evbuffer_free(out);
}

Test(metrics_text, label_values_are_escaped)
{
    char *labels = metrics_labels("a\\b", "\"\n");

    cr_assert_str_eq(labels, "pool=\"a\\\\b\",endpoint=\"\\\"\\n\"");
    free(labels);
    labels = metrics_labels("", NULL);
    cr_assert_str_eq(labels, "pool=\"\"");
    free(labels);
}

Test(metrics_text, a_histogram_is_cumulated_up_to_infinity)
{
    struct durations durations = {.counts = {[0] = 2, [3] = 1, [DURATION_BOUNDS] = 4},
                                  .sum_us = 1500000};
    struct evbuffer *out = evbuffer_new();
    char *text;

    metrics_histogram(out, "x", "a=\"b\"", &durations);
    evbuffer_add(out, "", 1);
    text = (char *)evbuffer_pullup(out, -1);
    cr_expect(strstr(text, "x_bucket{a=\"b\",le=\"0.0005\"} 2\n"));
    cr_expect(strstr(text, "x_bucket{a=\"b\",le=\"0.0025\"} 2\n"));
    cr_expect(strstr(text, "x_bucket{a=\"b\",le=\"0.005\"} 3\n"));
    cr_expect(strstr(text, "x_bucket{a=\"b\",le=\"30\"} 3\n"));
    cr_expect(strstr(text, "x_bucket{a=\"b\",le=\"+Inf\"} 7\nx_sum{a=\"b\"} 1.500000\n"
                           "x_count{a=\"b\"} 7\n"));
    evbuffer_free(out);
}
