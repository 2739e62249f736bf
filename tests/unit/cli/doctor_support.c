/* See doctor_support.h. */
#include "doctor_support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

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

char *doctor_support_told(const char *text, const struct doctor_facts *facts, const char *rule,
                          bool advice)
{
    struct config *config = doctor_support_load(text);
    struct doctor_report report;
    const struct doctor_finding *finding;
    char *what = NULL;

    doctor_examine(&report, config, facts, DOCTOR_NOW);
    finding = doctor_support_find(&report, rule);
    if (finding)
        what = xstrdup(advice ? finding->write : finding->what);
    doctor_report_fini(&report);
    config_unref(&config);
    return what;
}

char doctor_room[] = "/tmp/evergate-doctor-XXXXXX";

void doctor_room_make(void)
{
    cr_assert_not_null(mkdtemp(doctor_room));
    cr_assert_eq(chmod(doctor_room, 0755), 0);
}

void doctor_room_remove(void)
{
    char *command = xasprintf("rm -r '%s'", doctor_room);

    cr_expect_eq(system(command), 0);
    free(command);
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
