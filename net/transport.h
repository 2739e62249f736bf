/*
 * A transport: one connected (or connecting) stream socket, plain or TLS, and all of its I/O.
 *
 * Vocabulary. The *owner* is the protocol above (proxy/front_http1, upstream/connection); it embeds
 * the struct. *Paused* means the owner does not want bytes; *blocked* means the kernel does not
 * take any.
 *
 * Reading is edge-triggered: EV_READ|EV_CLOSED|EV_PERSIST|EV_ET is registered once for the life of
 * the descriptor. Received bytes are given to on_data in the loop's own buffer; what on_data does
 * not consume is kept in `in` (bounded) and given again, in front of newer bytes, after
 * transport_resume or with the next received bytes.
 *
 * Writing: transport_write only notes a reference; at the end of the turn one sendmsg carries all.
 * What the kernel does not take is copied to `out`, EV_WRITE is armed, and transport_congested()
 * turns true above the high watermark; on_drained is called once it has fallen below the low one.
 * The owner's duty is to pause the source while a sink is congested; then `out` holds at most
 * high watermark + one read buffer.
 *
 * Lifetime: the owner frees the struct, never from within one of its callbacks: transport_fini,
 * then loop_reap (lifetime rule 1). After transport_fini no callback is called. Errors and EOF
 * never close by themselves: they are told, the owner decides.
 *
 * TLS: OpenSSL over a BIO of ours whose two ends are the loop's read buffer and the output list,
 * so that a record costs no system call of its own. on_connected comes after the handshake.
 */
#ifndef EVERGATE_NET_TRANSPORT_H
#define EVERGATE_NET_TRANSPORT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/address.h"
#include "net/bytes.h"
#include "net/loop.h"

struct transport;
struct transport_output; /* references collected in this turn; leased from the loop */
struct tls_session;      /* net/tls.h: the SSL object and its BIO; NULL for plain transports */

/* All run on the loop's thread. A callback may call any function here, transport_fini included:
 * the transport notices. */
struct transport_ops {
    /* Connected; with TLS, after the handshake. Server transports without TLS do not call it. */
    void (*on_connected)(struct transport *t);
    /* Returns how many of the `size` bytes were consumed. Fewer: the rest is kept and offered again
     * with more bytes behind it, or after transport_resume if the owner paused. */
    size_t (*on_data)(struct transport *t, const char *data, size_t size);
    /* The peer will send no more (FIN or close_notify). Its reading side may still be open. Called
     * once, after all data was consumed or while paused with data still unconsumed (`in` not
     * empty). */
    void (*on_eof)(struct transport *t);
    /* Reset, timeout of the kernel, TLS failure: the stream is dead both ways. `code` is one of
     * EG_E_CONNECT, EG_E_UPSTREAM_RESET, EG_E_UPSTREAM_TLS, EG_E_TLS_HANDSHAKE;
     * transport_error_text has the detail. Called at most once; also while paused. */
    void (*on_error)(struct transport *t, int code);
    /* Output fell below the low watermark after transport_congested was true. */
    void (*on_drained)(struct transport *t);
};

struct transport {
    struct loop *loop;
    const struct transport_ops *ops;
    int fd;
    struct event read_event;  /* READ|CLOSED|PERSIST|ET */
    struct event write_event; /* added only while blocked or connecting */
    struct bytes in;          /* received plaintext that the owner has not consumed */
    struct bytes out;         /* bytes (ciphertext with TLS) that the kernel has not taken */
    struct transport_output *output;
    struct tls_session *tls;
    struct loop_task retry_read;  /* more may be readable: after resume, or fairness */
    uint64_t bytes_in, bytes_out; /* on the wire */
    int error;                    /* 0 or the code given to on_error */
    int sys_errno;
    unsigned connecting : 1;
    unsigned paused : 1;
    unsigned readable : 1; /* the kernel may hold bytes that we have not read */
    unsigned eof : 1;      /* FIN or close_notify seen */
    unsigned eof_told : 1;
    unsigned blocked : 1;       /* EV_WRITE is armed */
    unsigned was_congested : 1; /* on_drained is owed */
    unsigned shut_write : 1;    /* FIN wanted once `out` is empty */
    unsigned finished : 1;      /* transport_fini was called */
};

enum {
    TRANSPORT_HIGH_WATER = 64 * 1024,
    TRANSPORT_LOW_WATER = 16 * 1024,
};

/* Takes a connected, non-blocking descriptor. `tls` (owned from here) or NULL. `in_limit_bytes`
 * bounds what on_data may leave unconsumed; reading stops at it. Begins to read at the end of this
 * turn. */
void transport_init_accepted(struct transport *t, struct loop *loop, int fd,
                             struct tls_session *tls, size_t in_limit_bytes,
                             const struct transport_ops *ops);

/* Starts TLS on a transport that has been plain so far (after a PROXY header). Bytes that on_data
 * leaves unconsumed belong to the handshake. */
void transport_start_tls(struct transport *t, struct tls_session *tls);

/* Opens a socket and begins to connect; on_connected or on_error follows, never from within.
 * `tls` (owned from here, also on failure) or NULL. Always initialises `t`: after an error return
 * transport_fini is still allowed. 0 or EG_E_CONNECT. */
int transport_init_connect(struct transport *t, struct loop *loop, const struct address *to,
                           struct tls_session *tls, size_t in_limit_bytes,
                           const struct transport_ops *ops) WARN_UNUSED;

/* Notes a reference: `data` must stay valid until the turn's flush (loop read buffer, scratch,
 * static, or an exchange's arena). Ignored after an error. */
void transport_write(struct transport *t, const char *data, size_t size);

static inline size_t transport_pending_out(const struct transport *t);

/* True while more is waiting than the high watermark. */
bool transport_congested(const struct transport *t);

/* Stops on_data. Nothing is lost: the kernel's window closes. EOF and errors are still told. */
void transport_pause(struct transport *t);

/* Offers unconsumed bytes and reads on, at the end of this turn (never from within). */
void transport_resume(struct transport *t);

/* Sends FIN (with TLS: close_notify, then FIN) after everything written so far. */
void transport_shutdown_write(struct transport *t);

/* True when nothing waits to be sent. */
bool transport_flushed(const struct transport *t);

/* A live check for an idle connection before a request that cannot be repeated goes onto it: one
 * recv(MSG_PEEK). False when the peer closed it or sent something unasked. */
bool transport_alive(struct transport *t);

/*
 * Ends all callbacks and frees everything but the struct; sends close_notify first where it can.
 * Closes the descriptor, unless `keep_fd`, when the caller (evhttp) closes it. Idempotent.
 */
void transport_fini(struct transport *t, bool keep_fd);

/* "Connection refused", "certificate verify failed: ..."; valid until transport_fini. */
const char *transport_error_text(const struct transport *t);

static inline size_t transport_pending_out(const struct transport *t)
{
    return t->out.size;
}

#endif
