/* Targets, events and refusals, as the documentation of the Kubernetes API has them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "discovery/kube_api.h"

static const struct kube_scope scope = {.path = "", .namespace = "shop", .service = "web"};

static void expect_text(char *text, const char *wanted)
{
    cr_expect_str_eq(text, wanted);
    free(text);
}

Test(kube_api, lists_go_page_by_page)
{
    expect_text(kube_list_target(&scope, NULL),
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector="
                "kubernetes.io/service-name%3Dweb&limit=500");
    expect_text(kube_list_target(&scope, "eyJ2Ijoi+/=="),
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector="
                "kubernetes.io/service-name%3Dweb&limit=500&continue=eyJ2Ijoi%2B%2F%3D%3D");
}

Test(kube_api, watches_begin_at_a_version)
{
    const struct kube_scope odd = {
        .path = "/k8s/c1", .namespace = "../x?y", .service = "a&limit=1"};

    expect_text(kube_watch_target(&scope, "1234", 300),
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector="
                "kubernetes.io/service-name%3Dweb&watch=true&allowWatchBookmarks=true"
                "&resourceVersion=1234&timeoutSeconds=300");
    expect_text(kube_watch_target(&odd, "\r\n\xc3", 1),
                "/k8s/c1/apis/discovery.k8s.io/v1/namespaces/..%2Fx%3Fy/endpointslices?"
                "labelSelector=kubernetes.io/service-name%3Da%26limit%3D1&watch=true"
                "&allowWatchBookmarks=true&resourceVersion=%0D%0A%C3&timeoutSeconds=1");
}

static enum kube_event_type type_of(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    cr_assert_not_null(json, "%s", text);
    enum kube_event_type type = kube_event_read(json).type;
    json_decref(json);
    return type;
}

Test(kube_api, events_are_told_apart)
{
    cr_expect_eq(type_of("{\"type\": \"ADDED\", \"object\": {}}"), KUBE_EVENT_PUT);
    cr_expect_eq(type_of("{\"type\": \"MODIFIED\", \"object\": {}}"), KUBE_EVENT_PUT);
    cr_expect_eq(type_of("{\"type\": \"DELETED\", \"object\": {}}"), KUBE_EVENT_DELETED);
    cr_expect_eq(type_of("{\"type\": \"BOOKMARK\", \"object\": {}}"), KUBE_EVENT_BOOKMARK);
    cr_expect_eq(type_of("{\"type\": \"ERROR\", \"object\": {\"code\": 500}}"), KUBE_EVENT_ERROR);
    cr_expect_eq(type_of("{\"type\": \"ERROR\", \"object\": {\"code\": 410}}"), KUBE_EVENT_EXPIRED);
    cr_expect_eq(type_of("{\"type\": \"ERROR\", \"object\": {\"reason\": \"Expired\"}}"),
                 KUBE_EVENT_EXPIRED);
    cr_expect_eq(type_of("{\"type\": \"ERROR\", \"object\": {\"reason\": \"Gone\"}}"),
                 KUBE_EVENT_EXPIRED);
}

Test(kube_api, what_is_no_event_is_passed_over)
{
    static const char *const texts[] = {
        "{\"type\": \"SPARKLE\", \"object\": {}}", "{\"type\": \"ADDED\"}",
        "{\"type\": \"ADDED\", \"object\": 7}",    "{\"object\": {}}",
        "{\"type\": 7, \"object\": {}}",           "[]",
        "{\"type\": \"added\", \"object\": {}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_eq(type_of(texts[i]), KUBE_EVENT_UNKNOWN, "%s", texts[i]);
}

Test(kube_api, versions_and_tokens_are_taken_as_they_are)
{
    json_t *list =
        json_loads("{\"metadata\": {\"resourceVersion\": \"10\", \"continue\": \"\"}}", 0, NULL);
    json_t *nonsense = json_loads("{\"metadata\": {\"resourceVersion\": 10}}", 0, NULL);

    cr_expect_str_eq(kube_version_of(list), "10");
    cr_expect_null(kube_continue_of(list)); /* "": the last page */
    cr_expect_null(kube_version_of(nonsense));
    cr_expect_null(kube_version_of(NULL));
    json_decref(list);
    json_decref(nonsense);
}

static void expect_problem(int status, const char *message, struct kube_asker asker,
                           const char *wanted)
{
    json_t *body = message ? json_pack("{s:s}", "message", message) : NULL;
    char out[KUBE_PROBLEM_BYTES];

    asker.scope = &scope;
    cr_expect_str_eq(kube_problem(out, status, body, &asker), wanted);
    json_decref(body);
}

Test(kube_api, refusals_say_what_to_do)
{
    expect_problem(
        403, "forbidden: User \"x\" \u00e9\n",
        (struct kube_asker){.verb = "list", .in_cluster = true},
        "status 403: the service account may not list endpointslices in namespace "
        "\"shop\": apply deploy/kubernetes/base/rbac.yaml there: forbidden: User \"x\" ?? ");
    expect_problem(403, NULL, (struct kube_asker){.verb = "watch"},
                   "status 403: the kubeconfig's user may not watch endpointslices in namespace "
                   "\"shop\": apply deploy/kubernetes/base/rbac.yaml there");
    expect_problem(401, NULL, (struct kube_asker){.verb = "list"},
                   "status 401: the API server does not accept the credentials");
    expect_problem(401, NULL, (struct kube_asker){.verb = "list", .withheld = true},
                   "status 401: credentials are only sent over https, and the server's URL is "
                   "http");
    expect_problem(401, NULL, (struct kube_asker){.verb = "list", .unread = "file \"t\": empty"},
                   "status 401: the API server does not accept the credentials, and newer ones "
                   "cannot be read: file \"t\": empty");
    expect_problem(404, NULL, (struct kube_asker){.verb = "list"},
                   "status 404: the API server has no discovery.k8s.io/v1, which Kubernetes has "
                   "since 1.21");
    expect_problem(500, "etcdserver: no leader", (struct kube_asker){.verb = "list"},
                   "status 500 to a list: etcdserver: no leader");
}
