/* A real loop, run until something is true; transports that record what they were told. */
#ifndef EVERGATE_TESTS_NET_FIXTURE_H
#define EVERGATE_TESTS_NET_FIXTURE_H

#include <stdbool.h>

#include "net/loop.h"
#include "net/transport.h"

/* Runs the loop until `done(arg)`; false after a generous guard, so that a broken program ends. */
bool fixture_run_until(struct loop *loop, bool (*done)(void *arg), void *arg);

/* A few turns, for "nothing happens" checks: everything that is ready now is handled. */
void fixture_settle(struct loop *loop);

/* One end of a connection: collects what it receives and counts what it is told. */
struct peer {
    struct transport t;
    struct loop_task reap;
    char *received;
    size_t received_size;
    size_t consume_at_most; /* per on_data; 0: everything */
    unsigned connected, datas, eofs, closeds, errors, drains;
    int error;
    char error_text[256];
    struct peer *echo_to;  /* received bytes go there, with back-pressure */
    size_t out_peak;       /* of echo_to */
    size_t consume_prefix; /* stop at this many bytes received, then start_tls below */
    struct tls_session *start_tls;
    const char *greeting; /* written in on_connected */
    bool pause_in_connected;
    bool pause_in_data, fini_in_connected, fini_in_data, fini_in_eof, fini_in_error,
        fini_in_drained;
};

extern const struct transport_ops peer_ops;

void peer_init(struct peer *p);
/* Both ends of a Unix stream socketpair. */
void peer_pair(struct loop *loop, struct peer *a, struct peer *b, size_t in_limit);
void peer_fini(struct peer *p);

/* A socketpair of which `p` has one end; the other, blocking or not, is returned. */
int peer_with_raw(struct loop *loop, struct peer *p, size_t in_limit);

/* Both ends of a loopback TCP connection, accepted end first, non-blocking. */
void tcp_pair(int fds[2]);
int tcp_listen(struct address *ret_address);

#endif
