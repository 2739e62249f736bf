/* The doctor's rules over what the file names: certificates, secrets, directories. */
#include <criterion/criterion.h>
#include <linux/magic.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor_support.h"

/* ---- files of a test's own ---- */

TestSuite(doctor_files, .init = doctor_room_make, .fini = doctor_room_remove);

static FILE *create(const char *name, mode_t mode)
{
    char *path = xasprintf("%s/%s", doctor_room, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_eq(fchmod(fileno(file), mode), 0);
    free(path);
    return file;
}

static void put(const char *name, const char *text, mode_t mode)
{
    FILE *file = create(name, mode);

    fputs(text, file);
    fclose(file);
}

/* ---- certificates ---- */

struct made {
    int64_t from_s, until_s; /* from DOCTOR_NOW */
    const char *names;       /* "DNS:a.example" */
    bool signed_by_other, names_issuer;
    unsigned copies;
};

enum { DAY_S = 86400 };

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert_not_null(extension);
    cr_assert_eq(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509_NAME *name_of(const char *text)
{
    X509_NAME *name = X509_NAME_new();

    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
    return name;
}

static X509 *certificate_make(const struct made *made, EVP_PKEY *key)
{
    X509_NAME *own = name_of("own"), *other = name_of("other");
    X509 *x = X509_new();

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(DOCTOR_NOW + made->from_s));
    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(DOCTOR_NOW + made->until_s));
    X509_set_pubkey(x, key);
    X509_set_subject_name(x, own);
    X509_set_issuer_name(x, made->signed_by_other ? other : own);
    if (made->names)
        add_extension(x, NID_subject_alt_name, made->names);
    if (made->names_issuer)
        add_extension(x, NID_info_access, "caIssuers;URI:http://ca.example/ca.crt");
    cr_assert_gt(X509_sign(x, key, EVP_sha256()), 0);
    X509_NAME_free(own);
    X509_NAME_free(other);
    return x;
}

/* a.pem and a.key. */
static void put_certificate(const struct made *made)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_make(made, key);
    FILE *file = create("a.pem", 0644);

    for (unsigned i = 0; i <= made->copies; i++)
        cr_assert_eq(PEM_write_X509(file, x), 1);
    fclose(file);
    file = create("a.key", 0600);
    cr_assert_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* ---- examining ---- */

/* How bad the rule finds the file; DOCTOR_SEVERITIES: it finds nothing. `text` NULL: the file as it
 * stands in the room. */
static enum doctor_severity examine(const char *rule, bool machine, const char *text)
{
    struct doctor_facts facts = doctor_support_facts();
    struct doctor_report report;
    struct config_errors errors;
    struct config *config = NULL;
    const struct doctor_finding *finding;
    enum doctor_severity severity;
    char *path = xasprintf("%s/edge.conf", doctor_room);

    if (text)
        put("edge.conf", text, 0644);
    cr_assert_eq(config_load(&config, path, &errors), EG_OK, "%s",
                 errors.count ? errors.v[0].message : "");
    config_errors_free(&errors);
    doctor_examine(&report, config, machine ? &facts : NULL, DOCTOR_NOW);
    finding = doctor_support_find(&report, rule);
    severity = finding ? finding->severity : DOCTOR_SEVERITIES;
    doctor_report_fini(&report);
    config_unref(&config);
    free(path);
    return severity;
}

#define PAIR    "certificates = ( { cert = \"a.pem\"; key = \"a.key\"; } ); "
#define TLS     LISTENER(BIND "tls = { " PAIR "};")
#define NOTHING DOCTOR_SEVERITIES

Test(doctor_files, certificates_are_judged_by_their_times)
{
    static const struct {
        int64_t from_s, until_s;
        enum doctor_severity expired, early, expiring;
    } times[] = {
        {-90 * DAY_S, -DAY_S, DOCTOR_ERROR, NOTHING, NOTHING},
        {DAY_S, 90 * DAY_S, NOTHING, DOCTOR_ERROR, NOTHING},
        {-80 * DAY_S, 10 * DAY_S, NOTHING, NOTHING, DOCTOR_WARNING},
        {-50 * DAY_S, 40 * DAY_S, NOTHING, NOTHING, NOTHING},
        /* one of a week, renewed by a program in time */
        {-1 * DAY_S, 6 * DAY_S, NOTHING, NOTHING, NOTHING},
        {-6 * DAY_S, 1 * DAY_S, NOTHING, NOTHING, DOCTOR_WARNING},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct made made = {.from_s = times[i].from_s, .until_s = times[i].until_s};

        put_certificate(&made);
        cr_expect_eq(examine("certificate-expired", false, TLS), times[i].expired, "%zu", i);
        cr_expect_eq(examine("certificate-early", false, TLS), times[i].early, "%zu", i);
        cr_expect_eq(examine("certificate-expiring", false, TLS), times[i].expiring, "%zu", i);
    }
}

Test(doctor_files, clients_certificates_and_authorities_are_judged_too)
{
    struct made made = {.from_s = -90 * DAY_S, .until_s = -DAY_S};
    static const char client[] = POOL(TWO HEALTH "tls = { cert = \"a.pem\"; key = \"a.key\"; };");
    static const char authority[] = POOL(TWO HEALTH "tls = { ca = \"a.pem\"; };");

    put_certificate(&made);
    cr_expect_eq(examine("certificate-expired", false, client), DOCTOR_ERROR);
    cr_expect_eq(examine("certificate-expired", false, authority), DOCTOR_ERROR);
    made.copies = 1; /* a bundle */
    put_certificate(&made);
    cr_expect_eq(examine("certificate-expired", false, authority), NOTHING);
}

Test(doctor_files, a_certificate_of_a_public_authority_needs_its_intermediates)
{
    struct made made = {.until_s = 90 * DAY_S, .signed_by_other = true, .names_issuer = true};

    put_certificate(&made);
    cr_expect_eq(examine("certificate-alone", false, TLS), DOCTOR_WARNING);
    made.copies = 1;
    put_certificate(&made);
    cr_expect_eq(examine("certificate-alone", false, TLS), NOTHING);
    made.copies = 0;
    made.names_issuer = false; /* an authority of one's own */
    put_certificate(&made);
    cr_expect_eq(examine("certificate-alone", false, TLS), NOTHING);
}

Test(doctor_files, routes_hosts_want_a_certificate)
{
    struct made made = {.until_s = 90 * DAY_S, .names = "DNS:a.example, DNS:*.b.example"};

    put_certificate(&made);
    cr_expect_eq(examine("certificate-names", false,
                         TLS "routes = ( { host = \"a.example\"; pool = \"app\"; }, { host = "
                             "\"x.b.example\"; pool = \"app\"; }, { host = \"*.c.example\"; pool = "
                             "\"app\"; } );"),
                 NOTHING);
    cr_expect_eq(examine("certificate-names", false,
                         TLS "routes = ( { host = \"c.example\"; pool = \"app\"; } );"),
                 DOCTOR_WARNING);
    cr_expect_eq(examine("certificate-names", false,
                         TOP("routes = ( { host = \"c.example\"; pool = \"app\"; } );")),
                 NOTHING);
}

Test(doctor_files, an_authority_for_clients_wants_to_be_used)
{
    struct made made = {.until_s = 90 * DAY_S};

    put_certificate(&made);
    cr_expect_eq(examine("client-ca-unused", false,
                         LISTENER(BIND "tls = { " PAIR "client_ca = \"a.pem\"; };")),
                 DOCTOR_WARNING);
    cr_expect_eq(examine("client-ca-unused", false,
                         LISTENER(BIND "tls = { " PAIR
                                       "client_ca = \"a.pem\"; verify_client = \"require\"; };")),
                 NOTHING);
    cr_expect_eq(examine("client-ca-unused", false, TLS), NOTHING);
}

/* ---- who may read and write ---- */

static void set_mode(const char *name, mode_t mode)
{
    char *path = xasprintf("%s/%s", doctor_room, name);

    cr_assert_eq(chmod(path, mode), 0);
    free(path);
}

Test(doctor_files, secrets_are_for_their_owner_and_group)
{
    static const char *const texts[] = {
        TOP("admin = { token_file = \"secret\"; };"),
        POOL(TWO "sticky = { secret_file = \"secret\"; };"),
        POOL(TWO "health = { type = \"redis\"; password_file = \"secret\"; };"),
        POOL("discovery = { type = \"consul\"; service = \"s\"; address = \"10.0.0.9:8500\"; "
             "token_file = \"secret\"; };"),
        POOL("discovery = { type = \"etcd\"; prefix = \"p\"; address = \"10.0.0.9:2379\"; user = "
             "\"u\"; password_file = \"secret\"; };"),
    };

    put("secret", "0123456789abcdef0123456789abcdef\n", 0600);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        set_mode("secret", 0640);
        cr_expect_eq(examine("secret-readable", true, texts[i]), NOTHING, "%s", texts[i]);
        set_mode("secret", 0644);
        cr_expect_eq(examine("secret-readable", true, texts[i]), DOCTOR_ERROR, "%s", texts[i]);
        cr_expect_eq(examine("secret-readable", false, texts[i]), NOTHING, "%s", texts[i]);
    }
}

/* As certbot had it: keys that are open in a directory that is not. */
Test(doctor_files, what_nobody_else_can_get_to_is_no_finding)
{
    static const char text[] = TOP("admin = { token_file = \"secret\"; };");

    put("secret", "0123456789abcdef0123456789abcdef\n", 0666);
    cr_expect_eq(examine("secret-readable", true, text), DOCTOR_ERROR);
    set_mode("edge.conf", 0666);
    cr_expect_eq(examine("config-writable", true, NULL), DOCTOR_ERROR);
    cr_assert_eq(chmod(doctor_room, 0750), 0);
    cr_expect_eq(examine("secret-readable", true, NULL), NOTHING);
    cr_expect_eq(examine("config-writable", true, NULL), NOTHING);
}

Test(doctor_files, so_are_keys)
{
    struct made made = {.until_s = 90 * DAY_S};

    put_certificate(&made);
    cr_expect_eq(examine("secret-readable", true, TLS), NOTHING);
    set_mode("a.key", 0604);
    cr_expect_eq(examine("secret-readable", true, TLS), DOCTOR_ERROR);
    cr_expect_eq(
        examine("secret-readable", true, POOL(TWO "tls = { cert = \"a.pem\"; key = \"a.key\"; };")),
        DOCTOR_ERROR);
}

Test(doctor_files, a_token_is_not_to_be_guessed)
{
    static const char text[] = TOP("admin = { token_file = \"secret\"; };");

    put("secret", "hunter2\n", 0600);
    cr_expect_eq(examine("token-short", true, text), DOCTOR_WARNING);
    put("secret", "0123456789abcdef\n", 0600);
    cr_expect_eq(examine("token-short", true, text), NOTHING);
}

Test(doctor_files, a_token_in_the_configuration_is_for_nobody_else)
{
    static const char text[] =
        POOL("discovery = { type = \"consul\"; service = \"s\"; address = \"127.0.0.1:8500\"; "
             "token = \"%s\"; };");
    char *written = xasprintf(text, "c0ffee-token"), *referred = xasprintf(text, "${DOCTOR_TOKEN}");

    setenv("DOCTOR_TOKEN", "c0ffee-token", 1);
    cr_expect_eq(examine("token-in-file", true, written), DOCTOR_ERROR);
    set_mode("edge.conf", 0640);
    cr_expect_eq(examine("token-in-file", true, NULL), NOTHING);
    set_mode("edge.conf", 0644);
    cr_expect_eq(examine("token-in-file", true, referred), NOTHING);
    free(referred);
    free(written);
}

Test(doctor_files, included_files_are_as_the_file_itself)
{
    put("pools.conf", APP(HEALTH TWO), 0644);
    cr_expect_eq(examine("config-writable", true, EDGE(BIND) "@include \"pools.conf\"\n"), NOTHING);
    set_mode("pools.conf", 0666);
    cr_expect_eq(examine("config-writable", true, NULL), DOCTOR_ERROR);
}

Test(doctor_files, the_file_itself_is_not_for_everybody_to_write)
{
    put("edge.conf", TOP(""), 0664);
    cr_expect_eq(examine("config-writable", true, NULL), NOTHING);
    set_mode("edge.conf", 0666);
    cr_expect_eq(examine("config-writable", true, NULL), DOCTOR_ERROR);
}

/* Takes `text`, which has a socket in "sub". */
static void expect_sockets_directory(char *text)
{
    char *directory = xasprintf("%s/sub", doctor_room);

    cr_expect_eq(examine("socket-directory-missing", true, text), DOCTOR_HINT);
    cr_assert_eq(mkdir(directory, 0700), 0);
    cr_expect_eq(examine("socket-directory-missing", true, text), NOTHING);
    cr_expect_eq(examine("socket-directory-open", true, text), NOTHING);
    set_mode("sub", 0777);
    cr_expect_eq(examine("socket-directory-open", true, text), DOCTOR_WARNING);
    set_mode("sub", 01777);
    cr_expect_eq(examine("socket-directory-open", true, text), NOTHING);
    cr_expect_eq(rmdir(directory), 0);
    free(directory);
    free(text);
}

Test(doctor_files, the_sockets_directory_is_there_and_not_for_everybody)
{
    expect_sockets_directory(
        xasprintf(TOP("admin = { socket = \"%s/sub/admin.sock\"; };"), doctor_room));
    expect_sockets_directory(xasprintf(LISTENER("bind = \"unix:%s/sub/in.sock\";"), doctor_room));
}

static long type_of(const char *directory)
{
    struct statfs fs;

    cr_assert_eq(statfs(directory, &fs), 0, "%s", directory);
    return (long)fs.f_type;
}

/* Which file systems there are is the machine's: what is found must fit what it has. */
Test(doctor_files, what_must_outlive_a_reboot_is_not_kept_in_memory)
{
    static const char *const directories[] = {"/dev/shm", doctor_room, "/"};

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        bool memory = type_of(directories[i]) == TMPFS_MAGIC;
        bool container = type_of(directories[i]) == OVERLAYFS_SUPER_MAGIC;
        char *state = xasprintf(TOP("state_file = \"%s/evergate-state.json\";"), directories[i]);
        char *cache = xasprintf(POOL("discovery = { type = \"dns\"; name = \"app:80\"; cache = "
                                     "\"%s/evergate-cache.json\"; };"),
                                directories[i]);

        if (access(directories[i], W_OK) == 0) {
            cr_expect_eq(examine("state-in-memory", true, state),
                         memory ? DOCTOR_WARNING : NOTHING);
            cr_expect_eq(examine("state-in-container", true, state),
                         container ? DOCTOR_HINT : NOTHING);
            cr_expect_eq(examine("cache-in-memory", true, cache), memory ? DOCTOR_HINT : NOTHING);
        }
        free(state);
        free(cache);
    }
}

Test(doctor_files, every_rule_has_a_case)
{
    static const char *const names[] = {"certificate-expired",      "certificate-early",
                                        "certificate-alone",        "certificate-expiring",
                                        "certificate-names",        "token-in-file",
                                        "secret-readable",          "token-short",
                                        "config-writable",          "socket-directory-open",
                                        "socket-directory-missing", "state-in-memory",
                                        "state-in-container",       "cache-in-memory"};
    static const struct doctor_rule *const tables[] = {doctor_certificate_rules, doctor_path_rules};

    for (size_t t = 0; t < 2; t++) {
        for (const struct doctor_rule *rule = tables[t]; rule->name; rule++) {
            bool found = false;

            for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++)
                found = strcmp(names[i], rule->name) == 0;
            cr_expect(found, "%s has no case", rule->name);
        }
    }
}
