/* Going through the tables of rules, and what they report: see doctor.h. */
#include "cli/doctor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cli/doctor_internal.h"

/* ---- findings ---- */

static struct doctor_finding *finding_add(struct doctor_look *look, enum doctor_severity severity)
{
    struct doctor_report *report = look->report;
    const struct config_where *where = look->where;
    struct doctor_finding *finding;

    if (report->count == report->capacity) {
        report->capacity = report->capacity ? 2 * report->capacity : 16;
        report->findings = xrealloc(report->findings, report->capacity * sizeof(*report->findings));
    }
    finding = &report->findings[report->count++];
    *finding = (struct doctor_finding){.severity = severity, .rule = look->rule->name, .write = ""};
    report->counts[severity]++;
    if (where) {
        finding->file = where->file;
        finding->line = where->line;
    }
    return finding;
}

void doctor_found(struct doctor_look *look, const char *format, ...)
{
    struct doctor_finding *finding = finding_add(look, look->rule->severity);
    struct arena *arena = &look->report->arena;
    va_list args;

    va_start(args, format);
    finding->what = arena_format(arena, "%s%s", look->subject, arena_vformat(arena, format, args));
    va_end(args);
    finding->why = look->rule->why;
}

void doctor_write(struct doctor_look *look, const char *format, ...)
{
    struct doctor_report *report = look->report;
    va_list args;

    CHECK(report->count > 0);
    va_start(args, format);
    report->findings[report->count - 1].write = arena_vformat(&report->arena, format, args);
    va_end(args);
}

void doctor_unchecked(struct doctor_look *look, const char *why, const char *format, ...)
{
    struct doctor_finding *finding = finding_add(look, DOCTOR_UNCHECKED);
    struct arena *arena = &look->report->arena;
    va_list args;

    va_start(args, format);
    finding->what = arena_format(arena, "%s%s", look->subject, arena_vformat(arena, format, args));
    va_end(args);
    finding->why = arena_dup(arena, slice_str(why)).p;
}

void doctor_at(struct doctor_look *look, const struct config_where *where)
{
    if (where->file)
        look->where = where;
}

void doctor_at_part(struct doctor_look *look, enum config_pool_part part)
{
    doctor_at(look, config_where_of(look->pool, part));
}

const char *doctor_duration(struct doctor_look *look, uint64_t ms)
{
    struct arena *arena = &look->report->arena;

    if (ms % 60000 == 0 && ms > 0)
        return arena_format(arena, "%" PRIu64 "m", ms / 60000);
    if (ms % 1000 == 0)
        return arena_format(arena, "%" PRIu64 "s", ms / 1000);
    return arena_format(arena, "%" PRIu64 "ms", ms);
}

/* ---- going through ---- */

/* Each rule begins at the same place with the same subject. */
static void apply(const struct doctor_look *look, const struct doctor_rule *rules)
{
    for (const struct doctor_rule *rule = rules; rule->name; rule++) {
        struct doctor_look own = *look;

        own.rule = rule;
        rule->look(&own);
    }
}

static void set_subject(struct doctor_look *look, const char *kind, const char *name,
                        const struct config_where *where, const struct config_where *otherwise)
{
    look->subject = arena_format(&look->report->arena, "%s \"%s\": ", kind, name);
    look->where = where->file ? where : otherwise;
}

static void apply_to_listeners(struct doctor_look look)
{
    const struct config_where *file = look.where;

    for (size_t i = 0; i < look.config->listener_count; i++) {
        look.listener = &look.config->listeners[i];
        set_subject(&look, "listener", look.listener->name, &look.listener->where, file);
        apply(&look, doctor_listener_rules);
    }
}

static void apply_to_routes(struct doctor_look look)
{
    const struct config_where *file = look.where;

    for (size_t i = 0; i < look.config->route_count; i++) {
        look.route = &look.config->routes[i];
        set_subject(&look, "route", look.route->name, &look.route->where, file);
        apply(&look, doctor_route_rules);
    }
}

static void apply_to_pools(struct doctor_look look)
{
    const struct config_where *file = look.where;

    for (size_t i = 0; i < look.config->pool_count; i++) {
        look.pool = &look.config->pools[i];
        set_subject(&look, "pool", look.pool->name, &look.pool->where, file);
        apply(&look, doctor_pool_rules);
        if (look.pool->discovery)
            apply(&look, doctor_source_rules);
    }
}

/* Equal severities stay in the order of the rules. */
static void sort_findings(struct doctor_report *report)
{
    struct doctor_finding *sorted = xcalloc(report->count + 1, sizeof(*sorted));
    size_t n = 0;

    for (int severity = 0; severity < DOCTOR_SEVERITIES; severity++)
        for (size_t i = 0; i < report->count; i++)
            if (report->findings[i].severity == (enum doctor_severity)severity)
                sorted[n++] = report->findings[i];
    free(report->findings);
    report->findings = sorted;
    report->capacity = report->count + 1;
}

void doctor_examine(struct doctor_report *ret_report, const struct config *config,
                    const struct doctor_facts *facts, int64_t now_s)
{
    const struct config_where file = {config->file, 0};
    struct doctor_look look = {.report = ret_report,
                               .config = config,
                               .facts = facts,
                               .now_s = now_s,
                               .subject = "",
                               .where = &file};

    *ret_report = (struct doctor_report){0};
    arena_init(&ret_report->arena);
    apply(&look, doctor_file_rules);
    apply(&look, doctor_confinement_rules);
    apply_to_listeners(look);
    apply(&look, doctor_routes_rules);
    apply_to_routes(look);
    apply_to_pools(look);
    apply(&look, doctor_certificate_rules);
    if (facts) {
        apply(&look, doctor_identity_rules);
        apply(&look, doctor_path_rules);
        look.where = NULL;
        apply(&look, doctor_system_rules);
    }
    sort_findings(ret_report);
}

void doctor_report_fini(struct doctor_report *report)
{
    free(report->findings);
    arena_fini(&report->arena);
    *report = (struct doctor_report){0};
}
