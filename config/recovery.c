/* pools[].recovery: what is done for a backend that became unhealthy. */
#include <stdlib.h>
#include <string.h>

#include "config/command_internal.h"
#include "config/sections_internal.h"

static void recovery_read_command(struct schema_walk *walk, const struct config_node *node,
                                  void *out)
{
    struct config_recovery *recovery = out;

    config_command_read(walk, node, CONFIG_VARIABLE_COUNT, &recovery->command);
}

static json_t *recovery_show_command(const struct config *config, const void *in)
{
    const struct config_recovery *recovery = in;

    return config_command_show(&recovery->command);
}

/* ---- webhook ---- */

/* What is left behind "http://" or "https://"; empty when neither is there. */
static struct slice url_rest(struct slice url)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < 2; i++) {
        if (slice_starts_with(url, schemes[i]))
            return slice_from(url.p + schemes[i].n, url.n - schemes[i].n);
    }
    return slice_from(url.p, 0);
}

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] >= 0x7f || text.p[i] == '#')
            return false;
    }
    return true;
}

/* The host as an address is written, with the scheme's port where none stands (RFC 9110 section
 * 4.2); NULL, or what is wrong (heap). */
static char *url_check_host(struct schema_walk *walk, struct slice host)
{
    struct config_address address;
    const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;
    const char *bracket = host.n > 0 ? memrchr(host.p, ']', host.n) : NULL;
    const char *text = colon != NULL && colon > bracket
                           ? config_schema_format(walk, "%.*s", SLICE_FMT(host))
                           : config_schema_format(walk, "%.*s:80", SLICE_FMT(host));

    return config_address_parse(&address, slice_str(text), 1);
}

static void recovery_check_webhook(struct schema_walk *walk, unsigned line, const char *webhook)
{
    struct slice rest = url_rest(slice_str(webhook)), host = rest;
    const char *end = rest.n > 0 ? strpbrk(rest.p, "/?") : NULL;
    char *why;

    if (end != NULL)
        host.n = (size_t)(end - rest.p);
    if (host.n == 0 || !is_visible(rest) || (end != NULL && *end == '?') ||
        memchr(host.p, '@', host.n) != NULL) {
        config_diag_add(walk->diag, line,
                        "webhook: \"%s\" is no URL to call; write one such as "
                        "\"http://127.0.0.1:9000/repair\"",
                        webhook);
        return;
    }
    why = url_check_host(walk, host);
    if (why != NULL)
        config_diag_add(walk->diag, line, "webhook: %s", why);
    free(why);
}

/* ---- the section ---- */

static bool recovery_asks(const struct config_node *group, const char *key)
{
    const struct config_node *node = config_node_find(group, key);

    return node != NULL && !(node->type == CONFIG_NODE_STRING && node->string[0] == '\0');
}

static void recovery_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_recovery *recovery = out;

    if (recovery->webhook != NULL && recovery->webhook[0] == '\0')
        recovery->webhook = NULL;
    if (!recovery_asks(group, "command") && !recovery_asks(group, "webhook"))
        config_diag_add(walk->diag, group->line,
                        "there is nothing to do; write command = \"PROGRAM ARGUMENT ...\" or "
                        "webhook = \"http://HOST:PORT/PATH\"");
    if (recovery->webhook != NULL)
        recovery_check_webhook(walk, config_node_line(group, "webhook"), recovery->webhook);
}

static const struct schema_key recovery_keys[] = {
    {"command", SCHEMA_CUSTOM, .read = recovery_read_command, .show = recovery_show_command},
    {"webhook", SCHEMA_STRING, SCHEMA_AT(struct config_recovery, webhook),
     .example = "\"http://127.0.0.1:9000/repair\""},
    {"max_attempts", SCHEMA_INTEGER, "3", SCHEMA_AT(struct config_recovery, max_attempts), .min = 1,
     .max = 1000},
    {"interval", SCHEMA_DURATION, "60s", SCHEMA_AT(struct config_recovery, interval_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
    {"timeout", SCHEMA_DURATION, "30s", SCHEMA_AT(struct config_recovery, timeout_ms),
     .min = CONFIG_DURATION_SHORTEST_MS, .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_recovery_section = {
    .title = "pools.recovery",
    .struct_bytes = sizeof(struct config_recovery),
    SCHEMA_KEYS(recovery_keys),
    .check = recovery_check,
};
