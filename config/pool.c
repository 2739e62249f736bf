/* pools[]: groups of backends and how they are used. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/sections_internal.h"

/* ---- keepalive, timeouts ---- */

static const struct schema_key keepalive_keys[] = {
    {"idle", SCHEMA_INTEGER, "64", SCHEMA_AT(struct config_pool, keepalive.idle), .min = 0,
     .max = 65535},
    {"timeout", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_pool, keepalive.timeout_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"max_requests", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config_pool, keepalive.max_requests),
     .min = 0, .max = INT32_MAX},
};

const struct schema_section config_keepalive_section = {
    .title = "pools.keepalive",
    .struct_bytes = sizeof(struct config_pool),
    SCHEMA_KEYS(keepalive_keys),
};

static const struct schema_key timeouts_keys[] = {
    {"connect", SCHEMA_DURATION, "2s", SCHEMA_AT(struct config_pool, timeouts.connect_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"response", SCHEMA_DURATION, "30s", SCHEMA_AT(struct config_pool, timeouts.response_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"idle", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_pool, timeouts.idle_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_pool_timeouts_section = {
    .title = "pools.timeouts",
    .struct_bytes = sizeof(struct config_pool),
    SCHEMA_KEYS(timeouts_keys),
};

/* ---- tls ---- */

static void pool_tls_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_pool_tls *tls = out;
    struct config_key_pair pair = {tls->cert_path, tls->key_path, &tls->cert_digest,
                                   &tls->key_digest};

    if (tls->sni != NULL && tls->sni[0] == '\0')
        tls->sni = NULL;
    if (tls->sni != NULL && !config_is_host_name(slice_str(tls->sni)))
        config_diag_add(walk->diag, config_node_line(group, "sni"),
                        "sni: \"%s\" is not a host name; write one such as \"app.internal\"",
                        tls->sni);
    if ((tls->cert_path == NULL) != (tls->key_path == NULL))
        config_diag_add(walk->diag, config_node_line(group, tls->cert_path ? "cert" : "key"),
                        "a client certificate needs both cert and key; write %s = \"FILE\"",
                        tls->cert_path != NULL ? "key" : "cert");
    else
        config_check_key_pair(walk, group, &pair);
    config_check_ca(walk, group, "ca", tls->ca_path, &tls->ca_digest);
}

static const struct schema_key pool_tls_keys[] = {
    {"sni", SCHEMA_STRING, SCHEMA_AT(struct config_pool_tls, sni), .example = "\"app.internal\""},
    {"ca", SCHEMA_PATH, SCHEMA_AT(struct config_pool_tls, ca_path),
     SCHEMA_DIGEST(struct config_pool_tls, ca_digest), .example = "\"FILE.pem\""},
    {"verify", SCHEMA_BOOL, "true", SCHEMA_AT(struct config_pool_tls, verify)},
    {"cert", SCHEMA_PATH, SCHEMA_AT(struct config_pool_tls, cert_path),
     SCHEMA_DIGEST(struct config_pool_tls, cert_digest), .example = "\"FILE.pem\""},
    {"key", SCHEMA_PATH, SCHEMA_AT(struct config_pool_tls, key_path),
     SCHEMA_DIGEST(struct config_pool_tls, key_digest), .example = "\"FILE.key\""},
};

const struct schema_section config_pool_tls_section = {
    .title = "pools.tls",
    .struct_bytes = sizeof(struct config_pool_tls),
    SCHEMA_KEYS(pool_tls_keys),
    .check = pool_tls_check,
};

/* ---- hash_key ---- */

static void pool_set_hash(struct schema_walk *walk, struct config_pool *pool,
                          enum config_hash_key key, const char *name)
{
    pool->hash_key = key;
    pool->hash_name = config_schema_dup(walk, name);
}

static void pool_read_hash_key(struct schema_walk *walk, const struct config_node *node, void *out)
{
    static const char header[] = "header:", cookie[] = "cookie:";
    const char *text = config_schema_string(walk, node, "a string", "\"ip\"");

    if (text == NULL)
        return;
    if (strcmp(text, "ip") == 0)
        pool_set_hash(walk, out, CONFIG_HASH_IP, "");
    else if (strcmp(text, "uri") == 0)
        pool_set_hash(walk, out, CONFIG_HASH_URI, "");
    /* A cookie's name is a token too, RFC 6265 section 4.1.1. */
    else if (strncmp(text, header, 7) == 0 && http_is_token(slice_str(text + 7)))
        pool_set_hash(walk, out, CONFIG_HASH_HEADER, text + 7);
    else if (strncmp(text, cookie, 7) == 0 && http_is_token(slice_str(text + 7)))
        pool_set_hash(walk, out, CONFIG_HASH_COOKIE, text + 7);
    else
        config_diag_add(walk->diag, node->line,
                        "hash_key: \"%s\" is not known; write \"ip\", \"uri\", \"header:NAME\" or "
                        "\"cookie:NAME\"",
                        text);
}

static json_t *pool_show_hash_key(const struct config *config, const void *in)
{
    static const char *const words[] = {[CONFIG_HASH_IP] = "ip",
                                        [CONFIG_HASH_URI] = "uri",
                                        [CONFIG_HASH_HEADER] = "header:",
                                        [CONFIG_HASH_COOKIE] = "cookie:"};
    const struct config_pool *pool = in;

    return json_sprintf("%s%s", words[pool->hash_key], pool->hash_name);
}

/* ---- the pool itself ---- */

static const char *const algorithm_words[CONFIG_ALGORITHM_COUNT + 1] = {
    [CONFIG_ROUND_ROBIN] = "round_robin",
    [CONFIG_WEIGHTED] = "weighted",
    [CONFIG_LEAST_CONNECTIONS] = "least_connections",
    [CONFIG_IP_HASH] = "ip_hash",
    [CONFIG_RANDOM] = "random",
    [CONFIG_CONSISTENT_HASH] = "consistent_hash",
    [CONFIG_LEAST_LATENCY] = "least_latency",
};

const char *config_algorithm_name(enum config_algorithm algorithm)
{
    CHECK(algorithm < CONFIG_ALGORITHM_COUNT);
    return algorithm_words[algorithm];
}

static void pool_check_ids(struct schema_walk *walk, const struct config_node *backends,
                           const struct config_pool *pool)
{
    const char **names = xcalloc(pool->backend_count + 1, sizeof(*names));
    unsigned *lines = xcalloc(pool->backend_count + 1, sizeof(*lines));
    size_t count = 0;

    for (size_t i = 0; i < pool->backend_count; i++) {
        if (pool->backends[i].id == NULL || pool->backends[i].id[0] == '\0')
            continue;
        names[count] = pool->backends[i].id;
        lines[count++] = backends->children[i].line;
    }
    config_schema_check_unique(walk, names, lines, count, "backend id", "id");
    free(names);
    free(lines);
}

static void pool_check_policies(struct schema_walk *walk, const struct config_node *group,
                                const struct config_pool *pool)
{
    const struct config_place *here = &walk->config->place;

    if (pool->recovery != NULL && pool->health == NULL)
        config_diag_add(walk->diag, config_node_line(group, "recovery"),
                        "recovery needs checks to know when it is called for and whether it "
                        "helped; write health = { } beside it");
    if (pool->locality == CONFIG_LOCALITY_PREFER && here->region[0] == '\0' &&
        here->zone[0] == '\0')
        config_diag_add(walk->diag, config_node_line(group, "locality"),
                        "locality: it is not known where this instance is; write region = "
                        "\"...\"; zone = \"...\"; at the top of the file");
}

/* The first key of each part that stands in the file. */
static void pool_note_parts(struct schema_walk *walk, const struct config_node *group,
                            struct config_pool *pool)
{
    const struct schema_section *section = &config_pool_section;

    pool->where = config_schema_where(walk, group->line);
    for (size_t i = 0; i < section->key_count; i++) {
        const struct config_node *node = config_node_find(group, section->keys[i].name);
        unsigned bit = (unsigned)__builtin_ctz((unsigned)section->keys[i].part | 1u << 31);

        if (node != NULL && bit < CONFIG_POOL_PARTS && pool->parts[bit].file == NULL)
            pool->parts[bit] = config_schema_where(walk, node->line);
    }
}

const struct config_where *config_where_of(const struct config_pool *pool,
                                           enum config_pool_part part)
{
    return &pool->parts[__builtin_ctz((unsigned)part)];
}

static void pool_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct config_node *backends = config_node_find(group, "backends");
    struct config_pool *pool = out;

    if (pool->name == NULL)
        pool->name =
            config_schema_format(walk, "pool-%zu", (size_t)(pool - walk->config->pools) + 1);
    pool_note_parts(walk, group, pool);
    pool_check_policies(walk, group, pool);
    if (backends != NULL && backends->type == CONFIG_NODE_LIST)
        pool_check_ids(walk, backends, pool);
}

static const char *const locality_words[] = {
    [CONFIG_LOCALITY_OFF] = "off", [CONFIG_LOCALITY_PREFER] = "prefer", NULL};

static const struct schema_key pool_keys[] = {
    {"algorithm", SCHEMA_CHOICE, "round_robin", SCHEMA_AT(struct config_pool, algorithm),
     .choices = algorithm_words, .part = CONFIG_PART_ALGORITHM},
    {"hash_key", SCHEMA_CUSTOM, "ip", .read = pool_read_hash_key, .show = pool_show_hash_key,
     .part = CONFIG_PART_ALGORITHM},
    {"outlier", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, outlier),
     .section = &config_outlier_section, .part = CONFIG_PART_OUTLIER},
    {"breaker", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, breaker),
     .section = &config_breaker_section, .part = CONFIG_PART_BREAKER},
    {"retry", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, retry), .section = &config_retry_section,
     .part = CONFIG_PART_RETRY},
    {"failover", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, failover),
     .section = &config_failover_section, .part = CONFIG_PART_FAILOVER},
    {"failback", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, failback),
     .section = &config_failback_section, .part = CONFIG_PART_FAILBACK},
    /* Up to here: POOL_POLICY_KEYS. */
    {"name", SCHEMA_NAME, SCHEMA_AT(struct config_pool, name), .example = "\"api\""},
    {"sticky", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_pool, sticky),
     .section = &config_sticky_section, .part = CONFIG_PART_STICKY},
    {"locality", SCHEMA_CHOICE, "off", SCHEMA_AT(struct config_pool, locality),
     .choices = locality_words, .part = CONFIG_PART_LOCALITY},
    {"slow_start", SCHEMA_DURATION, "0", SCHEMA_AT(struct config_pool, slow_start_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS, .part = CONFIG_PART_LIMITS},
    {"max_connections", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config_pool, max_connections),
     .min = 0, .max = CONFIG_MAX_CONNECTIONS, .part = CONFIG_PART_LIMITS},
    {"max_pending", SCHEMA_INTEGER, "1024", SCHEMA_AT(struct config_pool, max_pending), .min = 0,
     .max = CONFIG_MAX_CONNECTIONS, .part = CONFIG_PART_LIMITS},
    {"pending_timeout", SCHEMA_DURATION, "1s", SCHEMA_AT(struct config_pool, pending_timeout_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS,
     .part = CONFIG_PART_LIMITS},
    {"keepalive", SCHEMA_GROUP, .section = &config_keepalive_section,
     .part = CONFIG_PART_KEEPALIVE},
    {"tls", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_pool, tls),
     .section = &config_pool_tls_section, .part = CONFIG_PART_TLS},
    {"timeouts", SCHEMA_GROUP, .section = &config_pool_timeouts_section,
     .part = CONFIG_PART_TIMEOUTS},
    {"health", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_pool, health),
     .section = &config_health_section, .part = CONFIG_PART_HEALTH},
    {"fallback", SCHEMA_GROUP, SCHEMA_AT(struct config_pool, fallback),
     .section = &config_fallback_section, .part = CONFIG_PART_FALLBACK},
    {"recovery", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_pool, recovery),
     .section = &config_recovery_section, .part = CONFIG_PART_RECOVERY},
    {"discovery", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_pool, discovery),
     .section = &config_discovery_section, .part = CONFIG_PART_DISCOVERY},
    {"backends", SCHEMA_LIST, SCHEMA_AT(struct config_pool, backends),
     SCHEMA_COUNT(struct config_pool, backend_count), .section = &config_backend_section,
     .part = CONFIG_PART_BACKENDS},
};

const struct schema_section config_pool_section = {
    .title = "pools",
    .label = "pool",
    .identity = {"name"},
    .struct_bytes = sizeof(struct config_pool),
    SCHEMA_KEYS(pool_keys),
    .check = pool_check,
};

/* What of a pool an operator may change over the API: the first keys of the same table. */
enum { POOL_POLICY_KEYS = 7 };

const struct schema_section config_policy_section = {
    .title = "policy",
    .struct_bytes = sizeof(struct config_pool),
    .keys = pool_keys,
    .key_count = POOL_POLICY_KEYS,
};
