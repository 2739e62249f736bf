/* What the tests of the doctor share. */
#ifndef EVERGATE_TESTS_DOCTOR_SUPPORT_H
#define EVERGATE_TESTS_DOCTOR_SUPPORT_H

#include "cli/doctor_facts.h"
#include "cli/doctor_internal.h"

/* 2026-11-21T12:00:00Z */
#define DOCTOR_NOW INT64_C(1795262400)

/* Fails the test, printing the mistakes, unless `text` is valid. The caller unrefs. */
struct config *doctor_support_load(const char *text);

/* The finding of that rule; NULL: none. */
const struct doctor_finding *doctor_support_find(const struct doctor_report *report,
                                                 const char *rule);

/* What the rule finds first; heap, NULL: nothing. `advice`: what it advises instead. */
char *doctor_support_told(const char *text, const struct doctor_facts *facts, const char *rule,
                          bool advice);

/* A directory of the test's own, once it is made. */
extern char doctor_room[];
void doctor_room_make(void);
void doctor_room_remove(void);

/* A machine without anything to find. */
struct doctor_facts doctor_support_facts(void);

struct doctor_case {
    const char *rule;
    unsigned line;       /* that it is told at */
    const char *with;    /* has it */
    const char *without; /* has not, and nearly the same otherwise */
};

/* Of the rules over the file; ends with a NULL rule. */
extern const struct doctor_case doctor_cases[];

/* The smallest file, with other keys of its listener, its pool and its top. The listener stands on
 * line 1, the pool on line 2, `top` begins on line 3. */
#define EDGE(keys)     "listeners = ( { name = \"edge\"; " keys " } );\n"
#define APP(keys)      "pools = ( { name = \"app\"; " keys " } );\n"
#define BIND           "bind = \"127.0.0.1:8080\"; "
#define ONE            "backends = ( { address = \"10.0.0.1:80\"; } ); "
#define TWO            "backends = ( { address = \"10.0.0.1:80\"; }, { address = \"10.0.0.2:80\"; } ); "
#define HEALTH         "health = { path = \"/health\"; }; "
#define LISTENER(keys) EDGE(keys) APP(HEALTH TWO)
#define POOL(keys)     EDGE(BIND) APP(keys)
#define TOP(keys)      LISTENER(BIND) keys
#define ROUTES(keys)   TOP("routes = ( " keys " );\n")

#endif
