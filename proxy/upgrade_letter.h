/*
 * The letter: what one binary tells the next, as JSON. Pure.
 *
 *   {"form": 1, "pid": 4711, "evergate": "0.1.0",
 *    "sockets": [{"bind": "0.0.0.0:443", "count": 4},
 *                {"bind": "unix:/run/in.sock", "count": 1, "device": 25, "inode": 4242}],
 *    "sticky_secret": "hex", "tickets": {"keys": "hex", "rotate_ms": 1000},
 *    "overlay": {...}, "discovered": {"api": [...]}}
 *
 * The descriptors come beside it, in this order. Keys that the reader does not know are ignored, so
 * that the letter may grow; "form" is raised when an older reader would go wrong.
 */
#ifndef EVERGATE_PROXY_UPGRADE_LETTER_H
#define EVERGATE_PROXY_UPGRADE_LETTER_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "net/tls.h"
#include "proxy/server.h"

enum { UPGRADE_LETTER_FORM = 1, UPGRADE_SOCKETS_MAX = 64 * 1024 };

struct upgrade_sockets {
    char *bind; /* heap */
    unsigned count;
    uint64_t device, inode;
};

struct upgrade_letter {
    int pid; /* who wrote it */
    struct upgrade_sockets *sockets;
    size_t socket_count; /* of `sockets`, not of descriptors */
    bool has_secret;
    unsigned char secret[SERVER_SECRET_BYTES];
    unsigned char tickets[TLS_TICKETS_BYTES];
    size_t ticket_bytes; /* 0: none */
    uint64_t ticket_rotate_ms;
    json_t *overlay;    /* a reference; NULL: none */
    json_t *discovered; /* likewise: what was found, by pool (config/found.h) */
};

void upgrade_letter_add_sockets(struct upgrade_letter *letter, const char *bind, unsigned count,
                                uint64_t device, uint64_t inode);
/* Over all `sockets`. */
size_t upgrade_letter_descriptors(const struct upgrade_letter *letter);

/* The text, NUL-terminated, on the heap; it holds secrets. */
char *upgrade_letter_write(const struct upgrade_letter *letter);

/* 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int upgrade_letter_read(struct upgrade_letter *ret_letter, const char *text, size_t size,
                        char **ret_why) WARN_UNUSED;

void upgrade_letter_fini(struct upgrade_letter *letter);

#endif
