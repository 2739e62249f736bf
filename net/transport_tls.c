/*
 * TLS within a transport: ciphertext in, plaintext to the owner; references in, ciphertext out.
 *
 *   recv ─► feed ─► BIO ─► SSL_read ─► plain_buffer ─► on_data
 *   transport_write ─► references ─ flush ─► gather_buffer ─► SSL_write ─► BIO ─► cipher_buffer
 *                                                                     ─► one sendmsg
 *
 * What OpenSSL writes outside of a flush (handshake flights, alerts, tickets, answers to KeyUpdate)
 * is appended to `out` and leaves with the turn's sendmsg, in front of the records.
 *
 * A paused owner: records that were received but not decrypted stay in the session's `pending`, and
 * no recv happens until they are gone; so it holds at most one read buffer.
 *
 * The end: close_notify is a clean end. A FIN without one is on_eof too, since half of the world's
 * clients hang up like that; transport_eof_is_clean tells the difference where it matters (a body
 * that only the end of the stream delimits, RFC 9112 section 9.8).
 */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/tls_internal.h"
#include "net/transport_internal.h"

void transport_tls_attach(struct transport *t, struct tls_session *tls)
{
    struct loop *loop = t->loop;

    t->tls = tls;
    if (!tls)
        return;
    tls_session_attach(tls, t);
    if (!loop->cipher_buffer) {
        loop->cipher_buffer = xmalloc(LOOP_CIPHER_BYTES);
        loop->gather_buffer = xmalloc(LOOP_GATHER_BYTES);
    }
}

bool transport_tls_waiting(const struct transport *t)
{
    return t->tls->pending.size > 0 || SSL_pending(t->tls->ssl) > 0;
}

/* The alert that says why leaves first. A client reads a TLS 1.3 server's verdict on its
 * certificate only after its own handshake is over: until data came, errors are the handshake's. */
static void fail_tls(struct transport *t, const char *fallback)
{
    struct tls_session *tls = t->tls;
    int code = tls->client ? EG_E_UPSTREAM_TLS : EG_E_TLS_HANDSHAKE;

    tls_session_note_error(tls, fallback);
    tls->failed = true;
    if (t->loop->cipher_owner != t)
        transport_flush(t);
    transport_fail(t, tls->data_seen ? EG_E_UPSTREAM_RESET : code, 0);
}

/* ---- in ----------------------------------------------------------------------------------- */

/* True once the handshake is over and the owner, told of it, still wants to go on. */
static bool handshake(struct transport *t)
{
    struct tls_session *tls = t->tls;

    ERR_clear_error();
    int r = SSL_do_handshake(tls->ssl);
    if (r == 1) {
        tls->established = true;
        t->ops->on_connected(t);
        return !t->finished;
    }
    if (SSL_get_error(tls->ssl, r) != SSL_ERROR_WANT_READ)
        fail_tls(t, "handshake failed");
    return false;
}

/* Decrypts into plain_buffer what is there, `room` at most: one on_data for many records. *ret_more
 * is false when everything received so far was decrypted, or the stream ended. */
static size_t decrypt(struct transport *t, size_t room, bool *ret_more)
{
    struct tls_session *tls = t->tls;
    size_t n = 0;
    int r = 0;

    ERR_clear_error();
    while (n < room) {
        r = SSL_read(tls->ssl, t->loop->plain_buffer + n, (int)(room - n));
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    *ret_more = n == room;
    tls->data_seen |= n > 0;
    if (r > 0)
        return n;
    switch (SSL_get_error(tls->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        tls->clean_eof = true;
        t->eof = 1;
        t->readable = 0;
        break;
    default:
        /* What was decrypted before the bad record is not given out: it is part of a stream that
         * somebody tampered with, or that the peer declared broken. */
        fail_tls(t, "broken record");
        return 0;
    }
    return n;
}

void transport_tls_pump(struct transport *t)
{
    bool more = true;

    if (t->tls->failed || (!t->tls->established && !handshake(t)))
        return;
    while (more && !t->finished && !t->paused && !t->error && !t->eof && transport_room(t) > 0) {
        size_t n = decrypt(t, transport_room(t), &more);

        if (n > 0)
            transport_deliver(t, t->loop->plain_buffer, n);
        if (more)
            loop_flush(t->loop); /* the plaintext buffer is about to be reused */
    }
}

void transport_tls_feed(struct transport *t, const char *data, size_t n)
{
    struct tls_session *tls = t->tls;

    tls->feed = data;
    tls->feed_size = n;
    transport_tls_pump(t);
    if (t->finished)
        return;
    if (tls->feed_size > 0 && !t->error)
        CHECK(bytes_append(&tls->pending, tls->feed, tls->feed_size) == 0);
    tls->feed = NULL;
    tls->feed_size = 0;
}

void transport_tls_fin(struct transport *t)
{
    if (t->tls->established)
        return;
    snprintf(t->tls->error_text, sizeof(t->tls->error_text),
             "connection closed during the handshake");
    t->tls->failed = true;
    transport_fail(t, t->tls->client ? EG_E_UPSTREAM_TLS : EG_E_TLS_HANDSHAKE, 0);
}

void transport_tls_adopt(struct transport *t)
{
    t->tls_fresh = 0;
    bytes_fini(&t->tls->pending);
    t->tls->pending = t->in;
    t->tls->pending.limit = SIZE_MAX;
    bytes_init(&t->in, t->in.limit);
    if (t->tls->client)
        transport_tls_pump(t); /* the client speaks first; nothing can follow from that yet */
    loop_soon(t->loop, &t->later);
}

void transport_start_tls(struct transport *t, struct tls_session *tls)
{
    if (t->finished || t->error) {
        tls_session_free(tls);
        return;
    }
    transport_flush(t); /* what was written before is plain */
    transport_tls_attach(t, tls);
    t->tls_fresh = 1;
    if (!t->in_on_data)
        transport_tls_adopt(t);
}

/* Bytes wait on an idle connection. Tickets, which servers send when they like, do not make it
 * unusable; content and close_notify do. Called while others may hold references into the loop's
 * buffers, hence a buffer of its own. */
bool transport_tls_idle_ok(struct transport *t)
{
    struct tls_session *tls = t->tls;
    char cipher[4096], plain;
    ssize_t n;

    if (!tls->established || tls->failed)
        return false;
    while ((n = recv(t->fd, cipher, sizeof(cipher), MSG_DONTWAIT)) > 0) {
        t->bytes_in += (uint64_t)n;
        tls->feed = cipher;
        tls->feed_size = (size_t)n;
        ERR_clear_error();
        int r = SSL_read(tls->ssl, &plain, 1);
        bool clean = r <= 0 && SSL_get_error(tls->ssl, r) == SSL_ERROR_WANT_READ;
        tls->feed = NULL;
        tls->feed_size = 0;
        if (!clean) {
            tls->failed = true;
            ERR_clear_error();
            return false;
        }
    }
    return n < 0 && errno == EAGAIN;
}

bool transport_eof_is_clean(const struct transport *t)
{
    return !t->tls || t->tls->clean_eof;
}

/* ---- out ---------------------------------------------------------------------------------- */

static void send_cipher(struct transport *t)
{
    struct loop *loop = t->loop;
    struct iovec v = {loop->cipher_buffer, loop->cipher_used};

    loop->cipher_used = 0;
    transport_send(t, &v, v.iov_len > 0, v.iov_len);
}

void transport_tls_output(struct transport *t, const char *data, size_t n)
{
    struct loop *loop = t->loop;

    if (t->error || t->finished || t->write_failed)
        return;
    if (loop->cipher_owner != t) {
        transport_queue(t, data, n);
        transport_mark_dirty(t);
        return;
    }
    while (n > 0) {
        size_t room = LOOP_CIPHER_BYTES - loop->cipher_used;
        size_t piece = n < room ? n : room;

        memcpy(loop->cipher_buffer + loop->cipher_used, data, piece);
        loop->cipher_used += piece;
        data += piece;
        n -= piece;
        if (loop->cipher_used == LOOP_CIPHER_BYTES)
            send_cipher(t);
    }
}

static bool encrypt(struct transport *t, const char *data, size_t n)
{
    ERR_clear_error();
    while (n > 0 && !t->error && !t->write_failed) {
        int r = SSL_write(t->tls->ssl, data, (int)(n < INT_MAX ? n : INT_MAX));

        if (r <= 0) {
            fail_tls(t, "encryption failed");
            return false;
        }
        data += r;
        n -= (size_t)r;
    }
    return !t->error && !t->write_failed;
}

/* Small neighbours (a head and its body) become one record, large pieces are encrypted where they
 * stand. */
static bool encrypt_all(struct transport *t, const struct iovec *v, unsigned count)
{
    char *gather = t->loop->gather_buffer;
    size_t gathered = 0;

    for (unsigned i = 0; i < count; i++) {
        const char *data = v[i].iov_base;
        size_t n = v[i].iov_len;

        if (gathered + n > LOOP_GATHER_BYTES) {
            if (!encrypt(t, gather, gathered))
                return false;
            gathered = 0;
        }
        if (n > LOOP_GATHER_BYTES) {
            if (!encrypt(t, data, n))
                return false;
            continue;
        }
        memcpy(gather + gathered, data, n);
        gathered += n;
    }
    return encrypt(t, gather, gathered);
}

void transport_tls_flush(struct transport *t, const struct iovec *v, unsigned count)
{
    struct loop *loop = t->loop;
    struct tls_session *tls = t->tls;

    loop->cipher_owner = t;
    loop->cipher_used = 0;
    if (tls->established && !tls->failed && encrypt_all(t, v, count) &&
        (tls->want_notify || t->shut_write) && !tls->notify_sent) {
        tls->notify_sent = true;
        SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
    send_cipher(t); /* with what waits in `out`, whose turn may have come too */
    loop->cipher_owner = NULL;
}

bool transport_tls_writable(const struct transport *t)
{
    return t->tls->established && !t->tls->failed;
}

const char *transport_tls_error_text(const struct transport *t)
{
    return t->tls->error_text;
}

void transport_tls_close(struct transport *t)
{
    struct tls_session *tls = t->tls;

    if (!transport_tls_writable(t) || tls->notify_sent || t->error || t->write_failed)
        return;
    tls->want_notify = true;
    transport_mark_dirty(t);
}
