/*
 * Keys of the contract that this version does not have. They are refused, so that nobody believes
 * in a health check that does not run. This is the one place; a line leaves it when its key is
 * built.
 */
#include <string.h>

#include "config/schema_internal.h"
#include "config/sections_internal.h"

struct not_built_key {
    const struct schema_section *section;
    const char *name;
    const char *accepted; /* the one value that asks for nothing; NULL: none */
};

static const struct not_built_key not_built[] = {
    {&config_top_section, "tracing", NULL},        {&config_listener_section, "mode", "http"},
    {&config_listener_section, "pool", NULL},      {&config_route_section, "mirror", NULL},
    {&config_route_section, "rate_limit", NULL},   {&config_route_section, "allow", NULL},
    {&config_route_section, "deny", NULL},         {&config_pool_section, "protocol", "http/1.1"},
    {&config_admin_section, "dashboard", "false"},
};

static const struct {
    const char *key, *value;
} not_built_values[] = {
    {"alpn", "h2"}, {"type", "grpc"}, /* of health */
};

enum { NOT_BUILT_COUNT = sizeof(not_built) / sizeof(not_built[0]) };

static bool not_built_accepts(const char *accepted, const struct config_node *node)
{
    if (accepted == NULL)
        return false;
    if (node->type == CONFIG_NODE_STRING)
        return strcmp(node->string, accepted) == 0;
    return node->type == CONFIG_NODE_BOOL &&
           strcmp(node->boolean ? "true" : "false", accepted) == 0;
}

static bool not_built_is_string(const char *accepted)
{
    return strcmp(accepted, "http") == 0 || strcmp(accepted, "http/1.1") == 0;
}

static void not_built_report(struct config_diag *diag, const struct not_built_key *key,
                             const struct config_node *node)
{
    const char *quote;

    if (key->accepted == NULL) {
        config_diag_add(diag, node->line, "\"%s\" is not built yet in this version; remove it",
                        node->name);
        return;
    }
    quote = not_built_is_string(key->accepted) ? "\"" : "";
    config_diag_add(diag, node->line,
                    "this value of \"%s\" is not built yet in this version; remove it, or write "
                    "%s = %s%s%s",
                    node->name, node->name, quote, key->accepted, quote);
}

enum config_not_built config_not_built_check(struct config_diag *diag,
                                             const struct schema_section *section,
                                             const struct config_node *node)
{
    for (size_t i = 0; i < NOT_BUILT_COUNT; i++) {
        const struct not_built_key *key = &not_built[i];

        if (key->section != section || strcmp(key->name, node->name) != 0)
            continue;
        if (not_built_accepts(key->accepted, node))
            return CONFIG_NOT_BUILT_ACCEPTED;
        not_built_report(diag, key, node);
        return CONFIG_NOT_BUILT_REFUSED;
    }
    return CONFIG_NOT_BUILT_UNKNOWN;
}

bool config_not_built_value(struct config_diag *diag, unsigned line, const char *key,
                            const char *value)
{
    for (size_t i = 0; i < sizeof(not_built_values) / sizeof(not_built_values[0]); i++) {
        if (strcmp(not_built_values[i].key, key) != 0 ||
            strcmp(not_built_values[i].value, value) != 0)
            continue;
        config_diag_add(diag, line, "%s: \"%s\" is not built yet in this version; remove it", key,
                        value);
        return true;
    }
    return false;
}

size_t config_not_built_names(const struct schema_section *section, const char **names, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < NOT_BUILT_COUNT && count < max; i++) {
        if (not_built[i].section == section)
            names[count++] = not_built[i].name;
    }
    return count;
}
