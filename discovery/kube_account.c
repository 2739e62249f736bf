/* See kube_account.h. */
#include "discovery/kube_account.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/check.h"
#include "client/url.h"
#include "discovery/base64.h"
#include "discovery/file_read.h"
#include "discovery/kubeconfig.h"

static const char usual_directory[] = "/var/run/secrets/kubernetes.io/serviceaccount";

enum {
    FILES = 6,               /* kubeconfig, CA, certificate, key, token, namespace */
    SMALL_BYTES = 64 * 1024, /* of a token, which must fit into a head */
    PEM_BYTES = 1024 * 1024, /* a CA bundle has hundreds of certificates */
    NAME_BYTES = 253,        /* of a host, RFC 1035 section 2.3.4 */
};

struct kube_files {
    struct {
        char *path;
        struct stat st; /* of what was read; zeros: it could not be */
    } v[FILES];
    size_t count;
};

/* ---- files ---- */

/* Its content, which the caller forgets; NULL and a sentence, if it cannot be read. Remembered
 * either way: one that appears is a change too. */
static char *read_file(struct kube_account *account, const char *path, size_t max_bytes,
                       size_t *ret_size, char **ret_why)
{
    struct kube_files *files = account->files;
    struct file_content content;
    char why[FILE_WHY_BYTES];
    bool good = file_read(&content, path, max_bytes, why);

    CHECK(files->count < FILES);
    files->v[files->count].path = xstrdup(path);
    files->v[files->count++].st = content.st;
    if (!good) {
        free(*ret_why);
        *ret_why = xasprintf("file \"%s\": %s", path, why);
        return NULL;
    }
    *ret_size = content.size;
    return content.text;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool kube_account_is_stale(const struct kube_account *account)
{
    for (size_t i = 0; i < account->files->count; i++) {
        struct stat now = {0};

        if (stat(account->files->v[i].path, &now) != 0)
            now = (struct stat){0};
        if (!is_same(&now, &account->files->v[i].st))
            return true;
    }
    return false;
}

static void forget(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* ---- where ---- */

static int read_url(struct kube_account *account, const char *server, const char *server_name,
                    char **ret_why)
{
    struct url url;

    if (url_parse(&url, server) != EG_OK || url.host.n > NAME_BYTES ||
        memchr(url.target.p, '?', url.target.n)) {
        *ret_why = xasprintf("server \"%.200s\" is no URL like https://HOST:PORT", server);
        return EG_E_INTERNAL;
    }
    if (server_name && strlen(server_name) > NAME_BYTES) {
        *ret_why = xasprintf("tls-server-name has more than %d bytes", NAME_BYTES);
        return EG_E_INTERNAL;
    }
    while (url.target.n > 0 && url.target.p[url.target.n - 1] == '/')
        url.target.n--;
    account->server = xstrdup(server);
    account->address =
        xasprintf(url.is_ipv6 ? "[%.*s]:%u" : "%.*s:%u", SLICE_FMT(url.host), (unsigned)url.port);
    account->host = xstrndup(url.authority.p, url.authority.n);
    account->path = xstrndup(url.target.p, url.target.n);
    account->tls = url.tls;
    account->server_name = server_name ? xstrdup(server_name) : xstrndup(url.host.p, url.host.n);
    return EG_OK;
}

/* ---- who ---- */

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f)
            return false;
    return text.n > 0;
}

static struct slice without_line_end(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    return slice_trim(slice_from(text, size));
}

static int set_token(struct kube_account *account, struct slice token, const char *from,
                     char **ret_why)
{
    if (!is_token(token)) {
        *ret_why = xasprintf("%s holds no token", from);
        return EG_E_INTERNAL;
    }
    account->authorization = xasprintf("Bearer %.*s", SLICE_FMT(token));
    return EG_OK;
}

static int read_token(struct kube_account *account, const char *path, char **ret_why)
{
    size_t size;
    char *text = read_file(account, path, SMALL_BYTES, &size, ret_why);
    int err = EG_E_INTERNAL;

    if (text)
        err = set_token(account, without_line_end(text, size), path, ret_why);
    forget(text);
    return err;
}

/* RFC 7617. */
static void set_basic(struct kube_account *account, const char *username, const char *password)
{
    char *pair = xasprintf("%s:%s", username, password ? password : "");
    char *encoded = base64_encode(slice_str(pair));

    account->authorization = xasprintf("Basic %s", encoded);
    forget(pair);
    forget(encoded);
}

/* Takes `pem` over, or reads the file (NULL: neither is said). */
static int take_pem(struct kube_account *account, char **ret_pem, char **pem, const char *path,
                    char **ret_why)
{
    size_t size;

    *ret_pem = *pem;
    *pem = NULL;
    if (*ret_pem || !path)
        return EG_OK;
    *ret_pem = read_file(account, path, PEM_BYTES, &size, ret_why);
    return *ret_pem ? EG_OK : EG_E_INTERNAL;
}

/* ---- a kubeconfig's ---- */

/* The file's token stands over the other one, as long as it can be read: as in kubectl. */
static int take_credentials(struct kube_account *account, const struct kubeconfig *k,
                            char **ret_why)
{
    int err = EG_OK;

    if (k->token_path)
        err = read_token(account, k->token_path, ret_why);
    if (k->token && !account->authorization) {
        free(*ret_why);
        *ret_why = NULL;
        err = set_token(account, slice_str(k->token), "the user's token", ret_why);
    }
    if (k->username)
        set_basic(account, k->username, k->password);
    return err;
}

static int take_kubeconfig(struct kube_account *account, struct kubeconfig *k, char **ret_why)
{
    int err;

    account->verify = !k->insecure;
    account->namespace = xstrdup(k->namespace ? k->namespace : "default");
    if ((err = read_url(account, k->server, k->tls_server_name, ret_why)) != EG_OK ||
        (err = take_pem(account, &account->ca_pem, &k->ca_pem, k->ca_path, ret_why)) != EG_OK ||
        (err = take_pem(account, &account->cert_pem, &k->cert_pem, k->cert_path, ret_why)) !=
            EG_OK ||
        (err = take_pem(account, &account->key_pem, &k->key_pem, k->key_path, ret_why)) != EG_OK)
        return err;
    return take_credentials(account, k, ret_why);
}

static int open_kubeconfig(struct kube_account *account, const char *path, const char *context,
                           char **ret_why)
{
    struct kubeconfig k;
    size_t size;
    char *text = read_file(account, path, KUBECONFIG_BYTES, &size, ret_why);
    int err = EG_E_INTERNAL;

    if (!text)
        return err;
    err = kubeconfig_read(&k, slice_from(text, size), path, context, ret_why);
    OPENSSL_cleanse(text, size);
    free(text);
    if (err != EG_OK)
        return err;
    err = take_kubeconfig(account, &k, ret_why);
    kubeconfig_fini(&k);
    return err;
}

/* ---- a service account's ---- */

/* Where there is no such file, no namespace is said. */
static void read_namespace(struct kube_account *account, const char *path)
{
    char *why = NULL;
    size_t size;
    char *text = read_file(account, path, SMALL_BYTES, &size, &why);
    struct slice name = text ? without_line_end(text, size) : slice_from(NULL, 0);

    account->namespace = is_token(name) ? xstrndup(name.p, name.n) : xstrdup("default");
    free(text);
    free(why);
}

static int read_service_account(struct kube_account *account, const char *directory, char **ret_why)
{
    char *token = xasprintf("%s/token", directory), *ca = xasprintf("%s/ca.crt", directory);
    char *namespace = xasprintf("%s/namespace", directory), *none = NULL;
    int err = read_token(account, token, ret_why);

    if (err == EG_OK)
        err = take_pem(account, &account->ca_pem, &none, ca, ret_why);
    read_namespace(account, namespace);
    free(token);
    free(ca);
    free(namespace);
    return err;
}

static int open_in_cluster(struct kube_account *account, char **ret_why)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    const char *directory = getenv(KUBE_ACCOUNT_DIRECTORY_VARIABLE);

    account->in_cluster = true;
    account->verify = true;
    if (!host || !host[0] || !port || !port[0]) {
        *ret_why = xstrdup("evergate does not run in a cluster (KUBERNETES_SERVICE_HOST and "
                           "KUBERNETES_SERVICE_PORT are not set), and no kubeconfig is named");
        return EG_E_INTERNAL;
    }
    char *server = xasprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    int err = read_url(account, server, NULL, ret_why);

    free(server);
    if (err != EG_OK)
        return err;
    return read_service_account(account, directory && directory[0] ? directory : usual_directory,
                                ret_why);
}

/* ---- life ---- */

int kube_account_open(struct kube_account **ret_account, const char *kubeconfig,
                      const char *context, char **ret_why)
{
    struct kube_account *account = xcalloc(1, sizeof(*account));
    int err;

    *ret_why = NULL;
    account->files = xcalloc(1, sizeof(*account->files));
    err = kubeconfig ? open_kubeconfig(account, kubeconfig, context, ret_why)
                     : open_in_cluster(account, ret_why);
    if (err != EG_OK) {
        kube_account_free(account);
        return err;
    }
    /* What is read over plain HTTP is read by all: so it is in kubectl. */
    account->withheld = account->authorization && !account->tls;
    if (account->withheld) {
        forget(account->authorization);
        account->authorization = NULL;
    }
    *ret_account = account;
    return EG_OK;
}

void kube_account_free(struct kube_account *account)
{
    if (!account)
        return;
    for (size_t i = 0; i < account->files->count; i++)
        free(account->files->v[i].path);
    free(account->files);
    free(account->server);
    free(account->address);
    free(account->host);
    free(account->path);
    free(account->namespace);
    free(account->server_name);
    free(account->ca_pem);
    free(account->cert_pem);
    forget(account->key_pem);
    forget(account->authorization);
    free(account);
}
