/* Certificates, keys and authorities: made by the test, read by the check. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/plan.h"
#include "support.h"

/* A directory with two self-signed pairs, one encrypted key, one file of nonsense and an
 * edge.conf. */
struct files {
    char *directory;
};

static char *in(const struct files *files, const char *name)
{
    return xasprintf("%s/%s", files->directory, name);
}

static void write_key(const struct files *files, const char *name, EVP_PKEY *key,
                      const char *passphrase)
{
    char *path = in(files, name);
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    cr_assert_eq(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                      (const unsigned char *)passphrase,
                                      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                 1);
    fclose(f);
    free(path);
}

static void write_certificate(const struct files *files, const char *name, EVP_PKEY *key,
                              const char *trailer)
{
    char *path = in(files, name);
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    FILE *f = fopen(path, "w");

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"a", -1, -1, 0);
    X509_set_issuer_name(x, subject);
    cr_assert_gt(X509_sign(x, key, EVP_sha256()), 0);
    cr_assert_not_null(f);
    cr_assert_eq(PEM_write_X509(f, x), 1);
    fputs(trailer, f);
    fclose(f);
    X509_free(x);
    free(path);
}

static void files_init(struct files *files)
{
    EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    files->directory = support_directory_make();
    write_certificate(files, "a.pem", a, "");
    write_key(files, "a.key", a, NULL);
    write_certificate(files, "chain.pem", a, "");
    write_certificate(files, "broken-chain.pem", a, broken);
    write_key(files, "b.key", b, NULL);
    write_key(files, "secret.key", a, "passphrase");
    free(support_write(files->directory, "nonsense", "nonsense\n"));
    free(support_write(files->directory, "token", "s3cret-token\n"));
    free(support_write(files->directory, "bad-token", "two words\n"));
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}

static void files_fini(struct files *files)
{
    support_directory_remove(&files->directory);
}

static struct config *load_with(const struct files *files, const char *text,
                                struct config_errors *ret_errors)
{
    char *path = support_write(files->directory, "edge.conf", text);
    struct config *config = NULL;
    int code = config_load(&config, path, ret_errors);

    cr_assert_eq(code == 0, config != NULL);
    free(path);
    return config;
}

#define TLS(keys)       POOL "listeners = ( { bind = \":443\";\n tls = { " keys " }; } );\n"
#define PAIR(cert, key) "certificates = ( { cert = \"" cert "\"; key = \"" key "\"; } ); "

Test(certificates, that_are_good_are_accepted_with_every_key_of_tls)
{
    struct files files;
    struct config_errors errors;
    struct config *config;
    const struct config_listener_tls *tls;
    char *expected;

    files_init(&files);
    config = load_with(&files,
                       TLS("certificates = ( { cert = \"a.pem\"; key = \"a.key\"; }, { cert = "
                           "\"chain.pem\"; key = \"a.key\"; } ); client_ca = \"a.pem\"; "
                           "verify_client = \"require\"; min_version = \"1.3\"; alpn = [ "
                           "\"http/1.1\" ];") "admin = { token_file = \"token\"; };\n",
                       &errors);
    cr_assert_not_null(config);
    tls = config->listeners[0].tls;
    expected = in(&files, "a.pem");
    cr_expect_eq(tls->certificate_count, 2);
    cr_expect_str_eq(tls->certificates[0].cert_path, expected);
    cr_expect_str_eq(tls->client_ca_path, expected);
    cr_expect_eq(tls->verify_client, CONFIG_VERIFY_REQUIRE);
    cr_expect(tls->min_version_1_3);
    cr_expect_str_eq(tls->alpn[0], "http/1.1");
    cr_expect_null(tls->alpn[1]);
    free(expected);
    expected = in(&files, "token");
    cr_expect_str_eq(config->admin.token_file, expected);
    free(expected);
    config_unref(&config);
    config_errors_free(&errors);
    files_fini(&files);
}

Test(certificates, tls_has_the_documented_defaults)
{
    struct files files;
    struct config_errors errors;
    struct config *config;

    files_init(&files);
    config = load_with(&files, TLS(PAIR("a.pem", "a.key")), &errors);
    cr_assert_not_null(config);
    cr_expect_eq(config->listeners[0].tls->verify_client, CONFIG_VERIFY_OFF);
    cr_expect_null(config->listeners[0].tls->client_ca_path);
    cr_expect_not(config->listeners[0].tls->min_version_1_3);
    cr_expect_str_eq(config->listeners[0].tls->alpn[0], "http/1.1");
    config_unref(&config);
    config_errors_free(&errors);
    files_fini(&files);
}

Test(certificates, that_cannot_serve_are_mistakes)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *says;
    } table[] = {
        {TLS(PAIR("none.pem", "a.key")), 3, "none.pem\": No such file or directory"},
        {TLS(PAIR("a.pem", "none.key")), 3, "none.key\": No such file or directory"},
        {TLS(PAIR("nonsense", "a.key")), 3, "does not hold certificates that can be parsed"},
        {TLS(PAIR("a.key", "a.key")), 3, "does not hold certificates that can be parsed"},
        {TLS(PAIR("broken-chain.pem", "a.key")), 3, "does not hold certificates"},
        {TLS(PAIR("a.pem", "nonsense")), 3, "does not hold a private key that can be parsed"},
        {TLS(PAIR("a.pem", "a.pem")), 3, "does not hold a private key"},
        {TLS(PAIR("a.pem", "b.key")), 3, "does not belong to the certificate"},
        {TLS(PAIR("a.pem", "secret.key")), 3, "is encrypted; write one without a passphrase"},
        {TLS(PAIR("a.pem", "")), 3, "key is empty; write key ="},
        {TLS("certificates = ( { cert = \"a.pem\"; } );"), 3, "\"key\" is missing"},
        {TLS(PAIR("a.pem", "a.key") "client_ca = \"nonsense\";"), 3, "does not hold certificates"},
        {TLS(PAIR("a.pem", "a.key") "verify_client = \"require\";"), 3, "write client_ca"},
        {TLS(PAIR("a.pem", "a.key") "verify_client = \"on\";"), 3, "\"on\" is not known"},
        {TLS(PAIR("a.pem", "a.key") "min_version = \"1.1\";"), 3, "\"1.1\" is not known"},
        {TLS(PAIR("a.pem", "a.key") "alpn = [ \"h2\" ];"), 3, "alpn: \"h2\" is not built yet"},
        {TLS(PAIR("a.pem", "a.key") "alpn = [ \"spdy\" ];"), 3, "\"spdy\" is not known"},
        {TLS(PAIR("a.pem", "a.key") "alpn = [ ];"), 3, "alpn is empty"},
        {LISTENER "pools = ( { backends = ( { address = \"a:1\"; } );\n tls = { cert = \"a.pem\"; "
                  "key = \"b.key\"; }; } );\n",
         3, "does not belong"},
        {LISTENER POOL "admin = { token_file = \"bad-token\"; };\n", 3, "does not hold a token"},
    };
    struct files files;

    files_init(&files);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_errors errors;
        struct config *config = load_with(&files, table[i].text, &errors);
        char *printed = support_print(&errors);

        cr_assert_null(config, "accepted: %s", table[i].text);
        cr_expect_eq(errors.count, 1, "%s", printed);
        cr_expect_eq(errors.v[0].line, table[i].line, "%s", printed);
        cr_expect_not_null(strstr(errors.v[0].message, table[i].says), "%s not in %s",
                           table[i].says, printed);
        free(printed);
        config_errors_free(&errors);
    }
    files_fini(&files);
}

/* The example with its files beside it instead of in /etc/evergate (heap). */
static char *example_text(void)
{
    static const char place[] = "/etc/evergate/";
    struct whole_file content;
    char *why, *text, *to, *found;

    cr_assert(
        config_file_read(&content, NULL, TEST_SOURCE_DIR "/../docs/example.conf", 1 << 20, &why));
    to = text = xmalloc(content.size + 1);
    for (char *p = content.text; *p != '\0'; p = found) {
        found = strstr(p, place);
        found = found != NULL ? found : p + strlen(p);
        memcpy(to, p, (size_t)(found - p));
        to += found - p;
        found += *found != '\0' ? sizeof(place) - 1 : 0;
    }
    *to = '\0';
    free(content.text);
    return text;
}

Test(certificates, the_example_is_accepted_once_its_files_are_in_place)
{
    static const char *const pairs[][2] = {{"shop.pem", "shop.key"}, {"api.pem", "api.key"}};
    struct files files;
    struct config_errors errors;
    struct config *config;
    char *text = example_text(), *printed;
    EVP_PKEY *key = EVP_EC_gen("P-256");

    files_init(&files);
    for (size_t i = 0; i < 2; i++) {
        write_certificate(&files, pairs[i][0], key, "");
        write_key(&files, pairs[i][1], key, NULL);
    }
    free(support_write(files.directory, "sticky.key", "0123456789abcdef0123456789abcdef\n"));
    free(support_write(files.directory, "sorry.html", "<p>Sorry.</p>\n"));
    free(support_write(files.directory, "postgres.password", "secret\n"));
    config = load_with(&files, text, &errors);
    printed = support_print(&errors);
    cr_assert_not_null(config, "%s", printed);
    cr_expect_eq(config->pool_count, 5);
    cr_expect_eq(config->pools[1].fallback.pool, 2);
    cr_expect_eq(config->pools[0].sticky->secret.n, 33);
    config_unref(&config);
    config_errors_free(&errors);
    EVP_PKEY_free(key);
    free(printed);
    free(text);
    files_fini(&files);
}

static void expect_content_change(struct files *files, const char *text, const char *name,
                                  EVP_PKEY *key, unsigned parts, const char *says)
{
    struct config_errors errors[2];
    struct config *from = load_with(files, text, &errors[0]), *to;
    struct config_plan *plan;

    write_certificate(files, name, key, "\n");
    to = load_with(files, text, &errors[1]);
    cr_assert(from != NULL && to != NULL);
    plan = config_plan_new(from, to);
    cr_expect_eq(plan->count, 1);
    cr_expect_not_null(strstr(plan->changes[0].detail, says), "%s", plan->changes[0].detail);
    cr_expect_eq(plan->risk, CONFIG_RISK_MEDIUM);
    cr_expect_eq(config_listener_equal(from->listeners, to->listeners), parts != 0);
    cr_expect_eq(config_pool_differences(from, from->pools, to, to->pools), parts);
    config_plan_free(plan);
    config_unref(&from);
    config_unref(&to);
    config_errors_free(&errors[0]);
    config_errors_free(&errors[1]);
}

Test(certificates, are_seen_to_have_other_content)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct files files;

    files_init(&files);
    write_key(&files, "n.key", key, NULL);
    write_certificate(&files, "n.pem", key, "");
    expect_content_change(&files, TLS(PAIR("n.pem", "n.key")), "n.pem", key, 0,
                          "n.pem: other content in cert");
    write_certificate(&files, "ca.pem", key, "");
    expect_content_change(&files, TLS(PAIR("a.pem", "a.key") "client_ca = \"ca.pem\";"), "ca.pem",
                          key, 0, "tls: other content in client_ca");
    write_certificate(&files, "ca.pem", key, "");
    expect_content_change(&files, IN_POOL("tls = { ca = \"ca.pem\"; };"), "ca.pem", key,
                          CONFIG_PART_TLS, "tls: other content in ca");
    EVP_PKEY_free(key);
    files_fini(&files);
}
