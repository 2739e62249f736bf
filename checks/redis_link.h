/*
 * One connection to a Redis server or a Sentinel: commands out, replies in. What is asked and what
 * an answer means is its owner's (probe_redis.c), which embeds the struct.
 */
#ifndef EVERGATE_CHECKS_REDIS_LINK_H
#define EVERGATE_CHECKS_REDIS_LINK_H

#include <stdbool.h>

#include "checks/resp.h"
#include "net/transport.h"

struct redis_link;
struct tls_context;

struct redis_link_ops {
    void (*on_connected)(struct redis_link *link); /* commands may be sent from now on */
    /* One whole reply: resp_take takes it apart. Valid during the call. */
    void (*on_reply)(struct redis_link *link, struct slice reply);
    /* It ended, was refused, or speaks something else. `code` is the transport's and its words may
     * be asked for, or 0: then `why` says it. The owner closes it. */
    void (*on_failed)(struct redis_link *link, int code, const char *why);
};

struct redis_link {
    struct transport transport;
    const struct redis_link_ops *ops;
    bool open; /* until redis_link_close */
};

/* `tls` may be NULL: plain; so are Unix sockets always, since Redis speaks no TLS there.
 * `server_name` is what the certificate must prove. Initialises the zeroed `link` also when it
 * fails with the transport's code. Nothing is called from within. */
int redis_link_open(struct redis_link *link, struct loop *loop, const struct address *to,
                    struct tls_context *tls, const char *server_name,
                    const struct redis_link_ops *ops) WARN_UNUSED;

/* Sends a command: at most 4 words, NULL behind them, each no longer than a password may be. */
void redis_link_command(struct redis_link *link, const char *const *words);
/* AUTH, with the user unless it is "". */
void redis_link_auth(struct redis_link *link, const char *user, const char *password);

/* No callback comes afterwards; also from within one. Idempotent. May be opened again in a later
 * turn. */
void redis_link_close(struct redis_link *link);

#endif
