/* TLS to backends: verified by name, resumed, and ended properly. The backend here is evergate's
 * own server side of TLS, since what is tested is what upstream/ makes of it. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/tls.h"
#include "net/transport.h"
#include "tests/unit/upstream/harness.h"

enum { PEERS = 4 };

struct tls_peer {
    struct transport transport;
    bool open;
};

static struct stage s;
static struct config_pool_tls pool_tls;
static struct tls_context *server;
static struct tls_peer peers[PEERS];
static unsigned peer_count;
static const char *answer;
static bool cut; /* end the stream after the answer, without close_notify */
static char cert_path[64], key_path[64];

static void write_certificate(const char *san)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    snprintf(cert_path, sizeof(cert_path), "/tmp/evergate-test-%d.pem", (int)getpid());
    snprintf(key_path, sizeof(key_path), "/tmp/evergate-test-%d.key", (int)getpid());
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(cert, subject);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    cr_assert_gt(X509_sign(cert, key, EVP_sha256()), 0);

    FILE *f = fopen(cert_path, "w");
    PEM_write_X509(f, cert);
    fclose(f);
    f = fopen(key_path, "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static size_t peer_on_data(struct transport *t, const char *data, size_t size)
{
    transport_write(t, answer, strlen(answer));
    if (cut) {
        loop_flush(t->loop);
        shutdown(t->fd, SHUT_WR);
    }
    return size;
}

static void peer_on_connected(struct transport *t)
{
}

static void peer_on_eof(struct transport *t)
{
}

static void peer_on_error(struct transport *t, int code)
{
}

static const struct transport_ops peer_ops = {
    .on_connected = peer_on_connected,
    .on_data = peer_on_data,
    .on_eof = peer_on_eof,
    .on_error = peer_on_error,
    .on_drained = peer_on_connected,
};

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    cr_assert_lt(peer_count, PEERS);
    struct tls_peer *peer = &peers[peer_count++];
    peer->open = true;
    IN_TURN(&s.loop,
            transport_init_accepted(&peer->transport, &s.loop, accepted,
                                    tls_session_new_server(server), LOOP_READ_BYTES, &peer_ops));
}

static void make_server(const char *san)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_certificate certificate = {cert_path, key_path};
    struct tls_server_params params = {
        .certificates = &certificate, .certificate_count = 1, .alpn = alpn};
    char *why = NULL;

    write_certificate(san);
    tls_context_free(server);
    cr_assert_eq(tls_context_new_server(&server, &params, &why), 0, "%s", why);
}

static void setup(void)
{
    make_server("DNS:backend.example");
    stage_init(&s);
    event_free(s.backends[0].accept);
    s.backends[0].accept =
        event_new(s.loop.base, s.backends[0].fd, EV_READ | EV_PERSIST, on_accept, NULL);
    event_add(s.backends[0].accept, NULL);
    answer = OK_ANSWER;
    pool_tls =
        (struct config_pool_tls){.sni = "backend.example", .ca_path = cert_path, .verify = true};
    s.config.tls = &pool_tls;
}

static void teardown(void)
{
    for (unsigned i = 0; i < peer_count; i++)
        IN_TURN(&s.loop, transport_fini(&peers[i].transport, false));
    stage_fini(&s);
    tls_context_free(server);
    unlink(cert_path);
    unlink(key_path);
}

TestSuite(tls, .init = setup, .fini = teardown);

static void run(struct client *c)
{
    client_init(c, &s, GET_TEXT);
    client_go(c);
    RUN_UNTIL(&s.loop, client_done(c));
}

Test(tls, a_verified_backend_serves_and_is_reused)
{
    struct client c;

    stage_open_cluster(&s);
    for (unsigned i = 0; i < 3; i++) {
        run(&c);
        cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
        cr_assert_str_eq(c.body, "ok");
    }
    cr_assert_eq(peer_count, 1);
    cr_assert_gt(c.attempt.bytes_in, strlen(OK_ANSWER)); /* on the wire */
}

Test(tls, a_new_connection_resumes_the_session)
{
    struct client c;

    stage_open_cluster(&s);
    run(&c);
    IN_TURN(&s.loop, upstream_cluster_close_idle(s.cluster));
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
    cr_assert_eq(peer_count, 2);
    cr_assert(tls_session_resumed(peers[1].transport.tls));
}

Test(tls, another_name_is_refused)
{
    struct client c;

    pool_tls.sni = "other.example";
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.code, EG_E_UPSTREAM_TLS, "%s: %s", error_name(c.code), c.detail);
    cr_assert_not(c.attempt.sent);
    cr_assert_gt(strlen(c.detail), 0);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(tls, a_numeric_address_must_be_in_the_certificate)
{
    struct client c;

    pool_tls.sni = NULL;
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.code, EG_E_UPSTREAM_TLS, "%s: %s", error_name(c.code), c.detail);
    upstream_cluster_free(s.cluster);

    make_server("IP:127.0.0.1");
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
}

Test(tls, an_unknown_authority_is_refused_unless_verification_is_off)
{
    struct client c;

    pool_tls.ca_path = NULL;
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.code, EG_E_UPSTREAM_TLS, "%s: %s", error_name(c.code), c.detail);
    upstream_cluster_free(s.cluster);

    pool_tls.verify = false;
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
}

Test(tls, a_body_cut_without_close_notify_is_truncated)
{
    struct client c;

    answer = "HTTP/1.1 200 OK\r\n\r\npart of";
    cut = true;
    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.code, EG_E_UPSTREAM_TRUNCATED, "%s: %s", error_name(c.code), c.detail);
    cr_assert_str_eq(c.body, "part of");
}

Test(tls, a_missing_certificate_file_is_explained)
{
    struct upstream_cluster *cluster = NULL;
    char *why = NULL;

    stage_open_cluster(&s);
    pool_tls.ca_path = "/nonexistent/ca.pem";
    cr_assert_eq(upstream_cluster_new(&cluster, &s.loop, &s.config, NULL, &why), EG_E_INTERNAL);
    cr_assert_null(cluster);
    cr_assert(strstr(why, "/nonexistent/ca.pem"), "%s", why);
    free(why);
}

/* ---- other settings while serving ---- */

static struct config_pool other;

/* With the same settings, or `tls`. */
static void change_tls(struct config_pool_tls *tls)
{
    struct tls_context *context;
    char *why = NULL;

    other = s.config;
    other.tls = tls;
    cr_assert_eq(upstream_cluster_tls_new(&context, &other, &why), 0, "%s", why);
    s.endpoints[0].backend = NULL; /* as of one that leaves and still holds requests */
    IN_TURN(&s.loop, upstream_cluster_change(s.cluster, &other, context, true));
}

Test(tls, after_a_change_the_backend_proves_itself_anew)
{
    struct client c;

    stage_open_cluster(&s);
    run(&c);
    change_tls(&pool_tls);
    cr_assert_eq(stage_stats(&s).idle, 0);
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
    cr_assert_eq(peer_count, 2);
    cr_assert_not(tls_session_resumed(peers[1].transport.tls));
}

Test(tls, a_change_that_is_not_about_tls_keeps_connections_and_tickets)
{
    struct tls_context *unused;
    struct client c;
    char *why = NULL;

    stage_open_cluster(&s);
    run(&c);
    other = s.config;
    cr_assert_eq(upstream_cluster_tls_new(&unused, &other, &why), 0, "%s", why);
    IN_TURN(&s.loop, upstream_cluster_change(s.cluster, &other, unused, false));
    cr_assert_eq(stage_stats(&s).idle, 1);
    IN_TURN(&s.loop, upstream_cluster_close_idle(s.cluster));
    run(&c);
    cr_assert(tls_session_resumed(peers[1].transport.tls));
}

Test(tls, who_was_trusted_before_a_change_is_not_trusted_after_it)
{
    struct config_pool_tls stricter = {
        .sni = "other.example", .ca_path = cert_path, .verify = true};
    struct client c;

    stage_open_cluster(&s);
    run(&c);
    change_tls(&stricter);
    run(&c);
    cr_assert_eq(c.code, EG_E_UPSTREAM_TLS, "%s: %s", error_name(c.code), c.detail);
}

Test(tls, a_name_that_is_not_configured_any_more_is_the_backends_own_again)
{
    struct config_pool_tls own = {.ca_path = cert_path, .verify = true};
    struct client c;

    stage_open_cluster(&s);
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
    make_server("IP:127.0.0.1");
    change_tls(&own);
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
}

/* Its answer comes, and then it is not used again. */
Test(tls, a_request_in_flight_survives_the_change_but_not_its_connection)
{
    struct client c;

    answer = "";
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    RUN_UNTIL(&s.loop, peer_count == 1 && peers[0].transport.bytes_in > 0 && c.attempt.sent);
    run_turns(&s.loop, 10);
    change_tls(&pool_tls);
    IN_TURN(&s.loop, transport_write(&peers[0].transport, OK_ANSWER, strlen(OK_ANSWER)));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
    cr_assert_eq(stage_stats(&s).open, 0);
    answer = OK_ANSWER;
    run(&c);
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
    cr_assert_not(tls_session_resumed(peers[1].transport.tls));
}

Test(tls, it_may_be_switched_off_while_serving)
{
    struct client c;

    stage_open_cluster(&s);
    s.backends[1].answer = OK_ANSWER;
    change_tls(NULL);
    client_init(&c, &s, GET_TEXT);
    c.endpoint = 1; /* which speaks plain */
    client_go(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200, "%s: %s", error_name(c.code), c.detail);
}
