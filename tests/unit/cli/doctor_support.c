/* See doctor_support.h. */
#include "doctor_support.h"

#include <criterion/criterion.h>
#include <string.h>

struct config *doctor_support_load(const char *text)
{
    struct config *config = NULL;
    struct config_errors errors;
    int rc = config_load_text(&config, "edge.conf", text, &errors);

    cr_assert_eq(rc, EG_OK, "%s\n%s", rc == EG_OK ? "" : errors.v[0].message, text);
    config_errors_free(&errors);
    return config;
}

const struct doctor_finding *doctor_support_find(const struct doctor_report *report,
                                                 const char *rule)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->findings[i].rule, rule) == 0)
            return &report->findings[i];
    return NULL;
}

struct doctor_facts doctor_support_facts(void)
{
    return (struct doctor_facts){
        .proc = true,
        .cpus = 4,
        .descriptors = 1048576,
        .somaxconn = 4096,
        .syncookies = 1,
        .syn_backlog = 4096,
        .port_first = 32768,
        .port_last = 60999,
        .tw_reuse = 2,
        .conntrack = DOCTOR_UNKNOWN,
        .conntrack_max = DOCTOR_UNKNOWN,
        .memory_bytes = INT64_C(8) << 30,
        .low_ports = 1024,
        .filters = 1,
        .user = {.uid = 0, .group = "root"},
        .clock = DOCTOR_CLOCK_SYNCED,
        .written_s = DOCTOR_NOW - 3600,
    };
}
