/*
 * Webhooks: a POST with a JSON document to an address of the operator's, instead of a command or
 * beside it. Where it goes is fixed by the configuration; a name is kept resolved.
 *
 * The health thread's.
 */
#ifndef EVERGATE_CHECKS_WEBHOOK_H
#define EVERGATE_CHECKS_WEBHOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/loop.h"

struct resolver;
struct tls_context;
struct webhook; /* where to */
struct webhook_call;

/* What all webhooks share; made by the first that needs it. */
struct webhook_means {
    struct loop *loop;
    struct list abandoned; /* calls that nobody waits for any more */
    struct resolver *resolver;
    struct tls_context *tls; /* verifies against the system's store */
};
void webhook_means_init(struct webhook_means *means, struct loop *loop);
/* Ends the calls that were abandoned. In a turn; before that turn's end nothing of theirs is gone.
 */
void webhook_means_stop(struct webhook_means *means);
void webhook_means_fini(struct webhook_means *means); /* after a reap of later than that */

/* 0, or an error with a sentence in *ret_why (heap). */
int webhook_new(struct webhook **ret_webhook, struct webhook_means *means, const char *url,
                char **ret_why) WARN_UNUSED;
/* No new calls; what belongs to it lives until its last call has ended. Before webhook_means_fini.
 * NULL is fine. */
void webhook_free(struct webhook *webhook);

/* `succeeded`: the answer was 2xx; `text` says what came of it ("status 204", "connection
 * refused"), valid during the call. At the end of a turn; the call is gone afterwards. */
typedef void (*webhook_done_cb)(void *arg, bool succeeded, const char *text);

/* `body` is JSON, copied. */
struct webhook_call *webhook_post(struct webhook *webhook, const char *body, uint64_t timeout_ms,
                                  webhook_done_cb done, void *arg);
/* Without `done`. Nulls the pointer; NULL is fine. */
void webhook_cancel(struct webhook_call **call);
/* Likewise, but the call goes on to its end or its timeout. */
void webhook_abandon(struct webhook_call **call);

/* What an endpoint's webhook is told. Texts are escaped. */
struct webhook_facts {
    const char *pool, *endpoint, *address, *status, *reason, *since;
    unsigned attempt;
};
/* The document (heap). Pure. */
char *webhook_compose(const struct webhook_facts *facts);

#endif
