/*
 * A call of the management API: one request, taken apart. Handlers get it, answer `request` and
 * forget it; what a handler does later (admin_collect.c, admin_reload.c) keeps the request only.
 *
 * What a target points to is there while the server's read lock is held, no longer: after a change,
 * it is found anew by its names.
 */
#ifndef EVERGATE_ADMIN_ADMIN_CALL_H
#define EVERGATE_ADMIN_ADMIN_CALL_H

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "admin/admin.h"
#include "admin/admin_match.h"
#include "admin/admin_reply.h"

struct admin_call {
    struct admin *admin;
    const struct admin_door *door; /* through which it came */
    struct server *server;
    struct evhttp_request *request;
    const char *path; /* as sent */
    struct admin_parameters parameters;
    struct evkeyvalq query; /* decoded */
    bool later;             /* the handler answers after it has returned */
};

/* A pool, or one of its endpoints, that a call names. */
struct admin_target {
    unsigned pool; /* index into config->pools */
    const struct config_pool *config;
    struct balancer_pool *balancer;
    struct health_pool *health;
    struct endpoint *endpoint; /* NULL: the pool as a whole */
};
struct admin_target admin_target(const struct server *server, unsigned pool);

/* By names, not one that leaves. False: there is none. */
bool admin_find_endpoint(const struct server *server, const char *pool, const char *id,
                         struct admin_target *ret_target);

/* Those below answer the request themselves when they return false. */

/* The pool, or pool and endpoint, of the path; 404. */
bool admin_call_pool(struct admin_call *call, struct admin_target *ret_target);
bool admin_call_endpoint(struct admin_call *call, struct admin_target *ret_target);

/* A number of the query, `fallback` when it is not there; 400. */
bool admin_call_number(struct admin_call *call, const char *name, uint64_t fallback, uint64_t max,
                       uint64_t *ret_number);
/* "true" or "false" of the query; 400. */
bool admin_call_flag(struct admin_call *call, const char *name, bool fallback, bool *ret_flag);

/* Only these names may stand in the query (NULL-terminated; NULL: none); 400. */
bool admin_call_query_known(struct admin_call *call, const char *const *names);

/*
 * Who wanted it and why, for the event that tells of a change: "asked by an operator", and the text
 * of a body {"why": "..."} behind it. Heap. 400, 422.
 */
bool admin_call_why(struct admin_call *call, char **ret_why);

#endif
