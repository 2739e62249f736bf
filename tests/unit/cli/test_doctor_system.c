/* The doctor's rules over the machine, judged by facts that the test makes up; and how facts are
 * read from the kernel's files. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor_support.h"

/* ---- rules ---- */

/* Of a machine without anything to find, one fact is another. */
struct fact_case {
    const char *rule;
    const char *text;
    size_t offset; /* of the int64_t that is another */
    int64_t with, without;
    const char *place; /* its file; NULL: the system */
};
#define FACT(field) offsetof(struct doctor_facts, field)

#define CLIENTS(n)  LISTENER(BIND "max_connections = " #n ";")
#define CACHES(n)   POOL(TWO HEALTH "fallback = { stale = \"1m\"; cache = \"" n "\"; };")
#define SHORT_LIVED POOL(TWO HEALTH "keepalive = { idle = 0; };")

static const struct fact_case cases[] = {
    {"descriptors-low", CLIENTS(20000), FACT(descriptors), 10000, INT64_MAX, NULL},
    {"descriptors-low", CLIENTS(1000), FACT(descriptors), 1024, 4096, NULL},
    {"descriptors-tight", CLIENTS(10000), FACT(descriptors), 20000, 30000, NULL},
    {"descriptors-tight", CLIENTS(10000), FACT(descriptors), 20000, 1024, NULL},
    {"keepalive-large", POOL(TWO HEALTH "keepalive = { idle = 65535; };"), FACT(descriptors),
     1000000, 2000000, NULL},
    {"somaxconn-small", TOP(""), FACT(somaxconn), 128, 1024, NULL},
    {"somaxconn-below", TOP(""), FACT(somaxconn), 1024, 4096, NULL},
    {"somaxconn-below", TOP(""), FACT(somaxconn), 1024, 128, NULL},
    {"ports-few", TOP(""), FACT(port_first), 60000, 32768, NULL},
    {"port-not-reserved", LISTENER("bind = \":33000\";"), FACT(port_first), 32768, 40000,
     "edge.conf"},
    {"port-not-reserved", TOP("admin = { bind = \"127.0.0.1:33000\"; };"), FACT(port_first), 32768,
     40000, "edge.conf"},
    {"connects-each-time", SHORT_LIVED, FACT(tw_reuse), 2, 1, "edge.conf"},
    {"time-wait-full", TOP(""), FACT(time_wait), 28000, 1000, NULL},
    {"memory-large", CACHES("2g"), FACT(memory_bytes), INT64_C(3) << 30, INT64_C(8) << 30, NULL},
    {"overcommit-strict", TOP(""), FACT(overcommit), 2, 1, NULL},
    {"clock-behind", TOP(""), FACT(written_s), DOCTOR_NOW + 120, DOCTOR_NOW + 1, NULL},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Does the rule find something, and where? */
static bool finds(const char *text, const struct doctor_facts *facts, const char *rule,
                  const char *place)
{
    struct config *config = doctor_support_load(text);
    struct doctor_report report;
    const struct doctor_finding *finding;
    bool found;

    doctor_examine(&report, config, facts, DOCTOR_NOW);
    finding = doctor_support_find(&report, rule);
    found = finding != NULL;
    if (found && finding->severity != DOCTOR_UNCHECKED) {
        cr_expect(finding->what[0] && finding->why[0] && finding->write[0], "%s", rule);
        cr_expect_eq(finding->file == NULL, place == NULL, "%s", rule);
    }
    doctor_report_fini(&report);
    config_unref(&config);
    return found;
}

static bool finds_with(const struct fact_case *c, int64_t value)
{
    struct doctor_facts facts = doctor_support_facts();

    memcpy((char *)&facts + c->offset, &value, sizeof(value));
    return finds(c->text, &facts, c->rule, c->place);
}

Test(doctor_system, each_rule_judges_its_fact)
{
    for (size_t i = 0; i < CASES; i++) {
        cr_expect(finds_with(&cases[i], cases[i].with), "%zu: %s is not found", i, cases[i].rule);
        cr_expect_not(finds_with(&cases[i], cases[i].without), "%zu: %s is found", i,
                      cases[i].rule);
    }
}

Test(doctor_system, what_needs_two_facts_needs_both)
{
    struct doctor_facts facts = doctor_support_facts();

    facts.syn_backlog = 128;
    cr_expect_not(finds(TOP(""), &facts, "syn-backlog-small", NULL));
    facts.syncookies = 0;
    cr_expect(finds(TOP(""), &facts, "syn-backlog-small", NULL));
    facts.conntrack = 60000;
    cr_expect_not(finds(TOP(""), &facts, "conntrack-full", NULL));
    facts.conntrack_max = 65536;
    cr_expect(finds(TOP(""), &facts, "conntrack-full", NULL));
    facts.conntrack = 20000;
    cr_expect_not(finds(TOP(""), &facts, "conntrack-full", NULL));
}

Test(doctor_system, more_workers_than_processors_are_told_in_the_file)
{
    struct doctor_facts facts = doctor_support_facts();

    cr_expect(finds(TOP("workers = 5;"), &facts, "workers-many", "edge.conf"));
    cr_expect_not(finds(TOP("workers = 4;"), &facts, "workers-many", NULL));
    cr_expect_not(finds(TOP("workers = 0;"), &facts, "workers-many", NULL));
}

Test(doctor_system, a_clock_that_nobody_sets_is_told_and_one_that_cannot_be_asked)
{
    struct doctor_facts facts = doctor_support_facts();

    cr_expect_not(finds(TOP(""), &facts, "clock-free", NULL));
    facts.clock = DOCTOR_CLOCK_FREE;
    cr_expect(finds(TOP(""), &facts, "clock-free", NULL));
    facts.clock = DOCTOR_CLOCK_UNKNOWN;
    cr_expect(finds(TOP(""), &facts, "clock-free", NULL));
}

Test(doctor_system, a_reserved_port_is_nobodys)
{
    struct doctor_facts facts = doctor_support_facts();
    static const char text[] = LISTENER("bind = \":33000\";");

    cr_expect(finds(text, &facts, "port-not-reserved", "edge.conf"));
    facts.reserved[33000 / 64] |= UINT64_C(1) << 33000 % 64;
    cr_expect_not(finds(text, &facts, "port-not-reserved", NULL));
    cr_expect_not(finds(LISTENER("bind = \"127.0.0.1:0\";"), &facts, "port-not-reserved", NULL));
}

Test(doctor_system, few_requests_on_a_connection_are_as_none)
{
    struct doctor_facts facts = doctor_support_facts();

    cr_expect(finds(POOL(TWO "keepalive = { max_requests = 5; };"), &facts, "connects-each-time",
                    "edge.conf"));
    cr_expect_not(finds(POOL("backends = ( { address = \"unix:/run/a.sock\"; } ); keepalive = { "
                             "idle = 0; };"),
                        &facts, "connects-each-time", NULL));
}

Test(doctor_system, a_good_machine_has_nothing_to_find)
{
    struct config *config = doctor_support_load(TOP("state_file = \"./evergate-state.json\";"));
    struct doctor_facts facts = doctor_support_facts();
    struct doctor_report report;

    doctor_examine(&report, config, &facts, DOCTOR_NOW);
    for (size_t i = 0; i < report.count; i++)
        cr_expect_eq(strncmp(report.findings[i].rule, "state-in", 8), 0, "%s",
                     report.findings[i].what); /* where the tests' directory is, is not ours */
    doctor_report_fini(&report);
    config_unref(&config);
}

Test(doctor_system, what_cannot_be_seen_is_told_and_counts_as_nothing)
{
    struct config *config = doctor_support_load(TOP(""));
    struct doctor_facts facts = doctor_support_facts();
    struct doctor_report report;
    const struct doctor_finding *finding;

    facts.somaxconn = DOCTOR_UNKNOWN;
    doctor_examine(&report, config, &facts, DOCTOR_NOW);
    finding = doctor_support_find(&report, "somaxconn-small");
    cr_assert_not_null(finding);
    cr_expect_eq(finding->severity, DOCTOR_UNCHECKED);
    cr_expect_str_eq(finding->what, "net.core.somaxconn: not checked");
    cr_expect_eq(report.counts[DOCTOR_WARNING], 0);
    doctor_report_fini(&report);

    facts.proc = false; /* one sentence then, not one for each */
    doctor_examine(&report, config, &facts, DOCTOR_NOW);
    cr_expect_eq(report.counts[DOCTOR_UNCHECKED], 1);
    cr_expect_str_eq(doctor_support_find(&report, "no-proc")->why, "/proc is not mounted");
    doctor_report_fini(&report);
    config_unref(&config);
}

Test(doctor_system, every_rule_has_a_case)
{
    static const char *const elsewhere[] = {"no-proc", "syn-backlog-small", "conntrack-full",
                                            "workers-many", "clock-free"};

    for (const struct doctor_rule *rule = doctor_system_rules; rule->name; rule++) {
        bool found = false;

        for (size_t i = 0; i < CASES && !found; i++)
            found = strcmp(cases[i].rule, rule->name) == 0;
        for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]) && !found; i++)
            found = strcmp(elsewhere[i], rule->name) == 0;
        cr_expect(found, "%s has no case", rule->name);
    }
}

/* ---- facts ---- */

static const struct doctor_user nobody = {.uid = 65534, .gid = 65534, .group = "nogroup"};

/* Files of a kernel: each in its directories under `root`. */
static void put(const char *root, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", root, name);
    FILE *file;

    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void clean(const char *root)
{
    char *command = xasprintf("rm -r '%s'", root);

    cr_expect_eq(system(command), 0);
    free(command);
}

Test(doctor_facts, they_are_read_from_the_kernels_files)
{
    char root[] = "/tmp/evergate-doctor-XXXXXX";
    struct doctor_roots roots = {root, root};
    struct doctor_facts facts;

    cr_assert_not_null(mkdtemp(root));
    put(root, "sys/net/core/somaxconn", "128\n");
    put(root, "sys/net/ipv4/tcp_syncookies", "1\n");
    put(root, "sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
    put(root, "sys/net/ipv4/ip_local_reserved_ports", "33000,40000-40002\n");
    put(root, "net/sockstat", "sockets: used 99\nTCP: inuse 5 orphan 0 tw 42 alloc 7 mem 1\n");
    put(root, "meminfo", "MemTotal:        2048000 kB\nMemFree: 1 kB\n");
    put(root, "memory.max", "1073741824\n");
    doctor_facts_read(&facts, &roots, "/nonexistent.conf", &nobody);
    cr_expect(facts.proc);
    cr_expect_eq(facts.somaxconn, 128);
    cr_expect_eq(facts.syncookies, 1);
    cr_expect_eq(facts.syn_backlog, DOCTOR_UNKNOWN);
    cr_expect_eq(facts.port_first, 32768);
    cr_expect_eq(facts.port_last, 60999);
    cr_expect_eq(facts.reserved[33000 / 64] >> 33000 % 64 & 1, 1);
    cr_expect_eq(facts.reserved[40002 / 64] >> 40002 % 64 & 1, 1);
    cr_expect_eq(facts.reserved[40003 / 64] >> 40003 % 64 & 1, 0);
    cr_expect_eq(facts.time_wait, 42);
    cr_expect_eq(facts.memory_bytes, INT64_C(1) << 30);
    cr_expect_eq(facts.conntrack_max, DOCTOR_UNKNOWN);
    cr_expect_eq(facts.written_s, DOCTOR_UNKNOWN);
    cr_expect_gt(facts.cpus, 0);
    cr_expect_gt(facts.descriptors, 0);
    put(root, "memory.max", "max\n");
    doctor_facts_read(&facts, &roots, root, &nobody);
    cr_expect_eq(facts.memory_bytes, INT64_C(2048000) * 1024);
    cr_expect_gt(facts.written_s, 0);
    clean(root);
}

Test(doctor_facts, without_proc_nothing_is_known)
{
    struct doctor_roots roots = {"/nonexistent", "/nonexistent"};
    struct doctor_facts facts;

    doctor_facts_read(&facts, &roots, "/nonexistent.conf", &nobody);
    cr_expect_not(facts.proc);
    cr_expect_eq(facts.somaxconn, DOCTOR_UNKNOWN);
    cr_expect_eq(facts.port_first, DOCTOR_UNKNOWN);
    cr_expect_eq(facts.memory_bytes, DOCTOR_UNKNOWN);
}
