/* See kubeconfig.h. libyaml reads the document; a kubeconfig that is JSON is YAML too. */
#include "discovery/kubeconfig.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/base64.h"

struct reading {
    yaml_document_t *document;
    const char *path;
    char **ret_why;
    struct kubeconfig *into;
};

static int refuse(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct reading *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *sentence = xvasprintf(format, args);
    va_end(args);
    free(*r->ret_why); /* the first sentence may have been made already */
    *r->ret_why = xasprintf("kubeconfig \"%s\": %s", r->path, sentence);
    free(sentence);
    return EG_E_INTERNAL;
}

/* ---- looking about in the document ---- */

static struct slice scalar_of(const yaml_node_t *node)
{
    if (!node || node->type != YAML_SCALAR_NODE)
        return slice_from(NULL, 0);
    return slice_from((const char *)node->data.scalar.value, node->data.scalar.length);
}

/* NULL: it is no mapping, or has no such key. */
static yaml_node_t *value_of(struct reading *r, yaml_node_t *mapping, const char *key)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++)
        if (slice_eq(scalar_of(yaml_document_get_node(r->document, pair->key)), slice_str(key)))
            return yaml_document_get_node(r->document, pair->value);
    return NULL;
}

static struct slice text_of(struct reading *r, yaml_node_t *mapping, const char *key)
{
    return scalar_of(value_of(r, mapping, key));
}

/* The entry of a list of {name: ..., `kind`: {...}}; NULL: there is none of that name. */
static yaml_node_t *named_of(struct reading *r, const char *list, const char *kind,
                             struct slice name)
{
    yaml_node_t *entries = value_of(r, yaml_document_get_root_node(r->document), list);

    if (!entries || entries->type != YAML_SEQUENCE_NODE)
        return NULL;
    for (yaml_node_item_t *item = entries->data.sequence.items.start;
         item < entries->data.sequence.items.top; item++) {
        yaml_node_t *entry = yaml_document_get_node(r->document, *item);
        yaml_node_t *found = value_of(r, entry, kind);

        if (found && slice_eq(text_of(r, entry, "name"), name))
            return found;
    }
    return NULL;
}

/* ---- values ---- */

/* Texts become headers, paths and names: what has control characters is none of these. An empty
 * text is as if it were not there. */
static int take_text(struct reading *r, yaml_node_t *mapping, const char *key, char **ret_text)
{
    struct slice text = text_of(r, mapping, key);

    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return refuse(r, "%s has control characters", key);
    if (text.n > 0)
        *ret_text = xstrndup(text.p, text.n);
    return EG_OK;
}

static int take_path(struct reading *r, yaml_node_t *mapping, const char *key, char **ret_path)
{
    const char *slash = strrchr(r->path, '/');
    char *written = NULL;
    int err = take_text(r, mapping, key, &written);

    if (err != EG_OK || !written)
        return err;
    if (written[0] == '/' || !slash) {
        *ret_path = written;
        return EG_OK;
    }
    *ret_path = xasprintf("%.*s/%s", (int)(slash - r->path), r->path, written);
    free(written);
    return EG_OK;
}

/* PEM as base64; it overrides the path of the same thing. */
static int take_pem(struct reading *r, yaml_node_t *mapping, const char *key, char **ret_pem,
                    char **path)
{
    struct slice text = text_of(r, mapping, key);
    size_t size;

    if (text.n == 0)
        return EG_OK;
    char *pem = base64_decode(text, &size);
    if (!pem)
        return refuse(r, "%s is not base64", key);
    *ret_pem = pem;
    if (size == 0 || memchr(pem, '\0', size))
        return refuse(r, "%s holds no PEM text", key);
    free(*path);
    *path = NULL;
    return EG_OK;
}

static int take_bool(struct reading *r, yaml_node_t *mapping, const char *key, bool *ret_value)
{
    struct slice text = text_of(r, mapping, key);

    *ret_value = slice_eq(text, SLICE_LIT("true"));
    if (*ret_value || text.n == 0 || slice_eq(text, SLICE_LIT("false")))
        return EG_OK;
    return refuse(r, "%s is neither true nor false", key);
}

/* ---- the three that make an access ---- */

static int read_cluster(struct reading *r, yaml_node_t *cluster)
{
    struct kubeconfig *k = r->into;
    int err;

    if (text_of(r, cluster, "proxy-url").n > 0)
        return refuse(r, "proxy-url: an API server behind a proxy cannot be asked");
    if ((err = take_text(r, cluster, "server", &k->server)) != EG_OK ||
        (err = take_text(r, cluster, "tls-server-name", &k->tls_server_name)) != EG_OK ||
        (err = take_path(r, cluster, "certificate-authority", &k->ca_path)) != EG_OK ||
        (err = take_pem(r, cluster, "certificate-authority-data", &k->ca_pem, &k->ca_path)) !=
            EG_OK)
        return err;
    if (!k->server)
        return refuse(r, "the cluster has no server");
    return take_bool(r, cluster, "insecure-skip-tls-verify", &k->insecure);
}

static int refuse_foreign_users(struct reading *r, yaml_node_t *user)
{
    if (value_of(r, user, "exec"))
        return refuse(r, "the user's credentials come from a program (exec), which evergate does "
                         "not run; use a token, a tokenFile or a client certificate");
    if (value_of(r, user, "auth-provider"))
        return refuse(r, "the user's credentials come from an auth-provider, which Kubernetes has "
                         "not any more; use a token, a tokenFile or a client certificate");
    if (value_of(r, user, "as") || value_of(r, user, "as-uid") || value_of(r, user, "as-groups"))
        return refuse(r, "the user acts as another one (as), which evergate does not do");
    return EG_OK;
}

static int read_user(struct reading *r, yaml_node_t *user)
{
    struct kubeconfig *k = r->into;
    int err;

    if ((err = refuse_foreign_users(r, user)) != EG_OK ||
        (err = take_text(r, user, "token", &k->token)) != EG_OK ||
        (err = take_path(r, user, "tokenFile", &k->token_path)) != EG_OK ||
        (err = take_text(r, user, "username", &k->username)) != EG_OK ||
        (err = take_text(r, user, "password", &k->password)) != EG_OK ||
        (err = take_path(r, user, "client-certificate", &k->cert_path)) != EG_OK ||
        (err = take_path(r, user, "client-key", &k->key_path)) != EG_OK ||
        (err = take_pem(r, user, "client-certificate-data", &k->cert_pem, &k->cert_path)) !=
            EG_OK ||
        (err = take_pem(r, user, "client-key-data", &k->key_pem, &k->key_path)) != EG_OK)
        return err;
    if ((k->token || k->token_path) && k->username)
        return refuse(r, "the user has both a token and a username: only one can be sent");
    if ((k->cert_path || k->cert_pem) != (k->key_path || k->key_pem))
        return refuse(r, "the user has a client certificate without its key, or the key alone");
    return EG_OK;
}

static int read_context(struct reading *r, const char *wanted)
{
    yaml_node_t *root = yaml_document_get_root_node(r->document);
    struct slice name = wanted[0] ? slice_str(wanted) : text_of(r, root, "current-context");
    int err;

    if (name.n == 0)
        return refuse(r, "it has no current-context; name one with `context`");
    yaml_node_t *context = named_of(r, "contexts", "context", name);
    if (!context)
        return refuse(r, "it has no context \"%.*s\"", SLICE_FMT(name));
    struct slice cluster_name = text_of(r, context, "cluster");
    struct slice user_name = text_of(r, context, "user");
    yaml_node_t *cluster = named_of(r, "clusters", "cluster", cluster_name);
    yaml_node_t *user = named_of(r, "users", "user", user_name);

    if (!cluster)
        return refuse(r, "it has no cluster \"%.*s\"", SLICE_FMT(cluster_name));
    if (!user && user_name.n > 0)
        return refuse(r, "it has no user \"%.*s\"", SLICE_FMT(user_name));
    if ((err = take_text(r, context, "namespace", &r->into->namespace)) != EG_OK ||
        (err = read_cluster(r, cluster)) != EG_OK)
        return err;
    return user ? read_user(r, user) : EG_OK;
}

/* ---- the document ---- */

int kubeconfig_read(struct kubeconfig *ret_kubeconfig, struct slice text, const char *path,
                    const char *context, char **ret_why)
{
    yaml_parser_t parser;
    yaml_document_t document;
    struct kubeconfig kubeconfig = {0};
    struct reading r = {&document, path, ret_why, &kubeconfig};
    int err;

    *ret_why = NULL;
    CHECK(yaml_parser_initialize(&parser) == 1); /* fails only without memory */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    if (!yaml_parser_load(&parser, &document)) {
        err = refuse(&r, "line %zu: it is no YAML: %s", parser.problem_mark.line + 1,
                     parser.problem ? parser.problem : "it cannot be read");
    } else {
        err = read_context(&r, context);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    if (err == EG_OK)
        *ret_kubeconfig = kubeconfig;
    else
        kubeconfig_fini(&kubeconfig);
    return err;
}

static void forget(char **text)
{
    if (*text)
        OPENSSL_cleanse(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void kubeconfig_fini(struct kubeconfig *k)
{
    char **all[] = {
        &k->server,     &k->namespace, &k->tls_server_name, &k->ca_path, &k->ca_pem,
        &k->cert_path,  &k->cert_pem,  &k->key_path,        &k->key_pem, &k->token,
        &k->token_path, &k->username,  &k->password,
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        forget(all[i]);
}
