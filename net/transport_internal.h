/* What the files of the transport share: transport.c (life), transport_read.c, transport_write.c.
 */
#ifndef EVERGATE_NET_TRANSPORT_INTERNAL_H
#define EVERGATE_NET_TRANSPORT_INTERNAL_H

#include <sys/uio.h>

#include "net/transport.h"

enum {
    TRANSPORT_IOVECS = 32,
    TRANSPORT_READ_ROUNDS = 4, /* then other connections have their turn */
    /*
     * A reset that arrives together with bytes cannot be told from bytes alone: libevent reports
     * EPOLLERR as EV_READ, recv returns the bytes, and no second edge follows. So this long after
     * the last short recv there is one more. Moving the timer is a store, so that busy connections
     * pay nothing for it and idle ones one recv.
     */
    TRANSPORT_QUIET_MS = 1000,
};

/* References collected in this turn. Leased from loop->spare by the first transport_write of a turn
 * and given back by its flush, so that idle transports own none. */
struct transport_output {
    struct loop_task flush; /* in loop->dirty; first, see loop->spare */
    struct transport *t;
    size_t size;
    unsigned count;
    bool whole; /* not congested when the turn began: accepted whatever its size */
    struct iovec v[TRANSPORT_IOVECS];
};

/* transport.c: marks the stream dead and reports at the end of the turn. */
void transport_fail(struct transport *t, int code, int sys_errno);

/* transport_read.c */
void transport_on_read(evutil_socket_t fd, short what, void *arg);
void transport_on_later(struct loop_task *task);
void transport_on_quiet(struct loop_timer *timer);
void transport_read(struct transport *t);
/* Offers `n` bytes of plaintext, behind what the owner left before. n <= transport_room(t). */
void transport_deliver(struct transport *t, const char *data, size_t n);
size_t transport_room(const struct transport *t);
/* Calls on_eof, on_peer_closed where they are due. */
void transport_tell_end(struct transport *t);

/* transport_write.c */
void transport_on_write(evutil_socket_t fd, short what, void *arg);
/* Has the transport flushed at the end of the turn. */
void transport_mark_dirty(struct transport *t);
/* Sends what was collected. Calls no callback of the owner. */
void transport_flush(struct transport *t);
/* Appends to `out` without sending. */
void transport_queue(struct transport *t, const char *data, size_t n);
/* Sends `count` pieces of `size` bytes in all, behind what waits in `out`; the rest is queued. */
void transport_send(struct transport *t, const struct iovec *v, unsigned count, size_t size);
/* Gives the output lease back; what was collected is dropped. */
void transport_drop_output(struct transport *t);
void transport_arm_write(struct transport *t);
void transport_disarm_write(struct transport *t);
/* Sends FIN once it is wanted and nothing waits before it. */
void transport_finish_shutdown(struct transport *t);

/* transport_tls.c */
void transport_tls_attach(struct transport *t, struct tls_session *tls);
/* Goes on with the handshake, or decrypts and delivers what was received. */
void transport_tls_pump(struct transport *t);
/* `n` bytes of ciphertext in the loop's read buffer. Nothing may be waiting. */
void transport_tls_feed(struct transport *t, const char *data, size_t n);
/* Whether something received was not decrypted or not delivered yet. */
bool transport_tls_waiting(const struct transport *t);
/* The FIN came: an error during the handshake. */
void transport_tls_fin(struct transport *t);
/* After transport_start_tls: what the owner left of the plain stream is ciphertext. */
void transport_tls_adopt(struct transport *t);
bool transport_tls_idle_ok(struct transport *t);
/* The BIO's write end. */
void transport_tls_output(struct transport *t, const char *data, size_t n);
/* Encrypts and sends; part of transport_flush. */
void transport_tls_flush(struct transport *t, const struct iovec *v, unsigned count);
bool transport_tls_writable(const struct transport *t); /* the handshake is over */
void transport_tls_close(struct transport *t); /* has close_notify sent by the next flush */
const char *transport_tls_error_text(const struct transport *t);

#endif
