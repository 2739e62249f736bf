/*
 * This proxy as a service in Consul, with a check of its agent's that must be told "passing" before
 * its TTL is over:
 *
 *   begin ─► PUT register ─► registered ── every TTL/3: PUT check/pass ─► registered
 *              ▲                              │ the agent does not know it (any more)
 *              └──────────────────────────────┘
 *   leave ─► PUT deregister, up to three times
 *
 * The end of the process is no end of the service: a newer binary that took over goes on with the
 * same id. So only leave takes it back; what was killed is critical when its TTL is over, and
 * removed by Consul some time later. Several sources with the same id register it several times,
 * which is the same as once.
 *
 * On the discovery thread. Requests go one after the other.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_REGISTRATION_H
#define EVERGATE_DISCOVERY_CONSUL_REGISTRATION_H

#include "config/config.h"
#include "discovery/consul_query.h"
#include "discovery/fetch.h"
#include "discovery/provider.h"
#include "net/loop.h"

struct consul_registration;

struct consul_registration_params {
    struct discovery_source *source; /* is told how it stands */
    const struct config_registration *config;
    struct loop *loop;
    struct fetch_server *server; /* shared with the watch, so that both ask the same agent */
    struct consul_token *token;
};

/* All of `params` must outlive it. */
struct consul_registration *
consul_registration_new(const struct consul_registration_params *params);
/* This proxy serves: it may be said. Once. */
void consul_registration_begin(struct consul_registration *registration);
/* Takes the service back: best effort, while the loop still turns. */
void consul_registration_leave(struct consul_registration *registration);
/* That was asked for, and is neither done nor given up. */
bool consul_registration_is_leaving(const struct consul_registration *registration);
/* Ends everything and nulls; the service stays as it is. NULL is fine. */
void consul_registration_free(struct consul_registration **registration);

/* The body of /v1/agent/service/register (heap). Pure. */
char *consul_registration_body(const struct config_registration *config);

#endif
