/* The plan while it grows. Insiders of config/ only. */
#ifndef EVERGATE_CONFIG_PLAN_INTERNAL_H
#define EVERGATE_CONFIG_PLAN_INTERNAL_H

#include "config/plan.h"
#include "config/schema_internal.h"

struct plan_draft {
    const struct config *from; /* NULL: nothing */
    const struct config *to;
    struct config_plan *plan;
    size_t capacity;
};

/* Adds a change; `pool` and `detail` are "" until they are set, to texts of the plan. */
struct config_change *config_plan_add(struct plan_draft *draft, enum config_change_of of,
                                      enum config_change_kind kind, const char *name);
const char *config_plan_keep(struct plan_draft *draft, const char *text);
const char *config_plan_format(struct plan_draft *draft, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The plan is at least this risky, and why; the first of the worst is told. */
void config_plan_risk(struct plan_draft *draft, enum config_risk risk, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What differs between two structs of a section, in words; NULL when nothing does. */
const char *config_plan_differences(struct plan_draft *draft, const struct schema_section *section,
                                    const void *from, const void *to);

/* The same for the settings of a pool: all but its name and backends. */
const char *config_plan_pool_differences(struct plan_draft *draft, const struct config_pool *from,
                                         const struct config_pool *to);

/* Pools with their endpoints (plan_pools.c), routes (plan_routes.c). */
void config_plan_pools(struct plan_draft *draft);
void config_plan_routes(struct plan_draft *draft);

/*
 * Matching two lists by name (plan_match.c): for each element of `to` its index in `from`, or
 * PLAN_NONE, and the other way round. A name stands `name_offset` bytes into an element. Mostly
 * the lists are alike and names are found where they were; else they are sorted once.
 */
#define PLAN_NONE SIZE_MAX

struct plan_list {
    const void *elements;
    size_t count, bytes, name_offset;
};
struct plan_match {
    size_t *from_of, *to_of; /* of to[i] in from, of from[i] in to */
};
void plan_match_init(struct plan_match *match, const struct plan_list *from,
                     const struct plan_list *to);
void plan_match_fini(struct plan_match *match);

/* Which of the matched elements of `to` changed their place among the others: the fewest that have
 * to be taken out and put back to come from one order to the other. moved[0..to_count). */
void plan_match_moved(const struct plan_match *match, size_t to_count, bool *moved);

#endif
