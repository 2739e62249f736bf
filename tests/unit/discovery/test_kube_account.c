/* Who we are to an API server: by the files of a service account, or of a kubeconfig. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "discovery/kube_account.h"
#include "room.h"

/* The files and the environment of a container in a cluster. */
static void in_cluster(struct room *room)
{
    room_init(room);
    room_write(room, "token", "abc.def\n");
    room_write(room, "ca.crt", "PEM\n");
    room_write(room, "namespace", "shop");
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    setenv(KUBE_ACCOUNT_DIRECTORY_VARIABLE, room->directory, 1);
}

static struct kube_account *open_good(const char *kubeconfig)
{
    struct kube_account *account = NULL;
    char *why = NULL;
    int err = kube_account_open(&account, kubeconfig, "", &why);

    cr_assert_eq(err, EG_OK, "%s", why);
    return account;
}

static void expect_refused(const char *kubeconfig, const char *words)
{
    struct kube_account *account = NULL;
    char *why = NULL;

    cr_assert_eq(kube_account_open(&account, kubeconfig, "", &why), EG_E_INTERNAL, "%s", words);
    cr_expect(strstr(why, words), "%s: %s", words, why);
    free(why);
}

Test(kube_account, a_container_knows_its_api_server_and_who_it_is)
{
    struct room room;
    in_cluster(&room);
    struct kube_account *account = open_good(NULL);

    cr_expect_str_eq(account->server, "https://10.96.0.1:443");
    cr_expect_str_eq(account->address, "10.96.0.1:443");
    cr_expect_str_eq(account->server_name, "10.96.0.1");
    cr_expect_str_eq(account->path, "");
    cr_expect_str_eq(account->namespace, "shop");
    cr_expect_str_eq(account->ca_pem, "PEM\n");
    cr_expect_str_eq(account->authorization, "Bearer abc.def");
    cr_expect(account->tls && account->verify && account->in_cluster);
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, an_ipv6_cluster_has_brackets)
{
    struct room room;
    in_cluster(&room);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    struct kube_account *account = open_good(NULL);

    cr_expect_str_eq(account->address, "[fd00::1]:443");
    cr_expect_str_eq(account->server_name, "fd00::1");
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, outside_of_a_cluster_a_kubeconfig_is_needed)
{
    unsetenv("KUBERNETES_SERVICE_HOST");
    expect_refused(NULL, "KUBERNETES_SERVICE_HOST");
}

Test(kube_account, an_exchanged_token_or_ca_is_seen)
{
    static const char *const names[] = {"token", "ca.crt", "namespace"};
    struct room room;
    in_cluster(&room);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct kube_account *account = open_good(NULL);

        cr_expect_not(kube_account_is_stale(account));
        room_replace(&room, names[i], "another");
        cr_expect(kube_account_is_stale(account), "%s", names[i]);
        kube_account_free(account);
    }
    room_fini(&room);
}

Test(kube_account, the_kubelet_swaps_a_link)
{
    struct room room;
    in_cluster(&room);
    room_make(&room, "one");
    room_make(&room, "two");
    room_write(&room, "one/token", "first");
    room_write(&room, "two/token", "other");
    room_link(&room, "one", "..data");
    room_link(&room, "..data/token", "token");
    struct kube_account *account = open_good(NULL);

    cr_expect_str_eq(account->authorization, "Bearer first");
    room_link(&room, "two", "..data");
    cr_expect(kube_account_is_stale(account));
    kube_account_free(account);
    account = open_good(NULL);
    cr_expect_str_eq(account->authorization, "Bearer other");
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, a_file_that_is_not_there_or_holds_nonsense_is_named)
{
    struct room room;
    in_cluster(&room);

    room_write(&room, "token", "two words");
    expect_refused(NULL, "/token holds no token");
    room_write(&room, "token", "\n");
    expect_refused(NULL, "/token holds no token");
    unlink(room_path(&room, "token"));
    expect_refused(NULL, "/token\": No such file");
    room_write(&room, "token", "t");
    unlink(room_path(&room, "ca.crt"));
    expect_refused(NULL, "/ca.crt\": No such file");
    room_fini(&room);
}

/* A kubeconfig with this cluster and this user; its path. */
static const char *write_kubeconfig(const struct room *room, const char *cluster, const char *user)
{
    char *text = xasprintf("current-context: x\n"
                           "contexts: [{name: x, context: {cluster: y, user: u}}]\n"
                           "clusters: [{name: y, cluster: {%s}}]\n"
                           "users: [{name: u, user: {%s}}]\n",
                           cluster, user);

    room_write(room, "config", text);
    free(text);
    return room_path(room, "config");
}

Test(kube_account, a_kubeconfig_names_server_certificates_and_token)
{
    struct room room;
    room_init(&room);
    room_write(&room, "ca", "CA");
    room_write(&room, "crt", "CRT");
    struct kube_account *account = open_good(
        write_kubeconfig(&room, "server: 'https://Api.example/k8s/c1/', certificate-authority: ca",
                         "token: t, client-certificate: crt, client-key-data: S0VZ"));

    cr_expect_str_eq(account->address, "Api.example:443");
    cr_expect_str_eq(account->host, "Api.example");
    cr_expect_str_eq(account->path, "/k8s/c1");
    cr_expect_str_eq(account->namespace, "default");
    cr_expect_str_eq(account->ca_pem, "CA");
    cr_expect_str_eq(account->cert_pem, "CRT");
    cr_expect_str_eq(account->key_pem, "KEY");
    cr_expect_str_eq(account->authorization, "Bearer t");
    cr_expect_not(account->in_cluster);
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, a_name_for_tls_and_no_verification_are_as_the_cluster_says)
{
    struct room room;
    room_init(&room);
    struct kube_account *account =
        open_good(write_kubeconfig(&room,
                                   "server: 'https://127.0.0.1:6443', tls-server-name: kubernetes, "
                                   "insecure-skip-tls-verify: true",
                                   "username: ann, password: b"));

    cr_expect_str_eq(account->server_name, "kubernetes");
    cr_expect(account->tls && !account->verify);
    cr_expect_str_eq(account->authorization, "Basic YW5uOmI=");
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, credentials_do_not_go_over_plain_http)
{
    struct room room;
    room_init(&room);
    struct kube_account *account =
        open_good(write_kubeconfig(&room, "server: 'http://127.0.0.1:8001'", "token: t"));

    cr_expect_null(account->authorization);
    cr_expect(account->withheld && !account->tls);
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, a_token_file_stands_over_a_token_as_long_as_it_can_be_read)
{
    struct room room;
    room_init(&room);
    const char *path =
        write_kubeconfig(&room, "server: 'https://h'", "token: old, tokenFile: token");
    struct kube_account *account = open_good(path);

    cr_expect_str_eq(account->authorization, "Bearer old");
    room_write(&room, "token", "new");
    cr_expect(kube_account_is_stale(account), "it appeared");
    kube_account_free(account);
    account = open_good(path);
    cr_expect_str_eq(account->authorization, "Bearer new");
    kube_account_free(account);
    room_fini(&room);
}

Test(kube_account, servers_that_are_none_are_refused)
{
    static const char *const servers[] = {"10.0.0.1:6443", "ftp://h",     "https://",
                                          "https://u@h",   "https://h?x", "https://h/a?b=c"};
    struct room room;
    room_init(&room);

    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        char *cluster = xasprintf("server: '%s'", servers[i]);

        expect_refused(write_kubeconfig(&room, cluster, "token: t"), "is no URL");
        free(cluster);
    }
    expect_refused(room_path(&room, "nowhere"), "No such file");
    room_fini(&room);
}
