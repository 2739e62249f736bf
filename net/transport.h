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
 * high watermark + one read buffer. An owner that writes on regardless finds its stream failed with
 * EG_E_OVERLOAD once TRANSPORT_OUT_LIMIT would be passed: memory stays bounded whatever it does.
 * (What is written in one turn while not congested is always accepted, however large.)
 *
 * The end of a stream. on_eof means that every byte before it was consumed, or, when the owner is
 * not paused, that what it left unconsumed will never be continued. While paused with bytes
 * unread it waits for transport_resume; on_peer_closed tells early that it will come. A reset
 * (on_error) that follows received bytes comes after those were offered, since a backend that
 * answers early and closes resets us behind its answer. Accepted transports that are paused are
 * told at once: what a client sent before it vanished is of no use.
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
     * at most once, after the last on_data. */
    void (*on_eof)(struct transport *t);
    /* Optional (may be NULL). A FIN arrived while paused, with bytes before it still unread or
     * unconsumed: advice that the peer may have left. on_eof follows after transport_resume. */
    void (*on_peer_closed)(struct transport *t);
    /* Reset, timeout of the kernel, TLS failure: the stream is dead both ways. `code` is one of
     * EG_E_CONNECT, EG_E_UPSTREAM_RESET (any transport), EG_E_UPSTREAM_TLS, EG_E_TLS_HANDSHAKE,
     * EG_E_OVERLOAD; transport_error_text has the detail. Called at most once, at the end of a
     * turn, never from within another function of this header. */
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
    struct loop_timer quiet;      /* a look after the last bytes, see TRANSPORT_QUIET_MS */
    struct loop_task later;       /* to be done at the turn's end: read on, report an error */
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
    unsigned shut_done : 1;     /* ... and sent */
    unsigned finished : 1;      /* transport_fini was called */
    unsigned accepted : 1;      /* the server's end */
    unsigned fin_seen : 1;      /* EV_CLOSED: recv goes on until it returns 0 */
    unsigned closed_told : 1;   /* on_peer_closed was called */
    unsigned error_told : 1;    /* on_error was called */
    unsigned
        write_failed : 1;     /* the kernel refused output: the error is told after the last data */
    unsigned flush_whole : 1; /* within a flush that may pass the output limit */
    unsigned offer : 1;       /* resumed: offer `in` again */
    unsigned offering : 1;    /* on_data is looking at `in`, which must not be freed */
    unsigned in_on_data : 1;  /* on_data is on the stack */
    unsigned tls_fresh : 1;   /* transport_start_tls: `in` turns from plaintext to ciphertext */
};

enum {
    TRANSPORT_HIGH_WATER = 64 * 1024,
    TRANSPORT_LOW_WATER = 16 * 1024,
    TRANSPORT_LOST_S = 60, /* transport_watch_peer */
    TRANSPORT_OUT_LIMIT = TRANSPORT_HIGH_WATER + 2 * LOOP_READ_BYTES + LOOP_SCRATCH_BYTES,
};

/* Before anything is accepted from a listening socket: what connections inherit from it on Linux is
 * set there once, instead of by a system call for each (TCP_NODELAY; tcp(7)). */
void transport_prepare_listener(int fd);

/* Takes a connected, non-blocking descriptor. `tls` (owned from here) or NULL. `in_limit_bytes`
 * bounds what on_data may leave unconsumed; reading stops at it. The first on_data comes in a
 * later turn. */
void transport_init_accepted(struct transport *t, struct loop *loop, int fd,
                             struct tls_session *tls, size_t in_limit_bytes,
                             const struct transport_ops *ops);

/* Starts TLS on a transport that has been plain so far (after a PROXY header), usually from within
 * on_data. Bytes that on_data leaves unconsumed belong to the handshake. `tls` is owned from here.
 */
void transport_start_tls(struct transport *t, struct tls_session *tls);

/* Opens a socket and begins to connect; on_connected or on_error follows, never from within (also
 * when the kernel refuses at once). What is written before on_connected is kept and sent then; with
 * TLS it is dropped. `tls` (owned from here, also on failure) or NULL. Always initialises `t`:
 * after an error return transport_fini is still allowed. Where descriptors are short, those that
 * loop_offer_descriptor knows of are closed one by one. 0, EG_E_OVERLOAD when this process is out
 * of them all the same, or EG_E_CONNECT when no socket can be had for another reason. */
int transport_init_connect(struct transport *t, struct loop *loop, const struct address *to,
                           struct tls_session *tls, size_t in_limit_bytes,
                           const struct transport_ops *ops) WARN_UNUSED;

/* Notes a reference: `data` must stay valid until the turn's flush (loop read buffer, scratch,
 * static, or an exchange's arena). Ignored after an error, after transport_shutdown_write, and with
 * TLS before on_connected. */
void transport_write(struct transport *t, const char *data, size_t size);

static inline size_t transport_pending_out(const struct transport *t);

/* True while more is waiting than the high watermark. */
bool transport_congested(const struct transport *t);

/* Stops on_data. Nothing is lost: the kernel's window closes. EOF and errors are still told. */
void transport_pause(struct transport *t);

/* Offers unconsumed bytes and reads on, at the end of this turn (never from within). */
void transport_resume(struct transport *t);

/*
 * From within on_data: the message is not complete, so look again before waiting for an event.
 * libevent hides EV_CLOSED when a reset came together with the bytes, and an edge is told only
 * once; without another recv the owner would hear of that reset by its own timeout. Not called for
 * a complete message, it leaves the usual case at one recv.
 */
static inline void transport_expect_more(struct transport *t)
{
    t->readable = 1;
}

/* Sends FIN (with TLS: close_notify, then FIN) after everything written so far. */
void transport_shutdown_write(struct transport *t);

/* True when nothing waits to be sent. */
bool transport_flushed(const struct transport *t);

/* A live check for an idle connection before a request that cannot be repeated goes onto it: one
 * recv(MSG_PEEK). False when the peer closed it or sent something unasked; session tickets that
 * came late are taken in. */
bool transport_alive(struct transport *t);

/* For a connection on which nothing is said for long: a peer that is gone without a word (its
 * machine lost power, a firewall forgot the connection) is an error after TRANSPORT_LOST_S, be it
 * that we wait for it or that it acknowledges nothing. The kernel asks (RFC 9293 section 3.8.4). */
void transport_watch_peer(struct transport *t);

/*
 * Ends all callbacks and frees everything but the struct; sends close_notify first where it can.
 * Closes the descriptor, unless `keep_fd`, when the caller (evhttp) closes it. Idempotent.
 */
void transport_fini(struct transport *t, bool keep_fd);

/* After on_eof: false when a TLS peer ended without close_notify, so that the stream may have been
 * cut by anybody. Matters for bodies that only the end delimits. */
bool transport_eof_is_clean(const struct transport *t);

/* "Connection refused", "certificate verify failed: ..."; valid until transport_fini. */
const char *transport_error_text(const struct transport *t);

static inline size_t transport_pending_out(const struct transport *t)
{
    return t->out.size;
}

#endif
