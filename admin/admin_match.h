/*
 * Paths against templates: "/api/v1/pools/{pool}/endpoints/{endpoint}". Pure.
 *
 * A path is split at '/' before it is decoded, so that an endpoint's id may hold one ("%2F": the id
 * of a backend on a Unix socket is its address by default).
 */
#ifndef EVERGATE_ADMIN_ADMIN_MATCH_H
#define EVERGATE_ADMIN_ADMIN_MATCH_H

enum { ADMIN_PARAMETERS = 2 };

/* What stood where the template has "{...}", decoded, in its order. */
struct admin_parameters {
    char *v[ADMIN_PARAMETERS]; /* owned */
    unsigned count;
};
void admin_parameters_free(struct admin_parameters *parameters);

enum admin_match {
    ADMIN_MATCH_NO,
    ADMIN_MATCH_YES,
    ADMIN_MATCH_MALFORMED, /* it would, but for a wrong %-escape, or one of NUL */
};

/* *ret_parameters is set (and to be freed) on ADMIN_MATCH_YES only. */
enum admin_match admin_match(const char *template, const char *path,
                             struct admin_parameters *ret_parameters);

#endif
