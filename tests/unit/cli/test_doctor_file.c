/* The doctor's rules over the file: for each a text that has it and one that has not. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor_support.h"

/* What the rule found in `text`; the report is the caller's. */
static const struct doctor_finding *examine(const char *text, const char *rule,
                                            struct doctor_report *report)
{
    struct config *config = doctor_support_load(text);
    const struct doctor_finding *finding;

    doctor_examine(report, config, NULL, DOCTOR_NOW);
    finding = doctor_support_find(report, rule);
    if (finding && finding->file)
        cr_expect_str_eq(finding->file, "edge.conf");
    config_unref(&config);
    return finding;
}

Test(doctor_file, each_rule_finds_what_it_is_for_where_it_stands)
{
    for (const struct doctor_case *c = doctor_cases; c->rule; c++) {
        struct doctor_report report;
        const struct doctor_finding *finding = examine(c->with, c->rule, &report);

        cr_expect_not_null(finding, "%s is not found in:\n%s", c->rule, c->with);
        if (finding) {
            cr_expect_eq(finding->line, c->line, "%s: line %u", c->rule, finding->line);
            cr_expect(finding->what[0] && finding->why[0] && finding->write[0]);
        }
        doctor_report_fini(&report);
    }
}

Test(doctor_file, no_rule_finds_what_is_not_there)
{
    for (const struct doctor_case *c = doctor_cases; c->rule; c++) {
        struct doctor_report report;
        const struct doctor_finding *finding = examine(c->without, c->rule, &report);

        cr_expect_null(finding, "%s is found in:\n%s", c->rule, c->without);
        doctor_report_fini(&report);
    }
}

/* A rule without a case here has one in the file that is named beside it. */
Test(doctor_file, every_rule_has_a_case)
{
    static const struct doctor_rule *const tables[] = {
        doctor_file_rules,  doctor_confinement_rules, doctor_listener_rules, doctor_routes_rules,
        doctor_route_rules, doctor_pool_rules,        doctor_source_rules};
    static const char *const elsewhere[] = {"client-ca-unused" /* test_doctor_certificates.c */,
                                            "route-shadowed" /* below */};

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct doctor_rule *rule = tables[t]; rule->name; rule++) {
            bool found = false;

            for (const struct doctor_case *c = doctor_cases; c->rule && !found; c++)
                found = strcmp(c->rule, rule->name) == 0;
            for (size_t i = 0; i < 2 && !found; i++)
                found = strcmp(elsewhere[i], rule->name) == 0;
            cr_expect(found, "%s has no case", rule->name);
        }
    }
}

Test(doctor_file, a_careful_file_has_nothing_to_find)
{
    struct config *config = doctor_support_load(
        LISTENER("bind = \":80\";") "state_file = \"/tmp/evergate-state.json\";\n");
    struct doctor_report report;

    doctor_examine(&report, config, NULL, DOCTOR_NOW);
    cr_expect_eq(report.count, 0, "%s", report.count ? report.findings[0].what : "");
    doctor_report_fini(&report);
    config_unref(&config);
}

Test(doctor_file, errors_stand_before_warnings_and_those_before_hints)
{
    struct config *config =
        doctor_support_load(POOL(TWO "tls = { verify = false; };") "drain_timeout = \"0\";");
    struct doctor_report report;

    doctor_examine(&report, config, NULL, DOCTOR_NOW);
    for (size_t i = 1; i < report.count; i++)
        cr_expect_leq(report.findings[i - 1].severity, report.findings[i].severity);
    cr_expect_eq(report.counts[DOCTOR_ERROR], 1);
    cr_expect_eq(report.counts[DOCTOR_WARNING], 2);
    cr_expect_eq(report.counts[DOCTOR_HINT], 1);
    doctor_report_fini(&report);
    config_unref(&config);
}

/* ---- routes that are never reached ---- */

static const struct {
    const char *earlier, *later;
    bool shadows;
} shadows[] = {
    {"", "path = \"/a\";", true},
    {"path = \"/\";", "", true},
    {"path = \"/\";", "path = \"~x\"; path_match = \"regex\";", true},
    {"path = \"/a\";", "path = \"/a/b\";", true},
    {"path = \"/a/\";", "path = \"/a\";", true},
    {"path = \"/a\";", "path = \"/a/\";", true},
    {"path = \"/a\";", "path = \"/a/x\"; path_match = \"exact\";", true},
    {"path = \"/a\";", "path = \"/ab\";", false},
    {"path = \"/a\";", "", false},
    {"path = \"/a\";", "path = \"/a/.*\"; path_match = \"regex\";", false},
    {"path = \"/a\"; path_match = \"exact\";", "path = \"/a\";", false},
    {"path = \"/a\"; path_match = \"exact\";", "path = \"/a\"; path_match = \"exact\";", true},
    {"path = \"^/v[0-9]\"; path_match = \"regex\";", "path = \"/v1\"; path_match = \"exact\";",
     true},
    {"path = \"^/v[0-9]\"; path_match = \"regex\";", "path = \"/v1\";", false},
    {"path = \"^/v\"; path_match = \"regex\";", "path = \"^/v\"; path_match = \"regex\";", true},
    {"host = \"a.example\";", "host = \"A.example\";", true},
    {"host = \"a.example\";", "host = \"b.example\";", false},
    {"host = \"a.example\";", "", false},
    {"host = \"*.example\";", "host = \"a.example\";", true},
    {"host = \"*.example\";", "host = \"*.a.example\";", true},
    {"host = \"*.example\";", "host = \"example\";", false},
    {"methods = [ \"GET\" ];", "", false},
    {"", "methods = [ \"GET\" ];", true},
    {"", "methods = [ \"CONNECT\" ];", false},
    {"methods = [ \"GET\", \"PUT\" ];", "methods = [ \"PUT\" ];", true},
    {"methods = [ \"GET\" ];", "methods = [ \"GET\", \"PUT\" ];", false},
    {"headers = ( { name = \"a\"; } );", "", false},
    {"headers = ( { name = \"a\"; } );", "headers = ( { name = \"A\"; value = \"1\"; } );", true},
    {"headers = ( { name = \"a\"; value = \"2\"; } );",
     "headers = ( { name = \"a\"; value = \"1\"; } );", false},
};

Test(doctor_file, a_route_that_an_earlier_one_covers_is_never_reached)
{
    for (size_t i = 0; i < sizeof(shadows) / sizeof(shadows[0]); i++) {
        char text[1024];
        struct doctor_report report;
        const struct doctor_finding *finding;

        snprintf(text, sizeof(text),
                 TOP("routes = ( { name = \"e\"; %s pool = \"app\"; },\n{ name = \"l\"; %s pool = "
                     "\"app\"; } );"),
                 shadows[i].earlier, shadows[i].later);
        finding = examine(text, "route-shadowed", &report);
        cr_expect_eq(finding != NULL, shadows[i].shadows, "%s before %s", shadows[i].earlier,
                     shadows[i].later);
        if (finding)
            cr_expect_eq(finding->line, 4);
        doctor_report_fini(&report);
    }
}

Test(doctor_file, who_can_reach_an_address)
{
    static const struct {
        const char *address;
        enum doctor_reach reach;
    } reaches[] = {
        {"127.0.0.1:1", DOCTOR_REACH_HOST},
        {"127.8.8.8:1", DOCTOR_REACH_HOST},
        {"[::1]:1", DOCTOR_REACH_HOST},
        {"unix:/run/a", DOCTOR_REACH_HOST},
        {"localhost:1", DOCTOR_REACH_HOST},
        {"localhost.example:1", DOCTOR_REACH_NETWORK},
        {"consul:8500", DOCTOR_REACH_NETWORK},
        {"10.1.2.3:1", DOCTOR_REACH_NETWORK},
        {"172.16.0.1:1", DOCTOR_REACH_NETWORK},
        {"172.32.0.1:1", DOCTOR_REACH_WORLD},
        {"192.168.1.1:1", DOCTOR_REACH_NETWORK},
        {"100.64.0.1:1", DOCTOR_REACH_NETWORK},
        {"[fd00::1]:1", DOCTOR_REACH_NETWORK},
        {"[fe80::1]:1", DOCTOR_REACH_NETWORK},
        {"[2001:db8::1]:1", DOCTOR_REACH_WORLD},
        {"[::ffff:10.0.0.1]:1", DOCTOR_REACH_NETWORK},
        {"0.0.0.0:1", DOCTOR_REACH_WORLD},
        {"[::]:1", DOCTOR_REACH_WORLD},
        {":1", DOCTOR_REACH_WORLD},
        {"203.0.113.7:1", DOCTOR_REACH_WORLD},
    };

    for (size_t i = 0; i < sizeof(reaches) / sizeof(reaches[0]); i++)
        cr_expect_eq(doctor_reach(reaches[i].address), reaches[i].reach, "%s", reaches[i].address);
}

/* ---- docs/doctor.md ---- */

static char *read_docs(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/../docs/doctor.md", "r");
    char *text = NULL;
    size_t capacity = 0;

    cr_assert_not_null(file);
    cr_assert_gt(getdelim(&text, &capacity, '\0', file), 0);
    fclose(file);
    return text;
}

Test(doctor_file, every_rule_is_told_of_in_the_docs)
{
    static const struct doctor_rule *const tables[] = {
        doctor_file_rules,   doctor_confinement_rules, doctor_listener_rules,
        doctor_route_rules,  doctor_routes_rules,      doctor_pool_rules,
        doctor_source_rules, doctor_certificate_rules, doctor_identity_rules,
        doctor_path_rules,   doctor_system_rules};
    static const char *const words[] = {"error", "warning", "hint"};
    char *docs = read_docs();

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct doctor_rule *rule = tables[t]; rule->name; rule++) {
            char *row = xasprintf("\n| `%s` | %s | ", rule->name, words[rule->severity]);

            cr_expect_not_null(strstr(docs, row), "docs/doctor.md has no row %s", row);
            free(row);
        }
    }
    free(docs);
}

/* ---- printing ---- */

static char *printed(const char *text, bool json)
{
    struct config *config = doctor_support_load(text);
    struct doctor_report report;
    char *out = NULL;
    size_t size;
    FILE *file = open_memstream(&out, &size);

    doctor_examine(&report, config, NULL, DOCTOR_NOW);
    if (json)
        doctor_print_json(&report, file);
    else
        doctor_print(&report, config, file, false);
    fclose(file);
    doctor_report_fini(&report);
    config_unref(&config);
    return out;
}

Test(doctor_file, findings_are_printed_with_their_place_why_and_the_line_to_write)
{
    char *text =
        printed(POOL(TWO HEALTH "breaker = { failure_threshold = 0; error_percent = 0; };"), false);

    cr_expect_str_eq(text,
                     "warnings:\n"
                     "\n"
                     "edge.conf:2: pool \"app\": the breaker is off\n"
                     "  why:   a backend that fails is asked at full rate, and kept from "
                     "recovering\n"
                     "  write: breaker = { ... failure_threshold = 5; error_percent = 50; };\n"
                     "\n"
                     "hints:\n"
                     "\n"
                     "edge.conf: there is no state_file\n"
                     "  why:   what is changed over the management API is forgotten when the "
                     "process restarts\n"
                     "  write: state_file = \"/var/lib/evergate/state.json\";\n"
                     "\n"
                     "edge.conf: 0 errors, 1 warning, 1 hint\n");
    free(text);
}

Test(doctor_file, json_has_the_same_for_programs)
{
    char *text = printed(TOP(""), true);

    cr_expect_str_eq(text, "[\n"
                           "  {\n"
                           "    \"severity\": \"hint\",\n"
                           "    \"rule\": \"no-state-file\",\n"
                           "    \"file\": \"edge.conf\",\n"
                           "    \"line\": null,\n"
                           "    \"what\": \"there is no state_file\",\n"
                           "    \"why\": \"what is changed over the management API is forgotten "
                           "when the process restarts\",\n"
                           "    \"write\": \"state_file = \\\"/var/lib/evergate/state.json\\\";\"\n"
                           "  }\n"
                           "]\n");
    free(text);
}
