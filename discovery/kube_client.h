/*
 * Requests to a Kubernetes API server for the slices of one service: whom to ask, as whom, and what
 * a refusal means.
 *
 *   kube_account (files) ─► kube_client ─► fetch ─► the API server
 *
 * Before each request the account's files are looked at, so that an exchanged token is what the
 * next one carries. The discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_KUBE_CLIENT_H
#define EVERGATE_DISCOVERY_KUBE_CLIENT_H

#include "discovery/fetch.h"
#include "discovery/kube_account.h"
#include "discovery/kube_api.h"
#include "discovery/provider.h"

struct kube_client {
    struct loop *loop;
    struct resolver *resolver;
    const struct config_discovery *config;
    struct kube_account *account; /* NULL: not opened yet */
    char *unread;                 /* why its files could not be read anew; NULL: they were */
    struct fetch_server *server;
    bool renew; /* the account is to be opened anew, whatever its files seem to be */
};

void kube_client_init(struct kube_client *client, const struct discovery_context *context);
void kube_client_stop(struct kube_client *client); /* no fetch is under way any more */
void kube_client_fini(struct kube_client *client); /* after kube_client_stop */

/*
 * Before each request: opens the account, again if its files are others. 0, or EG_E_INTERNAL with a
 * sentence in *ret_why (heap). What cannot be read any more may be half written: then what was read
 * before goes on. *ret_moved: it is another server or namespace than before, and versions of that
 * one mean nothing here.
 */
int kube_client_open(struct kube_client *client, bool *ret_moved, char **ret_why) WARN_UNUSED;

/* After kube_client_open. `page` NULL: the first one. */
struct fetch *kube_client_list(struct kube_client *client, const char *page,
                               const struct fetch_ops *ops, void *arg);
struct fetch *kube_client_watch(struct kube_client *client, const char *version,
                                const struct fetch_ops *ops, void *arg);

/* What `status` with a Status for a body (NULL: none) means, into `out`; returns it. `verb`:
 * "list", "watch". */
const char *kube_client_problem(const struct kube_client *client, char out[KUBE_PROBLEM_BYTES],
                                const char *verb, int status, const json_t *body);

/* How long an overloaded server wants to be left alone; 0: it does not say. */
uint64_t kube_client_pause_ms(const struct fetch *fetch);

#endif
