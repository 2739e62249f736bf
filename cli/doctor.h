/*
 * `evergate doctor`: settings that are valid and risky, each with why it matters and the line to
 * write. Nothing is sent to anybody.
 *
 *   config ─────────────► doctor_file.c, doctor_routes.c, doctor_pool.c, doctor_source.c ──┐
 *   files it names ─────► doctor_certificates.c, doctor_paths.c, doctor_confinement.c ─────┼─►
 * report kernel ─► facts ────► doctor_system.c, doctor_confinement.c ───────────────────────────┘ │
 *   (doctor_facts.h)                                          text or JSON ◄─ doctor_text.c ◄────┘
 *
 * A rule is one small function and one row in its room's table: see doctor_internal.h. A rule that
 * is wrong now and then costs more than it finds: what is a matter of taste is none.
 */
#ifndef EVERGATE_CLI_DOCTOR_H
#define EVERGATE_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "config/config.h"

/* By weight. */
enum doctor_severity {
    DOCTOR_ERROR,     /* it does not work, or anybody can get in */
    DOCTOR_WARNING,   /* it works until something fails */
    DOCTOR_HINT,      /* worth a look */
    DOCTOR_UNCHECKED, /* could not be looked at */
    DOCTOR_SEVERITIES,
};

struct doctor_finding {
    enum doctor_severity severity;
    const char *rule; /* its name, for programs: it stays the same */
    const char *file; /* NULL: the system */
    unsigned line;    /* 0: the file as a whole */
    const char *what, *why, *write;
};

/* Owns all texts of its findings, but for files' names, which are the configuration's. */
struct doctor_report {
    struct arena arena;
    struct doctor_finding *findings; /* by severity, then in the order of the rules */
    size_t count, capacity;
    size_t counts[DOCTOR_SEVERITIES];
};

struct doctor_facts;

/* `facts` NULL: the file alone, not this machine. `now_s`: since 1970. Reads the certificates that
 * the file names, and with facts, who may read which file. */
void doctor_examine(struct doctor_report *ret_report, const struct config *config,
                    const struct doctor_facts *facts, int64_t now_s);
void doctor_report_fini(struct doctor_report *report);

/* Grouped for people; an array for programs. */
void doctor_print(const struct doctor_report *report, const struct config *config, FILE *out,
                  bool colours);
void doctor_print_json(const struct doctor_report *report, FILE *out);

#endif
