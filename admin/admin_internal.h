/* For the files of management only. Everything runs on the management thread unless said so. */
#ifndef EVERGATE_ADMIN_ADMIN_INTERNAL_H
#define EVERGATE_ADMIN_ADMIN_INTERNAL_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <pthread.h>

#include "admin/admin.h"
#include "admin/admin_reply.h"
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
    bool loopback; /* TCP on a loopback address: the Host field is checked */
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
bool admin_guard_token(const char *token, const char *authorization);
/* The token of a file, without white space around it. 0 or EG_E_INTERNAL with a sentence. */
int admin_token_load(char **ret_token, const char *path, char **ret_why) WARN_UNUSED;

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

/* admin_metrics.c, admin_metrics_text.c, admin_status.c */
void admin_metrics(struct admin *admin, struct evhttp_request *request);
void admin_status(struct admin *admin, struct evhttp_request *request);

#endif
