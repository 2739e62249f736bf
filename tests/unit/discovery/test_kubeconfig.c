/* Kubeconfigs as kubectl and the tools of clusters write them, and those that are refused. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/kubeconfig.h"

static const char two_clusters[] = "apiVersion: v1\n"
                                   "kind: Config\n"
                                   "preferences: {}\n"
                                   "clusters:\n"
                                   "- name: home\n"
                                   "  cluster:\n"
                                   "    server: https://10.0.0.1:6443\n"
                                   "    certificate-authority: pki/ca.crt\n"
                                   "    tls-server-name: kubernetes\n"
                                   "- cluster:\n"
                                   "    certificate-authority-data: UEVNIG9mIGNh\n"
                                   "    certificate-authority: /ignored\n"
                                   "    server: \"https://api.example/k8s/c1\"\n"
                                   "  name: away\n"
                                   "- cluster: {server: 'http://127.0.0.1:8001', "
                                   "insecure-skip-tls-verify: true}\n"
                                   "  name: proxy\n"
                                   "contexts:\n"
                                   "- context: {cluster: home, user: edge, namespace: shop}\n"
                                   "  name: home\n"
                                   "- context: {cluster: away, user: admin}\n"
                                   "  name: away\n"
                                   "- context: {cluster: proxy, user: \"\"}\n"
                                   "  name: proxy\n"
                                   "- context: {cluster: home, user: basic}\n"
                                   "  name: basic\n"
                                   "current-context: home\n"
                                   "users:\n"
                                   "- name: edge\n"
                                   "  user:\n"
                                   "    token: abc.def\n"
                                   "    tokenFile: tokens/edge\n"
                                   "- name: admin\n"
                                   "  user:\n"
                                   "    client-certificate-data: UEVNIG9mIGNlcnQ=\n"
                                   "    client-key-data: |\n"
                                   "      UEVNIG9m\n"
                                   "      IGtleQ==\n"
                                   "- name: basic\n"
                                   "  user: {username: ann, password: 'pass: word'}\n";

static struct kubeconfig read_good(const char *text, const char *context)
{
    struct kubeconfig kubeconfig = {0};
    char *why = NULL;
    int err =
        kubeconfig_read(&kubeconfig, slice_str(text), "/home/ann/.kube/config", context, &why);

    cr_assert_eq(err, EG_OK, "%s", why);
    cr_assert_null(why);
    return kubeconfig;
}

/* Whatever is refused is told with the file's name and these words. */
static void expect_refused(const char *text, const char *context, const char *words)
{
    struct kubeconfig kubeconfig = {0};
    char *why = NULL;
    int err = kubeconfig_read(&kubeconfig, slice_str(text), "/k/config", context, &why);

    cr_assert_eq(err, EG_E_INTERNAL, "%s", text);
    cr_expect(strstr(why, "kubeconfig \"/k/config\": ") == why && strstr(why, words), "%s: %s",
              words, why);
    free(why);
}

Test(kubeconfig, the_current_context_tells_cluster_user_and_namespace)
{
    struct kubeconfig k = read_good(two_clusters, "");

    cr_expect_str_eq(k.server, "https://10.0.0.1:6443");
    cr_expect_str_eq(k.namespace, "shop");
    cr_expect_str_eq(k.tls_server_name, "kubernetes");
    cr_expect_str_eq(k.token, "abc.def");
    cr_expect_not(k.insecure);
    kubeconfig_fini(&k);
}

Test(kubeconfig, relative_paths_begin_where_the_file_is)
{
    struct kubeconfig k = read_good(two_clusters, "home");

    cr_expect_str_eq(k.ca_path, "/home/ann/.kube/pki/ca.crt");
    cr_expect_str_eq(k.token_path, "/home/ann/.kube/tokens/edge");
    kubeconfig_fini(&k);
}

Test(kubeconfig, texts_in_base64_stand_over_paths)
{
    struct kubeconfig k = read_good(two_clusters, "away");

    cr_expect_str_eq(k.server, "https://api.example/k8s/c1");
    cr_expect_str_eq(k.ca_pem, "PEM of ca");
    cr_expect_null(k.ca_path);
    cr_expect_str_eq(k.cert_pem, "PEM of cert");
    cr_expect_str_eq(k.key_pem, "PEM of key");
    cr_expect_null(k.namespace);
    cr_expect_null(k.token);
    kubeconfig_fini(&k);
}

Test(kubeconfig, a_context_needs_no_user)
{
    struct kubeconfig k = read_good(two_clusters, "proxy");

    cr_expect_str_eq(k.server, "http://127.0.0.1:8001");
    cr_expect(k.insecure);
    kubeconfig_fini(&k);
}

Test(kubeconfig, a_user_may_have_a_password)
{
    struct kubeconfig k = read_good(two_clusters, "basic");

    cr_expect_str_eq(k.username, "ann");
    cr_expect_str_eq(k.password, "pass: word");
    kubeconfig_fini(&k);
}

Test(kubeconfig, json_is_yaml_too)
{
    struct kubeconfig k = read_good(
        "{\"current-context\": \"x\", \"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": "
        "\"y\"}}], \"clusters\": [{\"name\": \"y\", \"cluster\": {\"server\": \"http://h\"}}]}",
        "");

    cr_expect_str_eq(k.server, "http://h");
    kubeconfig_fini(&k);
}

Test(kubeconfig, anchors_are_followed)
{
    struct kubeconfig k = read_good("current-context: x\n"
                                    "contexts: [{name: x, context: {cluster: y, user: u}}]\n"
                                    "clusters: [{name: y, cluster: {server: &s 'http://h'}}]\n"
                                    "users: [{name: u, user: {token: *s}}]\n",
                                    "");

    cr_expect_str_eq(k.token, "http://h");
    kubeconfig_fini(&k);
}

Test(kubeconfig, what_is_not_there_is_named)
{
    expect_refused(two_clusters, "mars", "no context \"mars\"");
    expect_refused("contexts: []\n", "", "no current-context");
    expect_refused("", "", "no current-context");
    expect_refused("- a\n- list\n", "x", "no context \"x\"");
    expect_refused("contexts: [{name: x, context: {cluster: y}}]\n", "x", "no cluster \"y\"");
    expect_refused("contexts: [{name: x, context: {cluster: y, user: u}}]\n"
                   "clusters: [{name: y, cluster: {server: 'http://h'}}]\n",
                   "x", "no user \"u\"");
    expect_refused("contexts: [{name: x, context: {cluster: y}}]\n"
                   "clusters: [{name: y, cluster: {}}]\n",
                   "x", "no server");
}

Test(kubeconfig, what_is_no_yaml_is_told_with_its_line)
{
    expect_refused("a: b\nc: [\n", "", "line 3: it is no YAML");
    expect_refused("a: *nothing\n", "", "line 1: it is no YAML");
}

static void expect_user_refused(const char *user, const char *words)
{
    char *text = xasprintf("contexts: [{name: x, context: {cluster: y, user: u}}]\n"
                           "clusters: [{name: y, cluster: {server: 'https://h'}}]\n"
                           "users: [{name: u, user: %s}]\n",
                           user);

    expect_refused(text, "x", words);
    free(text);
}

Test(kubeconfig, users_that_cannot_be_are_refused_with_a_reason)
{
    expect_user_refused("{exec: {command: aws}}", "come from a program (exec)");
    expect_user_refused("{auth-provider: {name: gcp}}", "auth-provider");
    expect_user_refused("{token: t, as: root}", "acts as another one");
    expect_user_refused("{token: t, username: ann}", "both a token and a username");
    expect_user_refused("{client-certificate: /c}", "without its key");
    expect_user_refused("{client-key-data: QUFB}", "without its key");
    expect_user_refused("{client-key-data: '?'}", "client-key-data is not base64");
    expect_user_refused("{client-key-data: QQBB}", "client-key-data holds no PEM text");
    expect_user_refused("{token: \"a\\r\\nX: y\"}", "token has control characters");
}

static void expect_cluster_refused(const char *cluster, const char *words)
{
    char *text = xasprintf("contexts: [{name: x, context: {cluster: y}}]\n"
                           "clusters: [{name: y, cluster: %s}]\n",
                           cluster);

    expect_refused(text, "x", words);
    free(text);
}

Test(kubeconfig, clusters_that_cannot_be_are_refused_with_a_reason)
{
    expect_cluster_refused("{server: 'https://h', proxy-url: 'http://p'}", "proxy-url");
    expect_cluster_refused("{server: 'https://h', insecure-skip-tls-verify: 1}", "true nor false");
    expect_cluster_refused("{server: 'https://h', certificate-authority-data: a}", "not base64");
}

Test(kubeconfig, a_path_without_a_directory_leaves_others_as_they_are)
{
    struct kubeconfig k;
    char *why;

    cr_assert_eq(kubeconfig_read(&k, slice_str(two_clusters), "config", "home", &why), EG_OK);
    cr_expect_str_eq(k.ca_path, "pki/ca.crt");
    kubeconfig_fini(&k);
}
