/*
 * Names to addresses, asynchronously, on the control thread's loop (c-ares: /etc/hosts, search
 * domains, A and AAAA, TTLs).
 *
 * A watch keeps a name resolved: again after its TTL clamped to 1-60 s, after 1 s growing to 30 s
 * on failure. The last good answer is kept for ever; a failure is only reported. Answers from
 * /etc/hosts are read again every 5 s.
 *
 * Answers are put in an order that does not depend on the server's rotation: IPv4 first, then by
 * value. Unspecified, multicast and broadcast addresses are dropped. Servers come from
 * /etc/resolv.conf, which is read anew when it has changed, or from the environment variable
 * EVERGATE_DNS_SERVERS ("127.0.0.1:5353,..."), which is meant for tests.
 */
#ifndef EVERGATE_NET_RESOLVER_H
#define EVERGATE_NET_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

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

/* "127.0.0.1:5353,[::1]:53" instead of the servers of resolv.conf. EG_E_INTERNAL when malformed. */
int resolver_set_servers(struct resolver *resolver, const char *csv) WARN_UNUSED;

/* How long an answer holds. Pure. */
uint64_t resolver_answer_delay_ms(int ttl_s, bool from_hosts_file);
uint64_t resolver_failure_delay_ms(unsigned failures); /* 1: the first */

/* Can it be connected to at all: neither unspecified, nor multicast, nor broadcast? Pure. */
bool resolver_address_is_usable(const struct address *a);

/* Resolves at the end of this turn; `cb` is never called from within. `host` is copied. A watch may
 * be stopped in its own callback. */
struct resolver_watch *resolver_watch_start(struct resolver *resolver, const char *host,
                                            uint16_t port, resolver_cb cb, void *arg);
void resolver_watch_stop(struct resolver_watch **watch);

#endif
