/* `evergate doctor`: what is risky in a file that is valid, and on the machine that it is on. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "cli/doctor.h"
#include "cli/doctor_facts.h"
#include "cli/table.h"

static int exit_code(const struct cli_options *options, const struct doctor_report *report)
{
    size_t bad = report->counts[DOCTOR_ERROR] + report->counts[DOCTOR_WARNING];

    if (options->strict)
        bad += report->counts[DOCTOR_HINT];
    return bad > 0 ? CLI_BAD : CLI_GOOD;
}

int cli_doctor(const struct cli_options *options)
{
    static const struct doctor_roots roots = {"/proc", "/sys/fs/cgroup"};
    struct config *config = cli_config_load(options->config);
    struct doctor_report report;
    struct doctor_facts facts;
    int code;

    if (!config)
        return CLI_BAD;
    doctor_facts_read(&facts, &roots, options->config);
    doctor_examine(&report, config, options->no_system ? NULL : &facts,
                   (int64_t)(clock_wall_us() / 1000000));
    if (options->json)
        doctor_print_json(&report, stdout);
    else
        doctor_print(&report, config, stdout, cli_colours(stdout, options->colours));
    code = exit_code(options, &report);
    doctor_report_fini(&report);
    config_unref(&config);
    return code;
}
