/* listeners[]: where clients connect. */
#include <stdlib.h>
#include <string.h>

#include "config/sections_internal.h"

static const struct schema_key timeouts_keys[] = {
    {"header", SCHEMA_DURATION, "10s", SCHEMA_AT(struct config_listener, timeouts.header_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"body", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_listener, timeouts.body_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"idle", SCHEMA_DURATION, "75s", SCHEMA_AT(struct config_listener, timeouts.idle_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"write", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_listener, timeouts.write_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_listener_timeouts_section = {
    .title = "listeners.timeouts",
    .struct_bytes = sizeof(struct config_listener),
    SCHEMA_KEYS(timeouts_keys),
};

/* A head must fit the loop's read buffer (net/loop.h: 64k) together with what stands before it. */
static const struct schema_key limits_keys[] = {
    {"header_bytes", SCHEMA_SIZE, "32k", SCHEMA_AT(struct config_listener, limits.head.head_bytes),
     .min = 1024, .max = 60 * 1024},
    {"headers", SCHEMA_INTEGER, "100", SCHEMA_AT(struct config_listener, limits.head.fields),
     .min = 1, .max = 1000},
    {"body_bytes", SCHEMA_SIZE, "0", SCHEMA_AT(struct config_listener, limits.body_bytes), .min = 0,
     .max = INT64_MAX},
};

const struct schema_section config_listener_limits_section = {
    .title = "listeners.limits",
    .struct_bytes = sizeof(struct config_listener),
    SCHEMA_KEYS(limits_keys),
};

/* ---- tls ---- */

static void certificate_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_certificate *c = out;
    struct config_key_pair pair = {c->cert_path, c->key_path, &c->cert_digest, &c->key_digest};

    config_check_key_pair(walk, group, &pair);
}

static const struct schema_key certificate_keys[] = {
    {"cert", SCHEMA_PATH, SCHEMA_AT(struct config_certificate, cert_path),
     SCHEMA_DIGEST(struct config_certificate, cert_digest), .required = true,
     .example = "\"FILE.pem\""},
    {"key", SCHEMA_PATH, SCHEMA_AT(struct config_certificate, key_path),
     SCHEMA_DIGEST(struct config_certificate, key_digest), .required = true,
     .example = "\"FILE.key\""},
};

const struct schema_section config_certificate_section = {
    .title = "listeners.tls.certificates",
    .label = "certificate",
    .identity = {"cert"},
    .struct_bytes = sizeof(struct config_certificate),
    SCHEMA_KEYS(certificate_keys),
    .check = certificate_check,
};

static void alpn_check(struct schema_walk *walk, unsigned line, const char *const *alpn)
{
    if (*alpn == NULL)
        config_diag_add(walk->diag, line, "alpn is empty; write alpn = [ \"http/1.1\" ]");
    for (; *alpn != NULL; alpn++) {
        if (strcmp(*alpn, "http/1.1") == 0 ||
            config_not_built_value(walk->diag, line, "alpn", *alpn))
            continue;
        config_diag_add(walk->diag, line, "alpn: \"%s\" is not known; write \"http/1.1\"", *alpn);
    }
}

static void tls_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_listener_tls *tls = out;

    if (config_node_find(group, "certificates") != NULL && tls->certificate_count == 0 &&
        config_node_find(group, "certificates")->type == CONFIG_NODE_LIST)
        config_diag_add(walk->diag, config_node_line(group, "certificates"),
                        "certificates is empty; write ( { cert = \"FILE.pem\"; key = "
                        "\"FILE.key\"; } )");
    if (tls->verify_client != CONFIG_VERIFY_OFF && tls->client_ca_path == NULL)
        config_diag_add(walk->diag, config_node_line(group, "verify_client"),
                        "verify_client needs an authority to verify against; write client_ca = "
                        "\"FILE.pem\"");
    config_check_ca(walk, group, "client_ca", tls->client_ca_path, &tls->client_ca_digest);
    alpn_check(walk, config_node_line(group, "alpn"), tls->alpn);
}

static const char *const verify_client_words[] = {"off", "optional", "require", NULL};
static const char *const min_version_words[] = {"1.2", "1.3", NULL};

static const struct schema_key tls_keys[] = {
    {"certificates", SCHEMA_LIST, SCHEMA_AT(struct config_listener_tls, certificates),
     SCHEMA_COUNT(struct config_listener_tls, certificate_count),
     .section = &config_certificate_section, .required = true,
     .example = "( { cert = \"FILE.pem\"; key = \"FILE.key\"; } )"},
    {"client_ca", SCHEMA_PATH, SCHEMA_AT(struct config_listener_tls, client_ca_path),
     SCHEMA_DIGEST(struct config_listener_tls, client_ca_digest), .example = "\"FILE.pem\""},
    {"verify_client", SCHEMA_CHOICE, "off", SCHEMA_AT(struct config_listener_tls, verify_client),
     .choices = verify_client_words},
    {"min_version", SCHEMA_CHOICE, "1.2", SCHEMA_AT(struct config_listener_tls, min_version_1_3),
     .choices = min_version_words},
    {"alpn", SCHEMA_STRINGS, "http/1.1", SCHEMA_AT(struct config_listener_tls, alpn),
     .example = "[ \"http/1.1\" ]"},
};

const struct schema_section config_listener_tls_section = {
    .title = "listeners.tls",
    .struct_bytes = sizeof(struct config_listener_tls),
    SCHEMA_KEYS(tls_keys),
    .check = tls_check,
};

/* ---- the listener itself ---- */

bool config_check_bind(struct schema_walk *walk, unsigned line, const char *key, const char *bind,
                       struct config_address *ret_address)
{
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(bind), 0);

    if (why != NULL) {
        config_diag_add(walk->diag, line, "%s: %s", key, why);
        free(why);
        return false;
    }
    if (address.kind == CONFIG_ADDRESS_NAME) {
        config_diag_add(walk->diag, line,
                        "%s: \"%.*s\" is a name; write a numeric address such as "
                        "\"127.0.0.1:%u\", or \":%u\" for all",
                        key, SLICE_FMT(address.host), address.port, address.port);
        return false;
    }
    *ret_address = address;
    return true;
}

static void listener_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_listener *listener = out;
    struct config_address address;

    listener->where = config_schema_where(walk, group->line);
    if (listener->name == NULL)
        listener->name = config_schema_format(walk, "listener-%zu",
                                              (size_t)(listener - walk->config->listeners) + 1);
    if (listener->bind != NULL)
        config_check_bind(walk, config_node_line(group, "bind"), "bind", listener->bind, &address);
}

static const struct schema_key listener_keys[] = {
    {"name", SCHEMA_NAME, SCHEMA_AT(struct config_listener, name), .example = "\"edge\""},
    {"bind", SCHEMA_STRING, SCHEMA_AT(struct config_listener, bind), .required = true,
     .example = "\"0.0.0.0:8080\""},
    {"proxy_protocol", SCHEMA_BOOL, "false", SCHEMA_AT(struct config_listener, proxy_protocol)},
    {"tls", SCHEMA_OPTIONAL, SCHEMA_AT(struct config_listener, tls),
     .section = &config_listener_tls_section},
    {"max_connections", SCHEMA_INTEGER, "10000", SCHEMA_AT(struct config_listener, max_connections),
     .min = 0, .max = 10000000},
    {"timeouts", SCHEMA_GROUP, .section = &config_listener_timeouts_section},
    {"limits", SCHEMA_GROUP, .section = &config_listener_limits_section},
};

const struct schema_section config_listener_section = {
    .title = "listeners",
    .label = "listener",
    .identity = {"name"},
    .struct_bytes = sizeof(struct config_listener),
    SCHEMA_KEYS(listener_keys),
    .check = listener_check,
};
