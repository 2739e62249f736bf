/* pools[].discovery: where a pool's endpoints are registered. What its keys must be together is in
 * discovery_check.c. */
#include <inttypes.h>

#include "base/check.h"
#include "config/discovery_internal.h"

static const char *const type_words[CONFIG_DISCOVERY_TYPE_COUNT + 1] = {
    [CONFIG_DISCOVERY_FILE] = "file",     [CONFIG_DISCOVERY_DNS] = "dns",
    [CONFIG_DISCOVERY_CONSUL] = "consul", [CONFIG_DISCOVERY_KUBERNETES] = "kubernetes",
    [CONFIG_DISCOVERY_ETCD] = "etcd",
};
static const char *const record_words[] = {[CONFIG_DNS_A] = "a", [CONFIG_DNS_SRV] = "srv", NULL};

const char *config_discovery_type_name(enum config_discovery_type type)
{
    CHECK(type < CONFIG_DISCOVERY_TYPE_COUNT);
    return type_words[type];
}

const char *config_discovery_subject(const struct config_discovery *block)
{
    switch (block->type) {
    case CONFIG_DISCOVERY_FILE:
        return block->path;
    case CONFIG_DISCOVERY_DNS:
        return block->name;
    case CONFIG_DISCOVERY_CONSUL:
    case CONFIG_DISCOVERY_KUBERNETES:
        return block->service;
    case CONFIG_DISCOVERY_ETCD:
        return block->prefix;
    case CONFIG_DISCOVERY_TYPE_COUNT: /* no type; without a default, one that is new is missed */
        break;
    }
    return "";
}

/* ---- one string, or a list of them ---- */

static const char **words_read(struct schema_walk *walk, const struct config_node *node,
                               const char *example)
{
    const struct config_node *elements = node->type == CONFIG_NODE_LIST ? node->children : node;
    size_t count = node->type == CONFIG_NODE_LIST ? node->count : 1, kept = 0;
    const char **words = arena_zalloc(walk->arena, (count + 1) * sizeof(*words));

    for (size_t i = 0; i < count; i++) {
        const char *text = config_schema_string(walk, &elements[i], "a string", example);

        if (text != NULL && text[0] != '\0')
            words[kept++] = config_schema_dup(walk, text);
    }
    return words;
}

/* A single one as it is mostly written, so that both spellings of it are the same. */
static json_t *words_show(const char *const *words)
{
    json_t *list;

    if (words == NULL || words[0] == NULL)
        return NULL;
    if (words[1] == NULL)
        return config_schema_text_json(words[0]);
    list = json_array();
    for (; *words != NULL; words++)
        json_array_append_new(list, config_schema_text_json(*words));
    return list;
}

static void discovery_read_address(struct schema_walk *walk, const struct config_node *node,
                                   void *out)
{
    ((struct config_discovery *)out)->addresses = words_read(walk, node, "\"127.0.0.1:8500\"");
}

static json_t *discovery_show_address(const struct config *config, const void *in)
{
    return words_show(((const struct config_discovery *)in)->addresses);
}

static void discovery_read_tag(struct schema_walk *walk, const struct config_node *node, void *out)
{
    ((struct config_discovery *)out)->service_tags = words_read(walk, node, "\"blue\"");
}

static json_t *discovery_show_tag(const struct config *config, const void *in)
{
    return words_show(((const struct config_discovery *)in)->service_tags);
}

/* ---- port: a number, or Kubernetes' name of one ---- */

static void discovery_read_port(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_discovery *block = out;
    unsigned long long number = 0;

    if (node->type == CONFIG_NODE_STRING) {
        block->port_name = config_schema_dup(walk, node->string);
        if (slice_to_u64(slice_str(node->string), &number) && number <= UINT16_MAX)
            block->port = (unsigned)number;
        return;
    }
    if (node->type != CONFIG_NODE_INTEGER) {
        config_schema_wrong_type(walk, node, "an integer or a name", "8080");
        return;
    }
    if (node->integer < 1 || node->integer > UINT16_MAX) {
        config_diag_add(walk->diag, node->line,
                        "port: %" PRId64 " is out of range; write 1 to 65535", node->integer);
        return;
    }
    block->port = (unsigned)node->integer;
    block->port_name = config_schema_format(walk, "%u", block->port);
}

static json_t *discovery_show_port(const struct config *config, const void *in)
{
    const struct config_discovery *block = in;

    return block->port_name[0] != '\0' ? config_schema_text_json(block->port_name) : NULL;
}

/* ---- token ---- */

static json_t *discovery_show_token(const struct config *config, const void *in)
{
    return config_discovery_show_secret(((const struct config_discovery *)in)->token);
}

static bool discovery_token_is_secret(const void *in)
{
    return true;
}

/* ---- the sections ---- */

enum {
    DISCOVERY_INTERVAL_SHORTEST_MS = 1000,
    DISCOVERY_INTERVAL_LONGEST_MS = 3600 * 1000,
    DISCOVERY_WAIT_SHORTEST_MS = 1000,
    DISCOVERY_WAIT_LONGEST_MS = 600 * 1000, /* as long as Consul lets a query wait */
    DISCOVERY_TTL_SHORTEST_MS = 3000,
    DISCOVERY_BYTES_LEAST = 64 * 1024,
    DISCOVERY_BYTES_MOST = 1024 * 1024 * 1024,
};

static const struct schema_key registration_keys[] = {
    {"name", SCHEMA_NAME, "evergate", SCHEMA_AT(struct config_registration, name),
     .example = "\"evergate\""},
    {"id", SCHEMA_NAME, SCHEMA_AT(struct config_registration, id), .example = "\"edge-1\""},
    {"address", SCHEMA_STRING, "", SCHEMA_AT(struct config_registration, address),
     .example = "\"10.0.0.5\""},
    {"port", SCHEMA_INTEGER, SCHEMA_AT(struct config_registration, port), .min = 1, .max = 65535,
     .required = true, .example = "8080"},
    {"tags", SCHEMA_STRINGS, SCHEMA_AT(struct config_registration, tags),
     .example = "[ \"edge\" ]"},
    {"ttl", SCHEMA_DURATION, "15s", SCHEMA_AT(struct config_registration, ttl_ms),
     .min = DISCOVERY_TTL_SHORTEST_MS, .max = DISCOVERY_INTERVAL_LONGEST_MS},
};

const struct schema_section config_registration_section = {
    .title = "pools.discovery.register",
    .struct_bytes = sizeof(struct config_registration),
    SCHEMA_KEYS(registration_keys),
    .check = config_registration_check,
};

static const struct schema_key discovery_keys[] = {
    {"type", SCHEMA_CHOICE, SCHEMA_AT(struct config_discovery, type), .choices = type_words,
     .required = true, .example = "\"file\""},
    {"allow_empty", SCHEMA_BOOL, "false", SCHEMA_AT(struct config_discovery, allow_empty)},
    {"cache", SCHEMA_PATH, SCHEMA_AT(struct config_discovery, cache),
     .example = "\"/var/lib/evergate/app.json\""},
    {"max_bytes", SCHEMA_SIZE, "16m", SCHEMA_AT(struct config_discovery, max_bytes),
     .min = DISCOVERY_BYTES_LEAST, .max = DISCOVERY_BYTES_MOST},
    {"path", SCHEMA_PATH, SCHEMA_AT(struct config_discovery, path),
     .example = "\"endpoints.json\""},
    {"name", SCHEMA_STRING, SCHEMA_AT(struct config_discovery, name),
     .example = "\"app.internal:8080\""},
    {"record", SCHEMA_CHOICE, "a", SCHEMA_AT(struct config_discovery, record),
     .choices = record_words},
    {"port", SCHEMA_CUSTOM, .read = discovery_read_port, .show = discovery_show_port},
    {"interval", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_discovery, interval_ms),
     .min = DISCOVERY_INTERVAL_SHORTEST_MS, .max = DISCOVERY_INTERVAL_LONGEST_MS},
    {"address", SCHEMA_CUSTOM, .read = discovery_read_address, .show = discovery_show_address},
    {"tls", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_discovery, tls),
     .section = &config_pool_tls_section},
    {"service", SCHEMA_STRING, SCHEMA_AT(struct config_discovery, service), .example = "\"app\""},
    {"tag", SCHEMA_CUSTOM, .read = discovery_read_tag, .show = discovery_show_tag},
    {"datacenter", SCHEMA_STRING, "", SCHEMA_AT(struct config_discovery, datacenter),
     .example = "\"dc1\""},
    {"token", SCHEMA_STRING, "", SCHEMA_AT(struct config_discovery, token),
     .example = "\"${CONSUL_TOKEN}\"", .show = discovery_show_token,
     .is_secret = discovery_token_is_secret},
    {"token_file", SCHEMA_PATH, SCHEMA_AT(struct config_discovery, token_file),
     .example = "\"/etc/evergate/consul.token\""},
    {"wait", SCHEMA_DURATION, "5m", SCHEMA_AT(struct config_discovery, wait_ms),
     .min = DISCOVERY_WAIT_SHORTEST_MS, .max = DISCOVERY_WAIT_LONGEST_MS},
    {"register", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_discovery, registration),
     .section = &config_registration_section},
    {"namespace", SCHEMA_STRING, "", SCHEMA_AT(struct config_discovery, namespace),
     .example = "\"default\""},
    {"kubeconfig", SCHEMA_PATH, SCHEMA_AT(struct config_discovery, kubeconfig),
     .example = "\"/etc/evergate/kubeconfig\""},
    {"context", SCHEMA_STRING, "", SCHEMA_AT(struct config_discovery, context),
     .example = "\"production\""},
    {"prefix", SCHEMA_STRING, SCHEMA_AT(struct config_discovery, prefix),
     .example = "\"/services/app/\""},
    {"user", SCHEMA_STRING, "", SCHEMA_AT(struct config_discovery, user),
     .example = "\"evergate\""},
    {"password_file", SCHEMA_PATH, SCHEMA_AT(struct config_discovery, password_file),
     SCHEMA_DIGEST(struct config_discovery, password_digest),
     .example = "\"/etc/evergate/etcd.password\""},
};

const struct schema_section config_discovery_section = {
    .title = "pools.discovery",
    .struct_bytes = sizeof(struct config_discovery),
    SCHEMA_KEYS(discovery_keys),
    .check = config_discovery_check,
};
