#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/tls.h"
#include "net_fixture.h"
#include "test_certs.h"

enum { IN_LIMIT = 32 * 1024 };

static struct loop loop;
static struct test_ca *ca;
static struct peer server, client;
static struct tls_context *server_context, *client_context;
static struct tls_resume_slot slot;

static void setup(void)
{
    cr_assert_eq(loop_init(&loop), 0);
    ca = test_ca_new();
    test_ca_issue(ca, "a", "a.test", "DNS:a.test,DNS:*.wild.test,IP:127.0.0.1", false);
    peer_init(&server);
    peer_init(&client);
}

static void teardown(void)
{
    if (server.t.loop)
        peer_fini(&server);
    if (client.t.loop)
        peer_fini(&client);
    tls_resume_slot_clear(&slot);
    tls_context_free(server_context);
    tls_context_free(client_context);
    test_ca_free(ca);
    loop_fini(&loop);
}

TestSuite(tls, .init = setup, .fini = teardown);

static const char *const http_1_1[] = {"http/1.1", NULL};
static const char *const other_alpn[] = {"other", NULL};

static struct tls_certificate files(const char *name)
{
    char *cert = xasprintf("%s.pem", name), *key = xasprintf("%s.key", name);
    struct tls_certificate c = {test_ca_path(ca, cert), test_ca_path(ca, key)};

    free(cert);
    free(key);
    return c;
}

static void serve(struct tls_server_params params)
{
    struct tls_certificate default_files = files("a");
    char *why = NULL;

    if (params.certificate_count == 0) {
        params.certificates = &default_files;
        params.certificate_count = 1;
    }
    tls_context_free(server_context);
    cr_assert_eq(tls_context_new_server(&server_context, &params, &why), 0, "%s", why);
}

static void call(struct tls_client_params params)
{
    char *why = NULL;

    tls_context_free(client_context);
    cr_assert_eq(tls_context_new_client(&client_context, &params, &why), 0, "%s", why);
}

static void call_verifying(void)
{
    call((struct tls_client_params){.ca_path = test_ca_path(ca, "ca.pem"), .verify = true});
}

static void link_up(const char *server_name)
{
    struct address address;
    int listener = tcp_listen(&address);

    if (server.t.loop)
        peer_fini(&server);
    if (client.t.loop)
        peer_fini(&client);
    peer_init(&server);
    peer_init(&client);
    cr_assert_eq(transport_init_connect(&client.t, &loop, &address,
                                        tls_session_new_client(client_context, server_name, &slot),
                                        IN_LIMIT, &peer_ops),
                 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    transport_init_accepted(&server.t, &loop, fd, tls_session_new_server(server_context), IN_LIMIT,
                            &peer_ops);
    close(listener);
}

static bool both_connected(void *arg)
{
    return server.connected && client.connected;
}

static bool client_failed(void *arg)
{
    return client.errors > 0;
}

static bool server_failed(void *arg)
{
    return server.errors > 0;
}

static bool ticket_came(void *arg)
{
    return slot.session != NULL;
}

static void handshake(const char *server_name)
{
    link_up(server_name);
    cr_assert(fixture_run_until(&loop, both_connected, NULL), "%s%s", client.error_text,
              server.error_text);
}

static bool server_has(void *arg)
{
    return server.received_size >= *(size_t *)arg;
}

static bool client_has(void *arg)
{
    return client.received_size >= *(size_t *)arg;
}

static void send_and_wait(struct peer *from, bool (*done)(void *), const char *data, size_t n)
{
    loop_enter(&loop);
    transport_write(&from->t, data, n);
    loop_leave(&loop);
    cr_assert(fixture_run_until(&loop, done, &n));
}

Test(tls, both_roles_talk_to_each_other)
{
    serve((struct tls_server_params){.alpn = http_1_1});
    call((struct tls_client_params){
        .ca_path = test_ca_path(ca, "ca.pem"), .verify = true, .alpn = http_1_1});
    handshake("a.test");
    send_and_wait(&client, server_has, "ping", 4);
    send_and_wait(&server, client_has, "pong", 4);
    cr_expect_str_eq(server.received, "ping");
    cr_expect_str_eq(client.received, "pong");
    cr_expect_str_eq(tls_session_version(client.t.tls), "TLSv1.3");
    cr_expect_str_eq(tls_session_server_name(server.t.tls), "a.test");
    cr_expect(slice_eq(tls_session_alpn(server.t.tls), SLICE_LIT("http/1.1")));
    cr_expect_gt(strlen(tls_session_cipher(server.t.tls)), 0);
    cr_expect_not(tls_session_resumed(server.t.tls));
}

Test(tls, a_turn_of_small_pieces_is_one_record_and_one_send)
{
    uint64_t before;

    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    fixture_settle(&loop);
    before = client.t.bytes_out;
    loop_enter(&loop);
    transport_write(&client.t, "HEAD", 4);
    transport_write(&client.t, "BODY", 4);
    transport_write(&client.t, "TAIL", 4);
    loop_leave(&loop);
    cr_assert(fixture_run_until(&loop, server_has, &(size_t){12}));
    cr_expect_eq(server.datas, 1);
    /* RFC 8446 section 5.2: header 5, content type 1, tag 16. */
    cr_expect_eq(client.t.bytes_out - before, 12 + 22);
}

Test(tls, megabytes_survive_back_pressure)
{
    const size_t n = 6 * 1024 * 1024;
    char *big = xmalloc(n);

    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 7 % 253);
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    send_and_wait(&client, server_has, big, n);
    cr_expect_eq(memcmp(server.received, big, n), 0);
    cr_expect_eq(client.drains, 1);
    send_and_wait(&server, client_has, big, n);
    cr_expect_eq(memcmp(client.received, big, n), 0);
    free(big);
}

Test(tls, pause_keeps_undecrypted_records_and_their_order)
{
    static char block[40000];
    size_t want = 3;

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)('a' + i % 26);
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    server.pause_in_data = true;
    server.consume_at_most = 3;
    send_and_wait(&client, server_has, block, 3);
    loop_enter(&loop);
    transport_write(&client.t, block + 3, sizeof(block) - 3);
    transport_shutdown_write(&client.t);
    loop_leave(&loop);
    fixture_settle(&loop);
    cr_expect_eq(server.received_size, 3);
    transport_resume(&server.t);
    want = 6;
    cr_assert(fixture_run_until(&loop, server_has, &want));
    fixture_settle(&loop);
    cr_expect_eq(server.received_size, 6);
    cr_expect_eq(server.eofs, 0);
    server.pause_in_data = false;
    server.consume_at_most = 0;
    transport_resume(&server.t);
    want = sizeof(block);
    cr_assert(fixture_run_until(&loop, server_has, &want));
    fixture_settle(&loop);
    cr_expect_arr_eq(server.received, block, sizeof(block));
    cr_expect_eq(server.eofs, 1);
    cr_expect(transport_eof_is_clean(&server.t));
}

Test(tls, the_handshake_goes_on_while_paused)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("a.test");
    transport_pause(&server.t);
    cr_assert(fixture_run_until(&loop, both_connected, NULL));
    loop_enter(&loop);
    transport_write(&client.t, "later", 5);
    loop_leave(&loop);
    fixture_settle(&loop);
    cr_expect_eq(server.datas, 0);
    transport_resume(&server.t);
    cr_assert(fixture_run_until(&loop, server_has, &(size_t){5}));
}

Test(tls, data_that_came_with_the_handshake_waits_for_a_paused_owner)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("a.test");
    client.greeting = "hello"; /* in one segment with the client's Finished */
    server.pause_in_connected = true;
    cr_assert(fixture_run_until(&loop, both_connected, NULL));
    fixture_settle(&loop);
    cr_expect_eq(server.datas, 0);
    cr_expect(!transport_alive(&server.t));
    transport_resume(&server.t);
    cr_assert(fixture_run_until(&loop, server_has, &(size_t){5}));
    cr_expect_str_eq(server.received, "hello");
}

Test(tls, megabytes_are_echoed_by_reference)
{
    const size_t n = 4 * 1024 * 1024;
    char *big = xmalloc(n);

    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 31 % 241);
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    server.t.in.limit = 1000; /* a record is many rounds of the plaintext buffer */
    server.echo_to = &server;
    loop_enter(&loop);
    transport_write(&client.t, big, n);
    loop_leave(&loop);
    cr_assert(fixture_run_until(&loop, client_has, (void *)&n));
    cr_expect_eq(memcmp(client.received, big, n), 0);
    free(big);
}

Test(tls, decryption_stops_at_the_limit_of_unconsumed_bytes)
{
    static char block[100000];
    size_t all = sizeof(block) - 1;

    for (size_t i = 0; i < all; i++)
        block[i] = (char)('a' + i % 23);
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    server.consume_prefix = 1; /* takes one byte, then none */
    loop_enter(&loop);
    transport_write(&client.t, block, all);
    loop_leave(&loop);
    fixture_settle(&loop);
    cr_expect_eq(server.received_size, 1);
    cr_expect_eq(server.t.in.size, IN_LIMIT);
    cr_expect(transport_alive(&client.t));
    server.consume_prefix = 0;
    transport_resume(&server.t);
    cr_assert(fixture_run_until(&loop, server_has, &all));
    cr_expect_arr_eq(server.received, block, all);
}

Test(tls, an_owner_may_leave_bytes_of_a_record)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    server.consume_prefix = 2;
    send_and_wait(&client, server_has, "ab", 2);
    send_and_wait(&client, server_has, "cd", 2);
    fixture_settle(&loop);
    cr_expect_eq(server.t.in.size, 2);
    server.consume_prefix = 0;
    send_and_wait(&client, server_has, "ef", 2);
    fixture_settle(&loop);
    cr_expect_str_eq(server.received, "abcdef");
}

Test(tls, close_notify_is_a_clean_end_and_a_bare_fin_is_not)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    transport_fini(&client.t, false);
    fixture_settle(&loop);
    cr_expect_eq(server.eofs, 1);
    cr_expect(transport_eof_is_clean(&server.t));

    handshake("a.test");
    fixture_settle(&loop);
    cr_assert_eq(shutdown(server.t.fd, SHUT_WR), 0);
    fixture_settle(&loop);
    cr_expect_eq(client.eofs, 1);
    cr_expect_not(transport_eof_is_clean(&client.t));
}

Test(tls, half_closed_clients_get_their_answer)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    loop_enter(&loop);
    transport_write(&client.t, "request", 7);
    transport_shutdown_write(&client.t);
    loop_leave(&loop);
    cr_assert(fixture_run_until(&loop, server_has, &(size_t){7}));
    fixture_settle(&loop);
    cr_expect_eq(server.eofs, 1);
    send_and_wait(&server, client_has, "answer", 6);
    cr_expect_eq(client.errors + server.errors, 0);
}

static const char *served_cn(void)
{
    static char cn[64];
    SSL *ssl = *(SSL **)client.t.tls; /* the session's first member, tls_internal.h */
    X509 *cert = SSL_get0_peer_certificate(ssl);

    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn));
    return cn;
}

Test(tls, the_certificate_is_chosen_by_server_name)
{
    struct tls_certificate list[3];

    test_ca_issue(ca, "b", "b.test", NULL, false);
    test_ca_issue(ca, "c", "c cert", "DNS:deep.wild.test", false);
    list[0] = files("a");
    list[1] = files("b");
    list[2] = files("c");
    serve((struct tls_server_params){.certificates = list, .certificate_count = 3});
    call((struct tls_client_params){.verify = false});
    const char *cases[][2] = {
        {"a.test", "a.test"},         {"B.Test", "b.test"},        {"x.wild.test", "a.test"},
        {"deep.wild.test", "c cert"}, {"x.y.wild.test", "a.test"}, {"wild.test", "a.test"},
        {"unknown.test", "a.test"},   {"nodot", "a.test"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tls_resume_slot_clear(&slot);
        handshake(cases[i][0]);
        cr_expect_str_eq(served_cn(), cases[i][1], "for %s", cases[i][0]);
    }
    tls_resume_slot_clear(&slot);
    handshake(NULL);
    cr_expect_str_eq(served_cn(), "a.test");
}

static int peer_key_kind(const char *sigalgs)
{
    tls_resume_slot_clear(&slot);
    link_up("dual.test");
    SSL_set1_sigalgs_list(*(SSL **)client.t.tls, sigalgs);
    cr_assert(fixture_run_until(&loop, both_connected, NULL), "%s", client.error_text);
    X509 *cert = SSL_get0_peer_certificate(*(SSL **)client.t.tls);
    return EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
}

Test(tls, ecdsa_and_rsa_certificates_of_a_name_are_both_used)
{
    struct tls_certificate list[3];

    test_ca_issue(ca, "ec", "dual.test", "DNS:dual.test", false);
    test_ca_issue(ca, "rsa", "dual.test", "DNS:dual.test", true);
    list[0] = files("a");
    list[1] = files("ec");
    list[2] = files("rsa");
    serve((struct tls_server_params){.certificates = list, .certificate_count = 3});
    call((struct tls_client_params){.verify = false});
    cr_expect_eq(peer_key_kind("ECDSA+SHA256"), EVP_PKEY_EC);
    cr_expect_eq(peer_key_kind("RSA-PSS+SHA256:RSA+SHA256"), EVP_PKEY_RSA);
}

static void wait_for_ticket(void)
{
    cr_assert(fixture_run_until(&loop, ticket_came, NULL));
}

Test(tls, sessions_are_resumed_also_by_another_context_and_after_one_rotation)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    wait_for_ticket();
    serve((struct tls_server_params){0}); /* another worker's */
    handshake("a.test");
    cr_expect(tls_session_resumed(client.t.tls));
    cr_expect(tls_session_resumed(server.t.tls));
    fixture_settle(&loop);
    tls_tickets_rotate();
    handshake("a.test");
    cr_expect(tls_session_resumed(client.t.tls));
    fixture_settle(&loop);
    tls_tickets_rotate();
    tls_tickets_rotate();
    handshake("a.test");
    cr_expect_not(tls_session_resumed(client.t.tls), "the key is gone");
}

Test(tls, a_reset_does_not_spoil_the_ticket)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    wait_for_ticket();
    setsockopt(server.t.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    int fd = server.t.fd;
    transport_fini(&server.t, true);
    fixture_settle(&loop);
    close(fd);
    fixture_settle(&loop);
    handshake("a.test");
    cr_expect(tls_session_resumed(client.t.tls));

    fixture_settle(&loop); /* cut without a word from either side */
    transport_shutdown_write(&server.t);
    client.t.error = EG_E_UPSTREAM_RESET;
    transport_fini(&client.t, false);
    handshake("a.test");
    cr_expect(tls_session_resumed(client.t.tls));
}

Test(tls, optional_verification_gives_no_ticket_for_required_verification)
{
    const char *ca_path = test_ca_path(ca, "ca.pem");

    serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                     .client_ca_path = ca_path});
    call_verifying();
    handshake("a.test");
    wait_for_ticket();
    serve(
        (struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE, .client_ca_path = ca_path});
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
}

Test(tls, tickets_do_not_carry_over_to_stricter_listeners)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    wait_for_ticket();
    serve((struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE,
                                     .client_ca_path = test_ca_path(ca, "ca.pem")});
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls, a_late_ticket_leaves_an_idle_connection_alive)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("a.test");
    /* The server's ticket is on its way when the client looks. */
    while (!client.connected || !server.connected)
        event_base_loop(loop.base, EVLOOP_ONCE);
    cr_expect(transport_alive(&client.t));
    cr_expect_not_null(slot.session);
    loop_enter(&loop);
    transport_write(&server.t, "unasked", 7);
    loop_leave(&loop);
    cr_expect_not(transport_alive(&client.t));
}

Test(tls, client_certificates_are_asked_for_and_verified)
{
    struct tls_certificate me;
    const char *ca_path = test_ca_path(ca, "ca.pem");
    const struct tls_client_params without = {.ca_path = ca_path, .verify = true};
    struct tls_client_params with = without;

    test_ca_issue(ca, "me", "a client", NULL, false);
    me = files("me");
    with.cert_path = me.cert_path;
    with.key_path = me.key_path;

    serve(
        (struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE, .client_ca_path = ca_path});
    call(with);
    handshake("a.test");
    send_and_wait(&client, server_has, "hi", 2);
    wait_for_ticket();
    tls_resume_slot_clear(&slot);

    call(without);
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
    cr_expect_eq(client.error, EG_E_UPSTREAM_TLS);
    cr_expect_not_null(strstr(client.error_text, "certificate required"), "%s", client.error_text);

    serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                     .client_ca_path = ca_path});
    handshake("a.test");
}

Test(tls, a_stranger_s_client_certificate_is_refused)
{
    struct test_ca *other = test_ca_new();

    test_ca_issue(other, "me", "a stranger", NULL, false);
    serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                     .client_ca_path = test_ca_path(ca, "ca.pem")});
    call((struct tls_client_params){.cert_path = test_ca_path(other, "me.pem"),
                                    .key_path = test_ca_path(other, "me.key")});
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_not_null(strstr(server.error_text, "certificate verify failed"), "%s",
                       server.error_text);
    test_ca_free(other);
}

Test(tls, the_wrong_host_name_is_refused_with_the_reason)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("other.test");
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
    cr_expect_eq(client.error, EG_E_UPSTREAM_TLS);
    cr_expect_not_null(strstr(client.error_text, "hostname mismatch"), "%s", client.error_text);
    cr_assert(fixture_run_until(&loop, server_failed, NULL), "the alert reached the server");
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls, addresses_are_verified_but_not_sent_as_server_name)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("127.0.0.1");
    cr_expect_str_eq(tls_session_server_name(server.t.tls), "");
    tls_resume_slot_clear(&slot);
    link_up("127.0.0.2");
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
    cr_expect_not_null(strstr(client.error_text, "IP address mismatch"), "%s", client.error_text);
}

Test(tls, an_unknown_authority_is_refused_unless_verification_is_off)
{
    serve((struct tls_server_params){0});
    call((struct tls_client_params){.verify = true}); /* the system's store */
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
    cr_expect_not_null(strstr(client.error_text, "certificate verify failed"));
    call((struct tls_client_params){.verify = false});
    handshake("a.test");
}

Test(tls, protocols_without_overlap_are_refused)
{
    serve((struct tls_server_params){.alpn = http_1_1});
    call((struct tls_client_params){.alpn = other_alpn});
    link_up("a.test");
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
    cr_expect_not_null(strstr(client.error_text, "no application protocol"), "%s",
                       client.error_text);
    call((struct tls_client_params){0}); /* offers none */
    handshake("a.test");
    cr_expect_eq(tls_session_alpn(server.t.tls).n, 0);
}

Test(tls, version_1_2_works_unless_the_minimum_is_1_3)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("a.test");
    SSL_set_max_proto_version(*(SSL **)client.t.tls, TLS1_2_VERSION);
    cr_assert(fixture_run_until(&loop, both_connected, NULL), "%s", client.error_text);
    cr_expect_str_eq(tls_session_version(server.t.tls), "TLSv1.2");
    send_and_wait(&client, server_has, "old", 3);
    tls_resume_slot_clear(&slot);

    serve((struct tls_server_params){.min_version = TLS_VERSION_1_3});
    link_up("a.test");
    SSL_set_max_proto_version(*(SSL **)client.t.tls, TLS1_2_VERSION);
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls, plaintext_to_a_tls_port_is_a_handshake_failure)
{
    int fds[2];

    serve((struct tls_server_params){0});
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&server.t, &loop, fds[0], tls_session_new_server(server_context),
                            IN_LIMIT, &peer_ops);
    cr_assert_eq(write(fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
    cr_expect_not_null(strstr(server.error_text, "http request"), "%s", server.error_text);
    close(fds[1]);
}

Test(tls, closing_during_the_handshake_is_a_failure)
{
    int fds[2];

    serve((struct tls_server_params){0});
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&server.t, &loop, fds[0], tls_session_new_server(server_context),
                            IN_LIMIT, &peer_ops);
    close(fds[1]);
    cr_assert(fixture_run_until(&loop, server_failed, NULL));
    cr_expect_eq(server.error, EG_E_TLS_HANDSHAKE);
    cr_expect_eq(server.eofs, 0);
}

Test(tls, key_updates_are_answered)
{
    serve((struct tls_server_params){0});
    call_verifying();
    handshake("a.test");
    cr_assert_eq(SSL_key_update(*(SSL **)client.t.tls, SSL_KEY_UPDATE_REQUESTED), 1);
    send_and_wait(&client, server_has, "before", 6);
    send_and_wait(&server, client_has, "after", 5);
    cr_expect_str_eq(server.received, "before");
    cr_expect_str_eq(client.received, "after");
}

/* As after a PROXY header: the line and the ClientHello may come in one segment. */
Test(tls, a_plain_prefix_may_turn_into_tls)
{
    struct address address;
    int listener = tcp_listen(&address), fd;
    int relay[2];
    char hello[4096];
    ssize_t n;

    serve((struct tls_server_params){0});
    call_verifying();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, relay), 0);
    cr_assert_eq(transport_init_connect(&client.t, &loop, &address,
                                        tls_session_new_client(client_context, "a.test", &slot),
                                        IN_LIMIT, &peer_ops),
                 0);
    fixture_settle(&loop);
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    memcpy(hello, "PREFIX", 6);
    fixture_settle(&loop);
    n = recv(fd, hello + 6, sizeof(hello) - 6, 0);
    cr_assert_gt(n, 0);
    server.consume_prefix = 6;
    server.start_tls = tls_session_new_server(server_context);
    transport_init_accepted(&server.t, &loop, relay[0], NULL, IN_LIMIT, &peer_ops);
    cr_assert_eq(write(relay[1], hello, (size_t)n + 6), n + 6);
    /* Carry the rest of the handshake between the two by hand. */
    while (!both_connected(NULL)) {
        fixture_settle(&loop);
        if ((n = recv(relay[1], hello, sizeof(hello), MSG_DONTWAIT)) > 0)
            cr_assert_eq(write(fd, hello, (size_t)n), n);
        fixture_settle(&loop);
        if ((n = recv(fd, hello, sizeof(hello), MSG_DONTWAIT)) > 0)
            cr_assert_eq(write(relay[1], hello, (size_t)n), n);
    }
    cr_expect_arr_eq(server.received, "PREFIX", 6);
    close(relay[1]);
    close(fd);
    close(listener);
}

/* As with STARTTLS or PostgreSQL's SSLRequest: the server agrees in plain text, and then it is the
 * client who speaks first. */
Test(tls, a_plain_connection_may_turn_into_tls_on_the_clients_side)
{
    int fds[2];

    serve((struct tls_server_params){0});
    call_verifying();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport_init_accepted(&server.t, &loop, fds[0], NULL, IN_LIMIT, &peer_ops);
    transport_init_accepted(&client.t, &loop, fds[1], NULL, IN_LIMIT, &peer_ops);
    client.consume_prefix = 1;
    client.start_tls = tls_session_new_client(client_context, "a.test", &slot);
    loop_enter(&loop);
    transport_write(&server.t, "S", 1);
    transport_start_tls(&server.t, tls_session_new_server(server_context));
    loop_leave(&loop);
    cr_assert(fixture_run_until(&loop, both_connected, NULL), "%s%s", client.error_text,
              server.error_text);
    send_and_wait(&client, server_has, "question", 8);
    send_and_wait(&server, client_has, "answer", 7);
    cr_expect_str_eq(server.received, "question");
    cr_expect_str_eq(client.received, "Sanswer");
}

Test(tls, may_be_finished_in_any_callback)
{
    serve((struct tls_server_params){0});
    call_verifying();
    link_up("a.test");
    server.fini_in_connected = true;
    while (!server.connected)
        event_base_loop(loop.base, EVLOOP_ONCE);
    fixture_settle(&loop);
    cr_expect_eq(server.datas, 0);

    handshake("a.test");
    server.fini_in_data = true;
    loop_enter(&loop);
    transport_write(&client.t, "x", 1);
    transport_shutdown_write(&client.t);
    loop_leave(&loop);
    fixture_settle(&loop);
    cr_expect_eq(server.datas, 1);
    cr_expect_eq(server.eofs, 0);

    link_up("wrong.test");
    client.fini_in_error = true;
    cr_assert(fixture_run_until(&loop, client_failed, NULL));
}

Test(tls, mistakes_in_files_are_named)
{
    struct tls_certificate wrong = {test_ca_path(ca, "a.pem"), test_ca_path(ca, "none.key")};
    struct tls_server_params params = {.certificates = &wrong, .certificate_count = 1};
    char *why = NULL;

    cr_expect_eq(tls_context_new_server(&server_context, &params, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "none.key"), "%s", why);
    cr_expect_not_null(strstr(why, "No such file"), "%s", why);
    free(why);
    test_ca_issue(ca, "b", "b.test", NULL, false);
    wrong.key_path = test_ca_path(ca, "b.key");
    cr_expect_eq(tls_context_new_server(&server_context, &params, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "b.key"), "%s", why);
    free(why);
    params.certificate_count = 0;
    cr_expect_eq(tls_context_new_server(&server_context, &params, &why), EG_E_INTERNAL);
    free(why);
    cr_expect_eq(tls_context_new_client(
                     &client_context,
                     &(struct tls_client_params){.verify = true, .ca_path = "/nonexistent.pem"},
                     &why),
                 EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "/nonexistent.pem"), "%s", why);
    free(why);
}
