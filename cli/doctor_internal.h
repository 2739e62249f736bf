/*
 * For the doctor's rules only.
 *
 * To add a rule: a function that looks at one thing and calls doctor_found and doctor_write, a row
 * in the table of its file, a case in tests/unit/cli/test_doctor_*.c that it finds and one that it
 * does not, a row in docs/doctor.md.
 */
#ifndef EVERGATE_CLI_DOCTOR_INTERNAL_H
#define EVERGATE_CLI_DOCTOR_INTERNAL_H

#include <sys/types.h>

#include "cli/doctor.h"

struct doctor_rule;

/* What a rule is shown, and where its findings go. */
struct doctor_look {
    struct doctor_report *report;
    const struct config *config;
    const struct config_listener *listener; /* of a listener's rule, and so on; else NULL */
    const struct config_route *route;
    const struct config_pool *pool;
    const struct doctor_facts *facts; /* NULL: this machine is not looked at */
    int64_t now_s;
    /* of the rule that looks */
    const struct doctor_rule *rule;
    const char *subject;              /* begins what it says: "pool "api": " */
    const struct config_where *where; /* NULL: the file as a whole, or the system */
};

struct doctor_rule {
    const char *name;
    enum doctor_severity severity;
    const char *why;
    void (*look)(struct doctor_look *look);
};

/* Tables end with a NULL name. Those of listeners, routes and pools are gone through for each. */
extern const struct doctor_rule doctor_file_rules[], doctor_listener_rules[]; /* doctor_file.c */
extern const struct doctor_rule doctor_routes_rules[], doctor_route_rules[];  /* doctor_routes.c */
extern const struct doctor_rule doctor_pool_rules[];                          /* doctor_pool.c */
extern const struct doctor_rule doctor_source_rules[];      /* doctor_source.c: of pools */
extern const struct doctor_rule doctor_certificate_rules[]; /* doctor_certificates.c: of the file */
extern const struct doctor_rule doctor_confinement_rules[]; /* doctor_confinement.c: of the file */
extern const struct doctor_rule doctor_identity_rules[];    /* likewise: of the machine */
extern const struct doctor_rule doctor_path_rules[];        /* doctor_paths.c: of the machine */
extern const struct doctor_rule doctor_system_rules[];      /* doctor_system.c: of the machine */

/* What stands there. Then doctor_write, once, tells what to write. */
void doctor_found(struct doctor_look *look, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void doctor_write(struct doctor_look *look, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Before doctor_found: where that is, when it is not the listener's, the route's or the pool's
 * first line. A place that is not in the file leaves it as it is. */
void doctor_at(struct doctor_look *look, const struct config_where *where);
void doctor_at_part(struct doctor_look *look, enum config_pool_part part);

/* What could not be looked at, and why not. */
void doctor_unchecked(struct doctor_look *look, const char *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "500ms", "30s", "5m", as the file would write it. Lives as long as the report. */
const char *doctor_duration(struct doctor_look *look, uint64_t ms);

/* Rights, as the bits of others in a mode. */
enum { DOCTOR_MAY_ENTER = 01, DOCTOR_MAY_WRITE = 02, DOCTOR_MAY_READ = 04 };

/* What stands in the user's way to `path`: one of the directories above it, which may not be
 * entered, or itself, and the rights that lack there. Heap; NULL: nothing does, or it is not there.
 * (doctor_access.c) */
struct doctor_user;
char *doctor_obstacle(const struct doctor_user *user, const char *path, mode_t wanted,
                      mode_t *ret_wanted);
/* May a program of any user do that? One that is not there: yes. */
bool doctor_anybody_may(const char *path, mode_t wanted);

/* Who can reach an address, or is on the way to it. Pure (doctor_reach.c). */
enum doctor_reach {
    DOCTOR_REACH_HOST,    /* loopback, or a Unix socket */
    DOCTOR_REACH_NETWORK, /* a private network, or one that a name hides */
    DOCTOR_REACH_WORLD,   /* every address of the machine, or a public one */
};
enum doctor_reach doctor_reach(const char *address);

#endif
