#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tls_link.h"

TestSuite(tls_identity, .init = link_setup, .fini = link_teardown);

static const char *served_cn(void)
{
    static char cn[64];
    SSL *ssl = link_ssl(&tls_link.client);
    X509 *cert = SSL_get0_peer_certificate(ssl);

    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn));
    return cn;
}

Test(tls_identity, the_certificate_is_chosen_by_server_name)
{
    struct tls_certificate list[3];

    test_ca_issue(tls_link.ca, "b", "b.test", NULL, false);
    test_ca_issue(tls_link.ca, "c", "c cert", "DNS:deep.wild.test", false);
    list[0] = link_files("a");
    list[1] = link_files("b");
    list[2] = link_files("c");
    link_serve((struct tls_server_params){.certificates = list, .certificate_count = 3});
    link_call((struct tls_client_params){.verify = false});
    const char *cases[][2] = {
        {"a.test", "a.test"},         {"B.Test", "b.test"},        {"x.wild.test", "a.test"},
        {"deep.wild.test", "c cert"}, {"x.y.wild.test", "a.test"}, {"wild.test", "a.test"},
        {"unknown.test", "a.test"},   {"nodot", "a.test"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tls_resume_slot_clear(&tls_link.slot);
        link_handshake(cases[i][0]);
        cr_expect_str_eq(served_cn(), cases[i][1], "for %s", cases[i][0]);
    }
    tls_resume_slot_clear(&tls_link.slot);
    link_handshake(NULL);
    cr_expect_str_eq(served_cn(), "a.test");
}

static int peer_key_kind(const char *sigalgs)
{
    tls_resume_slot_clear(&tls_link.slot);
    link_up("dual.test");
    SSL_set1_sigalgs_list(link_ssl(&tls_link.client), sigalgs);
    cr_assert(link_connects(), "%s", tls_link.client.error_text);
    X509 *cert = SSL_get0_peer_certificate(link_ssl(&tls_link.client));
    return EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
}

Test(tls_identity, ecdsa_and_rsa_certificates_of_a_name_are_both_used)
{
    struct tls_certificate list[3];

    test_ca_issue(tls_link.ca, "ec", "dual.test", "DNS:dual.test", false);
    test_ca_issue(tls_link.ca, "rsa", "dual.test", "DNS:dual.test", true);
    list[0] = link_files("a");
    list[1] = link_files("ec");
    list[2] = link_files("rsa");
    link_serve((struct tls_server_params){.certificates = list, .certificate_count = 3});
    link_call((struct tls_client_params){.verify = false});
    cr_expect_eq(peer_key_kind("ECDSA+SHA256"), EVP_PKEY_EC);
    cr_expect_eq(peer_key_kind("RSA-PSS+SHA256:RSA+SHA256"), EVP_PKEY_RSA);
}

Test(tls_identity, client_certificates_are_asked_for_and_verified)
{
    struct tls_certificate me;
    const char *ca_path = test_ca_path(tls_link.ca, "ca.pem");
    const struct tls_client_params without = {.ca_path = ca_path, .verify = true};
    struct tls_client_params with = without;

    test_ca_issue(tls_link.ca, "me", "a client", NULL, false);
    me = link_files("me");
    with.cert_path = me.cert_path;
    with.key_path = me.key_path;

    link_serve(
        (struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE, .client_ca_path = ca_path});
    link_call(with);
    link_handshake("a.test");
    link_send(&tls_link.client, "hi", 2);
    cr_assert(link_gets_ticket());
    tls_resume_slot_clear(&tls_link.slot);

    link_call(without);
    link_up("a.test");
    cr_assert(link_server_fails());
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
    cr_assert(link_client_fails());
    cr_expect_eq(tls_link.client.error, EG_E_UPSTREAM_TLS);
    cr_expect_not_null(strstr(tls_link.client.error_text, "certificate required"), "%s",
                       tls_link.client.error_text);

    link_serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                          .client_ca_path = ca_path});
    link_handshake("a.test");
}

Test(tls_identity, a_stranger_s_client_certificate_is_refused)
{
    struct test_ca *other = test_ca_new();

    test_ca_issue(other, "me", "a stranger", NULL, false);
    link_serve((struct tls_server_params){.verify_client = TLS_VERIFY_OPTIONAL,
                                          .client_ca_path = test_ca_path(tls_link.ca, "ca.pem")});
    link_call((struct tls_client_params){.cert_path = test_ca_path(other, "me.pem"),
                                         .key_path = test_ca_path(other, "me.key")});
    link_up("a.test");
    cr_assert(link_server_fails());
    cr_expect_not_null(strstr(tls_link.server.error_text, "certificate verify failed"), "%s",
                       tls_link.server.error_text);
    test_ca_free(other);
}

Test(tls_identity, the_wrong_host_name_is_refused_with_the_reason)
{
    link_contexts();
    link_up("other.test");
    cr_assert(link_client_fails());
    cr_expect_eq(tls_link.client.error, EG_E_UPSTREAM_TLS);
    cr_expect_not_null(strstr(tls_link.client.error_text, "hostname mismatch"), "%s",
                       tls_link.client.error_text);
    cr_assert(link_server_fails(), "the alert reached the server");
    cr_expect_eq(tls_link.server.error, EG_E_TLS_HANDSHAKE);
}

Test(tls_identity, addresses_are_verified_but_not_sent_as_server_name)
{
    link_contexts();
    link_handshake("127.0.0.1");
    cr_expect_str_eq(tls_session_server_name(tls_link.server.t.tls), "");
    tls_resume_slot_clear(&tls_link.slot);
    link_up("127.0.0.2");
    cr_assert(link_client_fails());
    cr_expect_not_null(strstr(tls_link.client.error_text, "IP address mismatch"), "%s",
                       tls_link.client.error_text);
}

Test(tls_identity, an_unknown_authority_is_refused_unless_verification_is_off)
{
    link_serve((struct tls_server_params){0});
    link_call((struct tls_client_params){.verify = true}); /* the system's store */
    link_up("a.test");
    cr_assert(link_client_fails());
    cr_expect_not_null(strstr(tls_link.client.error_text, "certificate verify failed"));
    link_call((struct tls_client_params){.verify = false});
    link_handshake("a.test");
}

Test(tls_identity, mistakes_in_files_are_named)
{
    struct tls_certificate wrong = {test_ca_path(tls_link.ca, "a.pem"),
                                    test_ca_path(tls_link.ca, "none.key")};
    struct tls_server_params params = {.certificates = &wrong, .certificate_count = 1};
    char *why = NULL;

    cr_expect_eq(tls_context_new_server(&tls_link.server_context, &params, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "none.key"), "%s", why);
    cr_expect_not_null(strstr(why, "No such file"), "%s", why);
    free(why);
    test_ca_issue(tls_link.ca, "b", "b.test", NULL, false);
    wrong.key_path = test_ca_path(tls_link.ca, "b.key");
    cr_expect_eq(tls_context_new_server(&tls_link.server_context, &params, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "b.key"), "%s", why);
    free(why);
    params.certificate_count = 0;
    cr_expect_eq(tls_context_new_server(&tls_link.server_context, &params, &why), EG_E_INTERNAL);
    free(why);
    cr_expect_eq(tls_context_new_client(
                     &tls_link.client_context,
                     &(struct tls_client_params){.verify = true, .ca_path = "/nonexistent.pem"},
                     &why),
                 EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "/nonexistent.pem"), "%s", why);
    free(why);
}
