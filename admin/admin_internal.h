/* For the files of management only. Everything runs on the management thread unless said so. */
#ifndef EVERGATE_ADMIN_ADMIN_INTERNAL_H
#define EVERGATE_ADMIN_ADMIN_INTERNAL_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <pthread.h>

#include "admin/admin.h"
#include "admin/admin_call.h"
#include "admin/admin_collect.h"
#include "admin/admin_reply.h"
#include "admin/admin_token.h"
#include "base/list.h"
#include "proxy/listen.h"

enum {
    ADMIN_BODY_BYTES = 64 * 1024,
    ADMIN_HEAD_BYTES = 16 * 1024,
    ADMIN_TOKEN_BYTES = 4096,
    ADMIN_TIMEOUT_S = 30,
    ADMIN_ANSWER_S = 120, /* until an answer has left, however slowly it is read */
    ADMIN_SWEEP_MS = 2000,
    ADMIN_CONNECTIONS = 64, /* over both doors */
    ADMIN_FAREWELLS = 16,   /* besides these */
    ADMIN_SOCKETS = 2,      /* admin.bind, admin.socket */
};

struct admin_door {
    struct admin *admin;
    struct listen_set listen; /* count 0: not configured */
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* NULL: accepts no more */
    bool is_tcp;                       /* else a Unix socket */
    struct event *adopt;
    struct bufferevent **waiting; /* of connections that were accepted, not yet counted */
    size_t waiting_count;
};

struct admin {
    struct server *server;
    struct loop loop;
    pthread_t thread;
    bool running;
    struct admin_door doors[ADMIN_SOCKETS];
    char *token;               /* NULL: no token is asked for; "": none is right */
    uint64_t token_generation; /* of the configuration that it was read for */
    struct list collections;
    struct list connections; /* admin_connections.c */
    unsigned connection_count;
    struct loop_timer sweep_timer;
    struct list farewells; /* admin_farewell.c */
    unsigned farewell_count;
};

/* admin_routes.c: every request of every door. */
void admin_on_request(struct evhttp_request *request, void *door);

/* admin_guard.c. The sentence to refuse with, or NULL. `host` NULL: the request has none. */
const char *admin_guard_host(const char *host);
/* Of what changes something: whose page asks? `token`: one is asked for. */
const char *admin_guard_page(struct evkeyvalq *headers, bool token);
bool admin_guard_token(const char *token, const char *authorization);
/* Did it come to a loopback address? */
bool admin_guard_is_loopback(struct evhttp_request *request);

/* admin_connections.c */
int admin_connections_watch(struct admin_door *door) WARN_UNUSED; /* before it accepts */
void admin_connections_unwatch(struct admin_door *door);          /* after its evhttp was freed */
void admin_connections_start(struct admin *admin);
void admin_connections_stop(struct admin *admin);
/* A handler has the request, and is about to answer it: in between, its connection is not closed
 * by us. */
void admin_connection_hold(struct admin *admin, struct evhttp_request *request);
void admin_connection_release(struct admin *admin, struct evhttp_request *request);

/* admin_refusal.c: what evhttp has written into `output` by itself, a page, becomes one of our
 * errors. False: it is no page. */
bool admin_refusal_translate(struct evbuffer *output);

/* admin_farewell.c: whoever was refused may still be sending, and must not lose the answer. `fd` is
 * the caller's, who closes it; what comes then is dropped, for a while. */
void admin_farewell_start(struct admin *admin, int fd);
void admin_farewells_stop(struct admin *admin);

/* admin.c: reads the token anew, from the file that the configuration names by now. */
void admin_token_reload(struct admin *admin);

/* The parts of /metrics: admin_metrics_traffic.c, admin_metrics_pools.c, ... */
void admin_metrics_traffic(struct evbuffer *out, const struct admin_collection *collection);
void admin_metrics_pools(struct evbuffer *out, const struct admin_collection *collection);
void admin_metrics_endpoints(struct evbuffer *out, const struct admin_collection *collection);
void admin_metrics_discovery(struct evbuffer *out, const struct server *server);

/* Handlers: each answers its call's request, at once or later. */
void admin_metrics(struct admin_call *call); /* admin_metrics.c */
void admin_status(struct admin_call *call);  /* admin_status.c */
void admin_pools(struct admin_call *call);   /* admin_pools.c */
void admin_pool(struct admin_call *call);
void admin_endpoints(struct admin_call *call); /* admin_endpoints.c */
void admin_endpoint(struct admin_call *call);
void admin_events(struct admin_call *call);    /* admin_events.c */
void admin_providers(struct admin_call *call); /* admin_providers.c */
void admin_policy(struct admin_call *call);    /* admin_policy_calls.c */
void admin_change_policy(struct admin_call *call);
void admin_revert(struct admin_call *call);
void admin_register(struct admin_call *call); /* admin_register.c */
void admin_replace(struct admin_call *call);
void admin_change(struct admin_call *call);
void admin_deregister(struct admin_call *call);
void admin_drain(struct admin_call *call);
void admin_undrain(struct admin_call *call);
void admin_reload(struct admin_call *call); /* admin_reload.c */
void admin_plan(struct admin_call *call);
void admin_select(struct admin_call *call);  /* admin_select.c */
void admin_explain(struct admin_call *call); /* admin_explain.c */
void admin_trip(struct admin_call *call);    /* admin_actions.c */
void admin_reset(struct admin_call *call);
void admin_check(struct admin_call *call);
void admin_fail_back(struct admin_call *call);

#endif
