/* See kube_api.h. */
#include "discovery/kube_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "client/words.h"

enum { OPAQUE_BYTES = 8 * 1024 }; /* `continue` holds a key of the store, and may be long */

/* ---- targets ---- */

/* RFC 3986 section 2.3. A slash may stand in a query as it is (section 3.4), but not in a name. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static void write_encoded(FILE *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (is_unreserved(*c))
            fputc(*c, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*c);
    }
}

/* Everything up to where list and watch differ. */
static FILE *open_target(const struct kube_scope *scope, char **ret_target, size_t *ret_size)
{
    FILE *out = open_memstream(ret_target, ret_size);

    CHECK(out != NULL);
    fprintf(out, "%s/apis/discovery.k8s.io/v1/namespaces/", scope->path);
    write_encoded(out, scope->namespace);
    fputs("/endpointslices?labelSelector=kubernetes.io/service-name%3D", out);
    write_encoded(out, scope->service);
    return out;
}

char *kube_list_target(const struct kube_scope *scope, const char *continue_token)
{
    char *target = NULL;
    size_t size;
    FILE *out = open_target(scope, &target, &size);

    fprintf(out, "&limit=%d", KUBE_PAGE_ITEMS);
    if (continue_token) {
        fputs("&continue=", out);
        write_encoded(out, continue_token);
    }
    CHECK(fclose(out) == 0);
    return target;
}

char *kube_watch_target(const struct kube_scope *scope, const char *version, unsigned seconds)
{
    char *target = NULL;
    size_t size;
    FILE *out = open_target(scope, &target, &size);

    fputs("&watch=true&allowWatchBookmarks=true&resourceVersion=", out);
    write_encoded(out, version);
    fprintf(out, "&timeoutSeconds=%u", seconds);
    CHECK(fclose(out) == 0);
    return target;
}

/* ---- what objects say ---- */

static const char *opaque_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(json_object_get(object, "metadata"), key);
    size_t n = json_string_length(value);

    return n > 0 && n <= OPAQUE_BYTES ? json_string_value(value) : NULL;
}

const char *kube_version_of(const json_t *object)
{
    return opaque_of(object, "resourceVersion");
}

const char *kube_continue_of(const json_t *list)
{
    return opaque_of(list, "continue");
}

/* "API concepts", "410 Gone responses": the code, or either reason. */
static bool is_expired(const json_t *status)
{
    const char *reason = json_string_value(json_object_get(status, "reason"));

    if (json_integer_value(json_object_get(status, "code")) == 410)
        return true;
    return reason && (strcmp(reason, "Expired") == 0 || strcmp(reason, "Gone") == 0);
}

struct kube_event kube_event_read(const json_t *json)
{
    static const struct {
        const char *name;
        enum kube_event_type type;
    } types[] = {
        {"ADDED", KUBE_EVENT_PUT},       {"MODIFIED", KUBE_EVENT_PUT},
        {"DELETED", KUBE_EVENT_DELETED}, {"BOOKMARK", KUBE_EVENT_BOOKMARK},
        {"ERROR", KUBE_EVENT_ERROR},
    };
    const char *name = json_string_value(json_object_get(json, "type"));
    struct kube_event event = {KUBE_EVENT_UNKNOWN, json_object_get(json, "object")};

    for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            event.type = types[i].type;
    if (!json_is_object(event.object))
        event.type = KUBE_EVENT_UNKNOWN;
    if (event.type == KUBE_EVENT_ERROR && is_expired(event.object))
        event.type = KUBE_EVENT_EXPIRED;
    return event;
}

/* ---- refusals ---- */

/* UTF-8 that is cut would be none, and JSON of ours has to be. */
const char *kube_quote(char *out, const json_t *text)
{
    words_quote(out, json_is_string(text)
                         ? slice_from(json_string_value(text), json_string_length(text))
                         : slice_from("", 0));
    for (char *c = out; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return out;
}

/* ": the server's words", or "". */
static const char *words_of(char out[2 + WORDS_QUOTE_BYTES], const json_t *body)
{
    const json_t *message = json_object_get(body, "message");
    char quoted[WORDS_QUOTE_BYTES];

    if (json_string_length(message) == 0)
        return "";
    snprintf(out, 2 + WORDS_QUOTE_BYTES, ": %s", kube_quote(quoted, message));
    return out;
}

const char *kube_problem(char out[KUBE_PROBLEM_BYTES], int status, const json_t *body,
                         const struct kube_asker *asker)
{
    const char *who = asker->in_cluster ? "the service account" : "the kubeconfig's user";
    char words[2 + WORDS_QUOTE_BYTES];

    switch (status) {
    case 401:
        snprintf(out, KUBE_PROBLEM_BYTES, "status 401: %s%s%.250s",
                 asker->withheld
                     ? "credentials are only sent over https, and the server's URL is http"
                     : "the API server does not accept the credentials",
                 asker->unread ? ", and newer ones cannot be read: " : "",
                 asker->unread ? asker->unread : "");
        break;
    case 403:
        snprintf(out, KUBE_PROBLEM_BYTES,
                 "status 403: %s may not %s endpointslices in namespace \"%.*s\": apply "
                 "deploy/kubernetes/base/rbac.yaml there%s",
                 who, asker->verb, 63, asker->scope->namespace, words_of(words, body));
        break;
    case 404:
        snprintf(out, KUBE_PROBLEM_BYTES,
                 "status 404: the API server has no discovery.k8s.io/v1, which Kubernetes has "
                 "since 1.21%s",
                 words_of(words, body));
        break;
    default:
        snprintf(out, KUBE_PROBLEM_BYTES, "status %d to a %s%s", status, asker->verb,
                 words_of(words, body));
    }
    return out;
}
