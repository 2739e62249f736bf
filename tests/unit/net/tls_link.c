#include "tls_link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

struct tls_link tls_link;

void link_setup(void)
{
    cr_assert_eq(loop_init(&tls_link.loop), 0);
    tls_link.ca = test_ca_new();
    test_ca_issue(tls_link.ca, "a", "a.test", "DNS:a.test,DNS:*.wild.test,IP:127.0.0.1", false);
    peer_init(&tls_link.server);
    peer_init(&tls_link.client);
}

static void end_peers(void)
{
    if (tls_link.server.t.loop)
        peer_fini(&tls_link.server);
    if (tls_link.client.t.loop)
        peer_fini(&tls_link.client);
}

void link_teardown(void)
{
    end_peers();
    tls_resume_slot_clear(&tls_link.slot);
    tls_context_free(tls_link.server_context);
    tls_context_free(tls_link.client_context);
    test_ca_free(tls_link.ca);
    loop_fini(&tls_link.loop);
}

struct tls_certificate link_files(const char *name)
{
    char *cert = xasprintf("%s.pem", name), *key = xasprintf("%s.key", name);
    struct tls_certificate c = {test_ca_path(tls_link.ca, cert), test_ca_path(tls_link.ca, key)};

    free(cert);
    free(key);
    return c;
}

void link_serve(struct tls_server_params params)
{
    struct tls_certificate default_files = link_files("a");
    char *why = NULL;

    if (params.certificate_count == 0) {
        params.certificates = &default_files;
        params.certificate_count = 1;
    }
    tls_context_free(tls_link.server_context);
    cr_assert_eq(tls_context_new_server(&tls_link.server_context, &params, &why), 0, "%s", why);
}

void link_call(struct tls_client_params params)
{
    char *why = NULL;

    tls_context_free(tls_link.client_context);
    cr_assert_eq(tls_context_new_client(&tls_link.client_context, &params, &why), 0, "%s", why);
}

void link_call_verifying(void)
{
    link_call(
        (struct tls_client_params){.ca_path = test_ca_path(tls_link.ca, "ca.pem"), .verify = true});
}

void link_contexts(void)
{
    link_serve((struct tls_server_params){0});
    link_call_verifying();
}

void link_up(const char *server_name)
{
    struct address address;
    int listener = tcp_listen(&address);
    struct tls_session *session;

    end_peers();
    peer_init(&tls_link.server);
    peer_init(&tls_link.client);
    session = tls_session_new_client(tls_link.client_context, server_name, &tls_link.slot);
    cr_assert_eq(transport_init_connect(&tls_link.client.t, &tls_link.loop, &address, session,
                                        LINK_IN_LIMIT, &peer_ops),
                 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    session = tls_session_new_server(tls_link.server_context);
    transport_init_accepted(&tls_link.server.t, &tls_link.loop, fd, session, LINK_IN_LIMIT,
                            &peer_ops);
    close(listener);
}

void link_handshake(const char *server_name)
{
    link_up(server_name);
    cr_assert(link_connects(), "%s%s", tls_link.client.error_text, tls_link.server.error_text);
}

void link_open(void)
{
    link_contexts();
    link_handshake("a.test");
}

static bool both_connected(void *arg)
{
    return tls_link.server.connected && tls_link.client.connected;
}

bool link_connects(void)
{
    return fixture_run_until(&tls_link.loop, both_connected, NULL);
}

static bool has_failed(void *arg)
{
    return ((struct peer *)arg)->errors > 0;
}

bool link_client_fails(void)
{
    return fixture_run_until(&tls_link.loop, has_failed, &tls_link.client);
}

bool link_server_fails(void)
{
    return fixture_run_until(&tls_link.loop, has_failed, &tls_link.server);
}

static bool ticket_came(void *arg)
{
    return tls_link.slot.session != NULL;
}

bool link_gets_ticket(void)
{
    return fixture_run_until(&tls_link.loop, ticket_came, NULL);
}

struct awaited {
    const struct peer *peer;
    size_t in_all;
};

static bool has_received(void *arg)
{
    const struct awaited *a = arg;

    return a->peer->received_size >= a->in_all;
}

bool link_receives(struct peer *p, size_t in_all)
{
    struct awaited awaited = {p, in_all};

    return fixture_run_until(&tls_link.loop, has_received, &awaited);
}

void link_settle(void)
{
    fixture_settle(&tls_link.loop);
}

void link_write(struct peer *from, const char *data, size_t n)
{
    loop_enter(&tls_link.loop);
    transport_write(&from->t, data, n);
    loop_leave(&tls_link.loop);
}

void link_send(struct peer *from, const char *data, size_t n)
{
    struct peer *to = from == &tls_link.client ? &tls_link.server : &tls_link.client;

    link_write(from, data, n);
    cr_assert(link_receives(to, n));
}

SSL *link_ssl(const struct peer *p)
{
    return *(SSL **)p->t.tls; /* the session's first member, tls_internal.h */
}
