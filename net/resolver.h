/*
 * Names to addresses, asynchronously, on the control thread's loop (c-ares: /etc/hosts, search
 * domains, A and AAAA, TTLs).
 *
 * A watch keeps a name resolved: again after its TTL clamped to 1-60 s, after 1 s growing to 30 s
 * on failure. The last good answer is kept for ever; a failure is only reported.
 */
#ifndef EVERGATE_NET_RESOLVER_H
#define EVERGATE_NET_RESOLVER_H

#include "net/address.h"
#include "net/loop.h"

struct resolver;
struct resolver_watch;

enum { RESOLVER_MAX_ADDRESSES = 16 };

/* `addresses` are sorted and deduplicated, valid during the call only; only called when the set
 * changed or, with count 0 and the reason, when a resolution failed. */
typedef void (*resolver_cb)(void *arg, const struct address *addresses, size_t count,
                            const char *failure);

int resolver_new(struct resolver **ret_resolver, struct loop *loop) WARN_UNUSED;
void resolver_free(struct resolver *resolver); /* ends every watch without a callback */

struct resolver_watch *resolver_watch_start(struct resolver *resolver, const char *host,
                                            uint16_t port, resolver_cb cb, void *arg);
void resolver_watch_stop(struct resolver_watch **watch);

#endif
