/* tcp: it accepts a connection. Nothing is sent; TLS is not spoken, whatever the pool's traffic
 * does. */
#include <string.h>

#include "checks/probe.h"

struct probe_tcp {
    struct probe probe;
    struct transport transport;
};

static const struct transport_ops tcp_ops;

static struct probe_tcp *tcp_of(struct transport *t)
{
    return container_of(t, struct probe_tcp, transport);
}

static void tcp_start(struct probe *probe)
{
    struct probe_tcp *tcp = container_of(probe, struct probe_tcp, probe);

    probe->awaits = "connection";
    int code = transport_init_connect(&tcp->transport, probe_loop(probe), &probe->target.address,
                                      NULL, LOOP_READ_BYTES, &tcp_ops);
    if (code != EG_OK)
        probe_fail_transport(probe, &tcp->transport, code);
}

static void tcp_stop(struct probe *probe)
{
    transport_fini(&container_of(probe, struct probe_tcp, probe)->transport, false);
}

/* A port of this machine that nobody listens on, within the range that the kernel gives to clients,
 * can be connected to by chance from itself: TCP's simultaneous open (RFC 9293 section 3.5), once
 * in some ten thousand tries. */
static bool connected_to_itself(int fd)
{
    struct address own = {.length = sizeof(own.storage)}, peer = {.length = sizeof(peer.storage)};

    return getsockname(fd, &own.sa, &own.length) == 0 &&
           getpeername(fd, &peer.sa, &peer.length) == 0 && own.sa.sa_family != AF_UNIX &&
           address_equal(&own, &peer);
}

static void tcp_on_connected(struct transport *t)
{
    struct probe *probe = &tcp_of(t)->probe;

    if (connected_to_itself(t->fd))
        probe_fail(probe, "nobody listens");
    else
        probe_pass(probe);
}

static size_t tcp_on_data(struct transport *t, const char *data, size_t size)
{
    return size;
}

static void tcp_on_eof(struct transport *t)
{
}

static void tcp_on_error(struct transport *t, int code)
{
    probe_fail_transport(&tcp_of(t)->probe, t, code);
}

static void tcp_on_drained(struct transport *t)
{
}

static const struct transport_ops tcp_ops = {
    .on_connected = tcp_on_connected,
    .on_data = tcp_on_data,
    .on_eof = tcp_on_eof,
    .on_error = tcp_on_error,
    .on_drained = tcp_on_drained,
};

const struct probe_type probe_tcp = {
    .name = "tcp",
    .size_bytes = sizeof(struct probe_tcp),
    .start = tcp_start,
    .stop = tcp_stop,
};
