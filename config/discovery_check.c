/* What the keys of a discovery section must be together, and what their strings hold. Nothing here
 * asks the network, nor whether the file of type = "file" is there: it may come later. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/discovery_internal.h"
#include "config/files_internal.h"

enum {
    FILE_MAX_BYTES = 1024 * 1024, /* a kubeconfig may hold certificates */
    ADDRESSES_MAX = 16,           /* of one source, asked in turn */
    LABEL_MAX_BYTES = 63,
};

static const char *const no_words[] = {NULL};

/* ---- keys of other types ---- */

#define FOR(type) (1u << CONFIG_DISCOVERY_##type)

static const struct {
    const char *key;
    unsigned types; /* that have it */
    unsigned needed_by;
    const char *example;
} discovery_owners[] = {
    {"path", FOR(FILE), FOR(FILE), "\"endpoints.json\""},
    {"name", FOR(DNS), FOR(DNS), "\"app.internal:8080\""},
    {"record", FOR(DNS), 0, NULL},
    {"port", FOR(DNS) | FOR(KUBERNETES), 0, NULL},
    {"interval", FOR(DNS), 0, NULL},
    {"address", FOR(CONSUL) | FOR(ETCD), FOR(CONSUL) | FOR(ETCD), "\"127.0.0.1:8500\""},
    {"tls", FOR(CONSUL) | FOR(ETCD), 0, NULL},
    {"service", FOR(CONSUL) | FOR(KUBERNETES), FOR(CONSUL) | FOR(KUBERNETES), "\"app\""},
    {"tag", FOR(CONSUL), 0, NULL},
    {"datacenter", FOR(CONSUL), 0, NULL},
    {"token", FOR(CONSUL), 0, NULL},
    {"token_file", FOR(CONSUL), 0, NULL},
    {"wait", FOR(CONSUL), 0, NULL},
    {"register", FOR(CONSUL), 0, NULL},
    {"namespace", FOR(KUBERNETES), 0, NULL},
    {"kubeconfig", FOR(KUBERNETES), 0, NULL},
    {"context", FOR(KUBERNETES), 0, NULL},
    {"prefix", FOR(ETCD), FOR(ETCD), "\"/services/app/\""},
    {"user", FOR(ETCD), 0, NULL},
    {"password_file", FOR(ETCD), 0, NULL},
};

bool config_discovery_asks(const struct config_node *group, const char *key)
{
    const struct config_node *node = config_node_find(group, key);

    return node != NULL && !config_node_is_empty(node);
}

static const char *discovery_type_name(unsigned type)
{
    return config_discovery_type_name((enum config_discovery_type)type);
}

/* True when all are there that its type needs. */
static bool check_owners(struct schema_walk *walk, const struct config_node *group,
                         const struct config_discovery *block)
{
    const char *type = config_discovery_type_name(block->type);
    bool complete = true;

    for (size_t i = 0; i < sizeof(discovery_owners) / sizeof(discovery_owners[0]); i++) {
        const char *key = discovery_owners[i].key;
        bool asked = config_discovery_asks(group, key);

        if (asked) {
            config_check_owners(walk, config_node_find(group, key), block->type,
                                discovery_owners[i].types, discovery_type_name);
        } else if ((discovery_owners[i].needed_by >> block->type & 1) != 0) {
            config_diag_add(walk->diag, config_node_line(group, key),
                            "\"%s\" is missing, which type = \"%s\" needs; write %s = %s", key,
                            type, key, discovery_owners[i].example);
            complete = false;
        }
    }
    return complete;
}

/* ---- strings ---- */

/* They come out in requests, logs and the management API. */
static void check_plain(struct schema_walk *walk, const struct config_node *group, const char *key,
                        const char *text)
{
    for (const char *p = text; p != NULL && *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x20 && *p != 0x7f)
            continue;
        config_diag_add(walk->diag, config_node_line(group, key),
                        "%s has control characters; remove them", key);
        return;
    }
}

/* A header's value, without the spaces that a forgotten line end or a paste leaves. */
static void check_token(struct schema_walk *walk, const struct config_node *group,
                        const char *token)
{
    for (const char *p = token; *p != '\0'; p++) {
        if (*p > ' ' && *p < 0x7f)
            continue;
        config_diag_add(walk->diag, config_node_line(group, "token"),
                        "token has characters that no token has; write it without spaces");
        return;
    }
}

/* A DNS label as Kubernetes names its objects (RFC 1123 section 2.1; lower case). */
static bool is_label(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        bool mark = text[i] == '-' && i > 0 && i + 1 < n;

        if (!mark && !(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9'))
            return false;
    }
    return n > 0 && n <= LABEL_MAX_BYTES;
}

static void check_label(struct schema_walk *walk, const struct config_node *group, const char *key,
                        const char *text)
{
    if (text != NULL && text[0] != '\0' && !is_label(text))
        config_diag_add(walk->diag, config_node_line(group, key),
                        "%s: \"%s\" is no name of Kubernetes; write 1 to 63 lower case letters, "
                        "digits and \"-\"",
                        key, text);
}

/* ---- files ---- */

/* *ret_digest (NULL: not wanted) is of what it holds; the content is read by whoever uses it. */
static void check_file(struct schema_walk *walk, const struct config_node *group, const char *key,
                       const char *path, struct config_digest *ret_digest)
{
    struct whole_file content;
    char *why;

    if (path == NULL)
        return;
    if (config_file_read(&content, walk->diag, path, FILE_MAX_BYTES, &why)) {
        if (ret_digest != NULL)
            *ret_digest = config_digest_of(&content);
        explicit_bzero(content.text, content.size);
        free(content.text);
        return;
    }
    config_diag_add(walk->diag, config_node_line(group, key), "%s: cannot read \"%s\": %s", key,
                    path, why);
    free(why);
}

/* ---- by type ---- */

static void check_addresses(struct schema_walk *walk, const struct config_node *group,
                            const struct config_discovery *block)
{
    unsigned line = config_node_line(group, "address");
    size_t count = 0;

    for (; block->addresses[count] != NULL; count++) {
        if (strstr(block->addresses[count], "://") != NULL)
            config_diag_add(walk->diag, line,
                            "address: \"%s\" is a URL; write HOST:PORT, and tls = { } beside it "
                            "for https",
                            block->addresses[count]);
        else
            config_check_address(walk, line, "address", block->addresses[count], false);
    }
    if (count > ADDRESSES_MAX)
        config_diag_add(walk->diag, line, "address has %zu elements; write at most %d", count,
                        ADDRESSES_MAX);
}

static void check_consul(struct schema_walk *walk, const struct config_node *group,
                         const struct config_discovery *block)
{
    check_addresses(walk, group, block);
    check_plain(walk, group, "service", block->service);
    check_plain(walk, group, "datacenter", block->datacenter);
    for (const char **tag = block->service_tags; *tag != NULL; tag++)
        check_plain(walk, group, "tag", *tag);
    check_token(walk, group, block->token);
    if (block->token[0] != '\0' && block->token_file != NULL)
        config_diag_add(walk->diag, config_node_line(group, "token_file"),
                        "token_file: there is a token beside it; write one of them");
    check_file(walk, group, "token_file", block->token_file, NULL);
}

static void check_kubernetes(struct schema_walk *walk, const struct config_node *group,
                             const struct config_discovery *block)
{
    check_label(walk, group, "service", block->service);
    check_label(walk, group, "namespace", block->namespace);
    check_label(walk, group, "port", block->port_name);
    check_plain(walk, group, "context", block->context);
    if (block->context[0] != '\0' && block->kubeconfig == NULL)
        config_diag_add(walk->diag, config_node_line(group, "context"),
                        "context is one of a kubeconfig's; write kubeconfig = \"FILE\" beside it");
    check_file(walk, group, "kubeconfig", block->kubeconfig, NULL);
}

static void check_etcd(struct schema_walk *walk, const struct config_node *group,
                       struct config_discovery *block)
{
    bool user = block->user[0] != '\0', password = block->password_file != NULL;

    check_addresses(walk, group, block);
    check_plain(walk, group, "prefix", block->prefix);
    check_plain(walk, group, "user", block->user);
    if (user != password)
        config_diag_add(walk->diag, config_node_line(group, user ? "user" : "password_file"),
                        "etcd wants both user and password_file; write %s beside it",
                        user ? "password_file = \"FILE\"" : "user = \"NAME\"");
    check_file(walk, group, "password_file", block->password_file, &block->password_digest);
}

/* ---- the section ---- */

/* A type that was refused, or is missing, says nothing about the keys beside it. */
static bool type_is_good(const struct config_node *group, const struct config_discovery *block)
{
    const struct config_node *type = config_node_find(group, "type");

    return type != NULL && type->type == CONFIG_NODE_STRING &&
           strcmp(type->string, config_discovery_type_name(block->type)) == 0;
}

/* What was of the wrong type was reported, and is as if empty. */
static void discovery_fill(struct config_discovery *block)
{
    if (block->name == NULL)
        block->name = "";
    if (block->service == NULL)
        block->service = "";
    if (block->prefix == NULL)
        block->prefix = "";
    if (block->addresses == NULL)
        block->addresses = (const char **)no_words;
    if (block->service_tags == NULL)
        block->service_tags = (const char **)no_words;
    if (block->port_name == NULL)
        block->port_name = "";
}

void config_discovery_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_discovery *block = out;

    block->where = config_schema_where(walk, group->line);
    discovery_fill(block);
    if (block->cache != NULL)
        config_check_replaceable(walk, config_node_line(group, "cache"), "cache", block->cache);
    if (!type_is_good(group, block))
        return;
    if (!check_owners(walk, group, block))
        return;
    if (block->type == CONFIG_DISCOVERY_DNS && block->name[0] != '\0')
        config_discovery_check_dns(walk, group, block);
    else if (block->type == CONFIG_DISCOVERY_CONSUL)
        check_consul(walk, group, block);
    else if (block->type == CONFIG_DISCOVERY_KUBERNETES)
        check_kubernetes(walk, group, block);
    else if (block->type == CONFIG_DISCOVERY_ETCD)
        check_etcd(walk, group, block);
    block->key = config_discovery_key(walk, block);
}

/* ---- register ---- */

/* A host without a port: that is beside it. */
static bool is_host(const char *text)
{
    char *address = xasprintf(strchr(text, ':') != NULL ? "[%s]:1" : "%s:1", text);
    struct config_address parsed;
    char *why = config_address_parse(&parsed, slice_str(address), 1);
    bool host =
        why == NULL && parsed.kind != CONFIG_ADDRESS_ANY && parsed.kind != CONFIG_ADDRESS_UNIX;

    free(why);
    free(address);
    return host;
}

void config_registration_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_registration *registration = out;

    if (registration->id == NULL)
        registration->id =
            config_schema_format(walk, "%s-%u", registration->name, registration->port);
    if (registration->address[0] != '\0' && !is_host(registration->address))
        config_diag_add(walk->diag, config_node_line(group, "address"),
                        "address: \"%s\" is neither an IP address nor a host name; write one such "
                        "as \"10.0.0.5\", and its port beside it",
                        registration->address);
    for (const char **tag = registration->tags; *tag != NULL; tag++)
        check_plain(walk, group, "tags", *tag);
}
