#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_link.h"

TestSuite(tls_sessions, .init = link_setup, .fini = link_teardown);

Test(tls_sessions, sessions_are_resumed_also_by_another_context_and_after_one_rotation)
{
    link_open();
    cr_assert(link_gets_ticket());
    link_serve((struct tls_server_params){0}); /* another worker's */
    link_handshake("a.test");
    cr_expect(tls_session_resumed(tls_link.client.t.tls));
    cr_expect(tls_session_resumed(tls_link.server.t.tls));
    link_settle();
    tls_tickets_rotate();
    link_handshake("a.test");
    cr_expect(tls_session_resumed(tls_link.client.t.tls));
    link_settle();
    tls_tickets_rotate();
    tls_tickets_rotate();
    link_handshake("a.test");
    cr_expect_not(tls_session_resumed(tls_link.client.t.tls), "the key is gone");
}

Test(tls_sessions, a_reset_does_not_spoil_the_ticket)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    link_open();
    cr_assert(link_gets_ticket());
    setsockopt(tls_link.server.t.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    int fd = tls_link.server.t.fd;
    transport_fini(&tls_link.server.t, true);
    link_settle();
    close(fd);
    link_settle();
    link_handshake("a.test");
    cr_expect(tls_session_resumed(tls_link.client.t.tls));

    link_settle(); /* cut without a word from either side */
    transport_shutdown_write(&tls_link.server.t);
    tls_link.client.t.error = EG_E_UPSTREAM_RESET;
    transport_fini(&tls_link.client.t, false);
    link_handshake("a.test");
    cr_expect(tls_session_resumed(tls_link.client.t.tls));
}

Test(tls_sessions, optional_verification_gives_no_ticket_for_required_verification)
{
    const char *ca_path = test_ca_path(tls_link.ca, "ca.pem");

    link_serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                          .client_ca_path = ca_path});
    link_call_verifying();
    link_handshake("a.test");
    cr_assert(link_gets_ticket());
    link_serve(
        (struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE, .client_ca_path = ca_path});
    link_up("a.test");
    cr_assert(link_server_fails());
}

Test(tls_sessions, tickets_do_not_carry_over_to_stricter_listeners)
{
    link_open();
    cr_assert(link_gets_ticket());
    link_serve((struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE,
                                          .client_ca_path = test_ca_path(tls_link.ca, "ca.pem")});
    link_up("a.test");
    cr_assert(link_server_fails());
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls_sessions, a_late_ticket_leaves_an_idle_connection_alive)
{
    link_contexts();
    link_up("a.test");
    /* The server's ticket is on its way when the client looks. */
    while (!tls_link.client.connected || !tls_link.server.connected)
        event_base_loop(tls_link.loop.base, EVLOOP_ONCE);
    cr_expect(transport_alive(&tls_link.client.t));
    cr_expect_not_null(tls_link.slot.session);
    link_write(&tls_link.server, "unasked", 7);
    cr_expect_not(transport_alive(&tls_link.client.t));
}
