/* For the files of management only. Everything runs on the management thread unless said so. */
#ifndef EVERGATE_ADMIN_ADMIN_INTERNAL_H
#define EVERGATE_ADMIN_ADMIN_INTERNAL_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <pthread.h>

#include "admin/admin.h"
#include "admin/admin_call.h"
#include "admin/admin_reply.h"
#include "admin/admin_token.h"
#include "base/list.h"
#include "proxy/listen.h"

enum {
    ADMIN_BODY_BYTES = 64 * 1024,
    ADMIN_HEAD_BYTES = 16 * 1024,
    ADMIN_TOKEN_BYTES = 4096,
    ADMIN_TIMEOUT_S = 30,
    ADMIN_SOCKETS = 2, /* admin.bind, admin.socket */
};

struct admin_door {
    struct admin *admin;
    struct listen_set listen; /* count 0: not configured */
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* NULL: accepts no more */
    bool loopback;                     /* TCP on a loopback address: the Host field is checked */
};

struct admin {
    struct server *server;
    struct loop loop;
    pthread_t thread;
    bool running;
    struct admin_door doors[ADMIN_SOCKETS];
    char *token; /* NULL: no token is asked for */
    struct list collections;
};

/* admin_routes.c: every request of every door. */
void admin_on_request(struct evhttp_request *request, void *door);

/* admin_guard.c. The sentence to refuse with, or NULL. */
const char *admin_guard_host(const struct admin_door *door, const char *host);
/* For what changes something: `origin`, `host` are the request's fields or NULL. */
const char *admin_guard_origin(const char *origin, const char *host);
bool admin_guard_token(const char *token, const char *authorization);
/*
 * admin_collect.c: the upstream counters of each pool, which belong to the workers' threads. Each
 * worker in turn adds its own on its thread; then `on_done` is called on ours. While no worker
 * runs, it is called at once with zeroes.
 */
struct admin_collection {
    struct list node; /* admin->collections */
    struct admin *admin;
    struct evhttp_request *request;
    void (*on_done)(struct admin_collection *collection);
    unsigned next_worker;
    struct upstream_cluster_stats *pools; /* summed; config->pool_count */
};
void admin_collect(struct admin *admin, struct evhttp_request *request,
                   void (*on_done)(struct admin_collection *collection));
void admin_collections_free(struct admin *admin); /* those that never came back, at the end */

/* The parts of /metrics: admin_metrics_pools.c, admin_metrics_endpoints.c. */
void admin_metrics_pools(struct evbuffer *out, const struct admin_collection *collection);
void admin_metrics_endpoints(struct evbuffer *out, const struct server *server);

/* Handlers: each answers its call's request, at once or later. */
void admin_metrics(struct admin_call *call); /* admin_metrics.c */
void admin_status(struct admin_call *call);  /* admin_status.c */
void admin_pools(struct admin_call *call);   /* admin_pools.c */
void admin_pool(struct admin_call *call);
void admin_endpoints(struct admin_call *call); /* admin_endpoints.c */
void admin_endpoint(struct admin_call *call);
void admin_events(struct admin_call *call); /* admin_events.c */
void admin_drain(struct admin_call *call);  /* admin_actions.c */
void admin_undrain(struct admin_call *call);
void admin_trip(struct admin_call *call);
void admin_reset(struct admin_call *call);
void admin_check(struct admin_call *call);
void admin_fail_back(struct admin_call *call);

#endif
