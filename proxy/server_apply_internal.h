/*
 * A change on its way, between the rooms that carry it out: server_prepare.c, which may still say
 * no, and server_apply.c, which may not. The control thread's, except where a step runs on
 * health's.
 */
#ifndef EVERGATE_PROXY_SERVER_APPLY_INTERNAL_H
#define EVERGATE_PROXY_SERVER_APPLY_INTERNAL_H

#include "proxy/server_health.h"
#include "proxy/server_internal.h"
#include "proxy/shared_listener.h"
#include "proxy/worker_adoption.h"

/* What is served, with all that was opened for it. */
struct served {
    struct config *config;
    struct pool_runtime **runtimes;
    struct shared_listener **listeners;
    struct access_log *access_log;
};

struct server_apply {
    struct server *server;
    struct served now, before;
    bool *moves; /* of now.config->pools: those that are the same as before */
    struct worker_adoption **adoptions; /* one per worker */
    struct checks_change *checks;
    char *why;     /* of a step on the health thread that failed */
    bool starting; /* nothing was served before */
    void (*on_done)(void *arg);
    void *arg;
};

bool served_has_listener(const struct served *served, const struct shared_listener *listener);

/* A step that belongs to the health thread, done there before this returns. */
static inline void server_apply_on_health(struct server_apply *apply,
                                          void (*act)(void *arg, uint64_t now_us))
{
    server_health_do(apply->server, act, apply);
}

#endif
