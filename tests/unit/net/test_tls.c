#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tls_link.h"

TestSuite(tls, .init = link_setup, .fini = link_teardown);

static const char *const http_1_1[] = {"http/1.1", NULL};
static const char *const other_alpn[] = {"other", NULL};

Test(tls, both_roles_talk_to_each_other)
{
    link_serve((struct tls_server_params){.alpn = http_1_1});
    link_call((struct tls_client_params){
        .ca_path = test_ca_path(tls_link.ca, "ca.pem"), .verify = true, .alpn = http_1_1});
    link_handshake("a.test");
    link_send(&tls_link.client, "ping", 4);
    link_send(&tls_link.server, "pong", 4);
    cr_expect_str_eq(tls_link.server.received, "ping");
    cr_expect_str_eq(tls_link.client.received, "pong");
    cr_expect_str_eq(tls_session_version(tls_link.client.t.tls), "TLSv1.3");
    cr_expect_str_eq(tls_session_server_name(tls_link.server.t.tls), "a.test");
    cr_expect(slice_eq(tls_session_alpn(tls_link.server.t.tls), SLICE_LIT("http/1.1")));
    cr_expect_gt(strlen(tls_session_cipher(tls_link.server.t.tls)), 0);
    cr_expect_not(tls_session_resumed(tls_link.server.t.tls));
}

Test(tls, a_turn_of_small_pieces_is_one_record_and_one_send)
{
    uint64_t before;

    link_open();
    link_settle();
    before = tls_link.client.t.bytes_out;
    loop_enter(&tls_link.loop);
    transport_write(&tls_link.client.t, "HEAD", 4);
    transport_write(&tls_link.client.t, "BODY", 4);
    transport_write(&tls_link.client.t, "TAIL", 4);
    loop_leave(&tls_link.loop);
    cr_assert(link_receives(&tls_link.server, 12));
    cr_expect_eq(tls_link.server.datas, 1);
    /* RFC 8446 section 5.2: header 5, content type 1, tag 16. */
    cr_expect_eq(tls_link.client.t.bytes_out - before, 12 + 22);
}

Test(tls, megabytes_survive_back_pressure)
{
    const size_t n = 6 * 1024 * 1024;
    char *big = xmalloc(n);

    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 7 % 253);
    link_open();
    link_send(&tls_link.client, big, n);
    cr_expect_eq(memcmp(tls_link.server.received, big, n), 0);
    cr_expect_eq(tls_link.client.drains, 1);
    link_send(&tls_link.server, big, n);
    cr_expect_eq(memcmp(tls_link.client.received, big, n), 0);
    free(big);
}

Test(tls, pause_keeps_undecrypted_records_and_their_order)
{
    static char block[40000];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)('a' + i % 26);
    link_open();
    tls_link.server.pause_in_data = true;
    tls_link.server.consume_at_most = 3;
    link_send(&tls_link.client, block, 3);
    loop_enter(&tls_link.loop);
    transport_write(&tls_link.client.t, block + 3, sizeof(block) - 3);
    transport_shutdown_write(&tls_link.client.t);
    loop_leave(&tls_link.loop);
    link_settle();
    cr_expect_eq(tls_link.server.received_size, 3);
    transport_resume(&tls_link.server.t);
    cr_assert(link_receives(&tls_link.server, 6));
    link_settle();
    cr_expect_eq(tls_link.server.received_size, 6);
    cr_expect_eq(tls_link.server.eofs, 0);
    tls_link.server.pause_in_data = false;
    tls_link.server.consume_at_most = 0;
    transport_resume(&tls_link.server.t);
    cr_assert(link_receives(&tls_link.server, sizeof(block)));
    link_settle();
    cr_expect_arr_eq(tls_link.server.received, block, sizeof(block));
    cr_expect_eq(tls_link.server.eofs, 1);
    cr_expect(transport_eof_is_clean(&tls_link.server.t));
}

Test(tls, the_handshake_goes_on_while_paused)
{
    link_contexts();
    link_up("a.test");
    transport_pause(&tls_link.server.t);
    cr_assert(link_connects());
    link_write(&tls_link.client, "later", 5);
    link_settle();
    cr_expect_eq(tls_link.server.datas, 0);
    transport_resume(&tls_link.server.t);
    cr_assert(link_receives(&tls_link.server, 5));
}

Test(tls, data_that_came_with_the_handshake_waits_for_a_paused_owner)
{
    link_contexts();
    link_up("a.test");
    tls_link.client.greeting = "hello"; /* in one segment with the client's Finished */
    tls_link.server.pause_in_connected = true;
    cr_assert(link_connects());
    link_settle();
    cr_expect_eq(tls_link.server.datas, 0);
    cr_expect(!transport_alive(&tls_link.server.t));
    transport_resume(&tls_link.server.t);
    cr_assert(link_receives(&tls_link.server, 5));
    cr_expect_str_eq(tls_link.server.received, "hello");
}

Test(tls, megabytes_are_echoed_by_reference)
{
    const size_t n = 4 * 1024 * 1024;
    char *big = xmalloc(n);

    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 31 % 241);
    link_open();
    tls_link.server.t.in.limit = 1000; /* a record is many rounds of the plaintext buffer */
    tls_link.server.echo_to = &tls_link.server;
    link_write(&tls_link.client, big, n);
    cr_assert(link_receives(&tls_link.client, n));
    cr_expect_eq(memcmp(tls_link.client.received, big, n), 0);
    free(big);
}

Test(tls, decryption_stops_at_the_limit_of_unconsumed_bytes)
{
    static char block[100000];
    size_t all = sizeof(block) - 1;

    for (size_t i = 0; i < all; i++)
        block[i] = (char)('a' + i % 23);
    link_open();
    tls_link.server.consume_prefix = 1; /* takes one byte, then none */
    link_write(&tls_link.client, block, all);
    link_settle();
    cr_expect_eq(tls_link.server.received_size, 1);
    cr_expect_eq(tls_link.server.t.in.size, LINK_IN_LIMIT);
    cr_expect(transport_alive(&tls_link.client.t));
    tls_link.server.consume_prefix = 0;
    transport_resume(&tls_link.server.t);
    cr_assert(link_receives(&tls_link.server, all));
    cr_expect_arr_eq(tls_link.server.received, block, all);
}

Test(tls, an_owner_may_leave_bytes_of_a_record)
{
    link_open();
    tls_link.server.consume_prefix = 2;
    link_send(&tls_link.client, "ab", 2);
    link_send(&tls_link.client, "cd", 2);
    link_settle();
    cr_expect_eq(tls_link.server.t.in.size, 2);
    tls_link.server.consume_prefix = 0;
    link_send(&tls_link.client, "ef", 2);
    link_settle();
    cr_expect_str_eq(tls_link.server.received, "abcdef");
}

Test(tls, close_notify_is_a_clean_end_and_a_bare_fin_is_not)
{
    link_open();
    transport_fini(&tls_link.client.t, false);
    link_settle();
    cr_expect_eq(tls_link.server.eofs, 1);
    cr_expect(transport_eof_is_clean(&tls_link.server.t));

    link_handshake("a.test");
    link_settle();
    cr_assert_eq(shutdown(tls_link.server.t.fd, SHUT_WR), 0);
    link_settle();
    cr_expect_eq(tls_link.client.eofs, 1);
    cr_expect_not(transport_eof_is_clean(&tls_link.client.t));
}

Test(tls, half_closed_clients_get_their_answer)
{
    link_open();
    loop_enter(&tls_link.loop);
    transport_write(&tls_link.client.t, "request", 7);
    transport_shutdown_write(&tls_link.client.t);
    loop_leave(&tls_link.loop);
    cr_assert(link_receives(&tls_link.server, 7));
    link_settle();
    cr_expect_eq(tls_link.server.eofs, 1);
    link_send(&tls_link.server, "answer", 6);
    cr_expect_eq(tls_link.client.errors + tls_link.server.errors, 0);
}

Test(tls, protocols_without_overlap_are_refused)
{
    link_serve((struct tls_server_params){.alpn = http_1_1});
    link_call((struct tls_client_params){.alpn = other_alpn});
    link_up("a.test");
    cr_assert(link_client_fails());
    cr_expect_not_null(strstr(tls_link.client.error_text, "no application protocol"), "%s",
                       tls_link.client.error_text);
    link_call((struct tls_client_params){0}); /* offers none */
    link_handshake("a.test");
    cr_expect_eq(tls_session_alpn(tls_link.server.t.tls).n, 0);
}

Test(tls, version_1_2_works_unless_the_minimum_is_1_3)
{
    link_contexts();
    link_up("a.test");
    SSL_set_max_proto_version(link_ssl(&tls_link.client), TLS1_2_VERSION);
    cr_assert(link_connects(), "%s", tls_link.client.error_text);
    cr_expect_str_eq(tls_session_version(tls_link.server.t.tls), "TLSv1.2");
    link_send(&tls_link.client, "old", 3);
    tls_resume_slot_clear(&tls_link.slot);

    link_serve((struct tls_server_params){.min_version = TLS_VERSION_1_3});
    link_up("a.test");
    SSL_set_max_proto_version(link_ssl(&tls_link.client), TLS1_2_VERSION);
    cr_assert(link_server_fails());
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls, plaintext_to_a_tls_port_is_a_handshake_failure)
{
    int fds[2];

    link_serve((struct tls_server_params){0});
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&tls_link.server.t, &tls_link.loop, fds[0],
                            tls_session_new_server(tls_link.server_context), LINK_IN_LIMIT,
                            &peer_ops);
    cr_assert_eq(write(fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    cr_assert(link_server_fails());
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
    cr_expect_not_null(strstr(tls_link.server.error_text, "http request"), "%s",
                       tls_link.server.error_text);
    close(fds[1]);
}

Test(tls, closing_during_the_handshake_is_a_failure)
{
    int fds[2];

    link_serve((struct tls_server_params){0});
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&tls_link.server.t, &tls_link.loop, fds[0],
                            tls_session_new_server(tls_link.server_context), LINK_IN_LIMIT,
                            &peer_ops);
    close(fds[1]);
    cr_assert(link_server_fails());
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
    cr_expect_eq(tls_link.server.eofs, 0);
}

Test(tls, key_updates_are_answered)
{
    link_open();
    cr_assert_eq(SSL_key_update(link_ssl(&tls_link.client), SSL_KEY_UPDATE_REQUESTED), 1);
    link_send(&tls_link.client, "before", 6);
    link_send(&tls_link.server, "after", 5);
    cr_expect_str_eq(tls_link.server.received, "before");
    cr_expect_str_eq(tls_link.client.received, "after");
}

/* As after a PROXY header: the line and the ClientHello may come in one segment. */
Test(tls, a_plain_prefix_may_turn_into_tls)
{
    struct address address;
    int listener = tcp_listen(&address), fd;
    int relay[2];
    char hello[4096];
    ssize_t n;

    link_contexts();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, relay), 0);
    cr_assert_eq(transport_init_connect(
                     &tls_link.client.t, &tls_link.loop, &address,
                     tls_session_new_client(tls_link.client_context, "a.test", &tls_link.slot),
                     LINK_IN_LIMIT, &peer_ops),
                 0);
    link_settle();
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    memcpy(hello, "PREFIX", 6);
    link_settle();
    n = recv(fd, hello + 6, sizeof(hello) - 6, 0);
    cr_assert_gt(n, 0);
    tls_link.server.consume_prefix = 6;
    tls_link.server.start_tls = tls_session_new_server(tls_link.server_context);
    transport_init_accepted(&tls_link.server.t, &tls_link.loop, relay[0], NULL, LINK_IN_LIMIT,
                            &peer_ops);
    cr_assert_eq(write(relay[1], hello, (size_t)n + 6), n + 6);
    /* Carry the rest of the handshake between the two by hand. */
    while (!tls_link.server.connected || !tls_link.client.connected) {
        link_settle();
        if ((n = recv(relay[1], hello, sizeof(hello), MSG_DONTWAIT)) > 0)
            cr_assert_eq(write(fd, hello, (size_t)n), n);
        link_settle();
        if ((n = recv(fd, hello, sizeof(hello), MSG_DONTWAIT)) > 0)
            cr_assert_eq(write(relay[1], hello, (size_t)n), n);
    }
    cr_expect_arr_eq(tls_link.server.received, "PREFIX", 6);
    close(relay[1]);
    close(fd);
    close(listener);
}

/* As with STARTTLS or PostgreSQL's SSLRequest: the server agrees in plain text, and then it is the
 * client who speaks first. */
Test(tls, a_plain_connection_may_turn_into_tls_on_the_clients_side)
{
    int fds[2];

    link_contexts();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&tls_link.server.t, &tls_link.loop, fds[0], NULL, LINK_IN_LIMIT,
                            &peer_ops);
    transport_init_accepted(&tls_link.client.t, &tls_link.loop, fds[1], NULL, LINK_IN_LIMIT,
                            &peer_ops);
    tls_link.client.consume_prefix = 1;
    tls_link.client.start_tls =
        tls_session_new_client(tls_link.client_context, "a.test", &tls_link.slot);
    loop_enter(&tls_link.loop);
    transport_write(&tls_link.server.t, "S", 1);
    transport_start_tls(&tls_link.server.t, tls_session_new_server(tls_link.server_context));
    loop_leave(&tls_link.loop);
    cr_assert(link_connects(), "%s%s", tls_link.client.error_text, tls_link.server.error_text);
    link_send(&tls_link.client, "question", 8);
    link_send(&tls_link.server, "answer", 7);
    cr_expect_str_eq(tls_link.server.received, "question");
    cr_expect_str_eq(tls_link.client.received, "Sanswer");
}

Test(tls, may_be_finished_in_any_callback)
{
    link_contexts();
    link_up("a.test");
    tls_link.server.fini_in_connected = true;
    while (!tls_link.server.connected)
        event_base_loop(tls_link.loop.base, EVLOOP_ONCE);
    link_settle();
    cr_expect_eq(tls_link.server.datas, 0);

    link_handshake("a.test");
    tls_link.server.fini_in_data = true;
    loop_enter(&tls_link.loop);
    transport_write(&tls_link.client.t, "x", 1);
    transport_shutdown_write(&tls_link.client.t);
    loop_leave(&tls_link.loop);
    link_settle();
    cr_expect_eq(tls_link.server.datas, 1);
    cr_expect_eq(tls_link.server.eofs, 0);

    link_up("wrong.test");
    tls_link.client.fini_in_error = true;
    cr_assert(link_client_fails());
}
