/* The file's outermost level. pools stand before routes: the engine keeps the table's order, and
 * routes refer to pools. */
#include "config/sections_internal.h"

static const struct schema_key supervision_keys[] = {
    {"checks_per_second", SCHEMA_INTEGER, "1000",
     SCHEMA_AT(struct config, supervision.checks_per_second), .min = 1, .max = 1000000},
    {"recoveries_per_minute", SCHEMA_INTEGER, "10",
     SCHEMA_AT(struct config, supervision.recoveries_per_minute), .min = 1, .max = 100000},
    {"events", SCHEMA_INTEGER, "4096", SCHEMA_AT(struct config, supervision.events), .min = 16,
     .max = 65536, .at_start = true},
};

const struct schema_section config_supervision_section = {
    .title = "supervision",
    .struct_bytes = sizeof(struct config),
    SCHEMA_KEYS(supervision_keys),
};

static void place_check_name(struct schema_walk *walk, unsigned line, const char *key,
                             const char *name)
{
    if (name[0] != '\0' && !config_value_is_name(name))
        config_diag_add(walk->diag, line,
                        "%s: \"%s\" cannot be a name; write 1 to 128 letters, digits and marks "
                        "without spaces, quotes, / \\ ? # %%",
                        key, name);
}

void config_check_place(struct schema_walk *walk, const struct config_node *group,
                        const struct config_place *place)
{
    place_check_name(walk, config_node_line(group, "region"), "region", place->region);
    place_check_name(walk, config_node_line(group, "zone"), "zone", place->zone);
}

static void check_confinement(struct schema_walk *walk, const struct config_node *root, void *out)
{
    const struct config_confinement *confinement = &walk->config->confinement;

    if (confinement->group[0] != '\0' && confinement->user[0] == '\0')
        config_diag_add(walk->diag, config_node_line(root, "group"),
                        "group: of use with user only; write user = \"NAME\" too");
    if (confinement->chroot[0] != '\0' && confinement->chroot[0] != '/')
        config_diag_add(walk->diag, config_node_line(root, "chroot"),
                        "chroot: \"%s\" must begin with a slash; write the whole path",
                        confinement->chroot);
}

static void top_check(struct schema_walk *walk, const struct config_node *root, void *out)
{
    config_check_place(walk, root, &walk->config->place);
    check_confinement(walk, root, out);
    config_check_references(walk, root);
    if (walk->config->state_file != NULL)
        config_check_replaceable(walk, config_node_line(root, "state_file"), "state_file",
                                 walk->config->state_file);
}

/* Read twice: by `run` alone, before the rest, and with the rest. */
#define CONFINEMENT_KEYS                                                                           \
    {"user",                                                                                       \
     SCHEMA_STRING,                                                                                \
     "",                                                                                           \
     SCHEMA_AT(struct config, confinement.user),                                                   \
     .at_start = true,                                                                             \
     .example = "\"evergate\""},                                                                   \
        {"group",                                                                                  \
         SCHEMA_STRING,                                                                            \
         "",                                                                                       \
         SCHEMA_AT(struct config, confinement.group),                                              \
         .at_start = true,                                                                         \
         .example = "\"evergate\""},                                                               \
        {"chroot",                                                                                 \
         SCHEMA_STRING,                                                                            \
         "",                                                                                       \
         SCHEMA_AT(struct config, confinement.chroot),                                             \
         .at_start = true,                                                                         \
         .example = "\"/srv/evergate\""},                                                          \
        {"sandbox", SCHEMA_BOOL, "true", SCHEMA_AT(struct config, confinement.sandbox),            \
         .at_start = true},                                                                        \
    {                                                                                              \
        "core_dumps", SCHEMA_BOOL, "false", SCHEMA_AT(struct config, confinement.core_dumps),      \
            .at_start = true                                                                       \
    }

static const struct schema_key confinement_keys[] = {CONFINEMENT_KEYS};

const struct schema_section config_confinement_section = {
    .title = "The file itself",
    .struct_bytes = sizeof(struct config),
    SCHEMA_KEYS(confinement_keys),
    .check = check_confinement,
};

static const struct schema_key top_keys[] = {
    {"workers", SCHEMA_INTEGER, "0", SCHEMA_AT(struct config, workers), .min = 0, .max = 256,
     .at_start = true},
    {"drain_timeout", SCHEMA_DURATION, "30s", SCHEMA_AT(struct config, drain_timeout_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"drain_delay", SCHEMA_DURATION, "0", SCHEMA_AT(struct config, drain_delay_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS, .example = "\"10s\""},
    {"reload_on_change", SCHEMA_BOOL, "false", SCHEMA_AT(struct config, reload_on_change)},
    CONFINEMENT_KEYS,
    {"region", SCHEMA_STRING, "", SCHEMA_AT(struct config, place.region),
     .example = "\"us-east-1\""},
    {"zone", SCHEMA_STRING, "", SCHEMA_AT(struct config, place.zone), .example = "\"us-east-1a\""},
    {"supervision", SCHEMA_GROUP, .section = &config_supervision_section},
    {"listeners", SCHEMA_LIST, SCHEMA_AT(struct config, listeners),
     SCHEMA_COUNT(struct config, listener_count), .max = CONFIG_MAX_LISTENERS,
     .section = &config_listener_section, .required = true,
     .example = "( { bind = \"0.0.0.0:8080\"; } )"},
    {"pools", SCHEMA_LIST, SCHEMA_AT(struct config, pools), SCHEMA_COUNT(struct config, pool_count),
     .max = CONFIG_MAX_POOLS, .section = &config_pool_section},
    {"routes", SCHEMA_LIST, SCHEMA_AT(struct config, routes),
     SCHEMA_COUNT(struct config, route_count), .max = CONFIG_MAX_ROUTES,
     .section = &config_route_section},
    {"state_file", SCHEMA_PATH, SCHEMA_AT(struct config, state_file),
     .example = "\"/var/lib/evergate/state.json\""},
    {"admin", SCHEMA_GROUP, .section = &config_admin_section},
    {"log", SCHEMA_GROUP, .section = &config_log_section},
};

const struct schema_section config_top_section = {
    .title = "The file itself",
    .struct_bytes = sizeof(struct config),
    SCHEMA_KEYS(top_keys),
    .check = top_check,
};

const struct schema_section *const config_sections[] = {
    &config_top_section,
    &config_listener_section,
    &config_listener_timeouts_section,
    &config_listener_limits_section,
    &config_listener_tls_section,
    &config_certificate_section,
    &config_route_section,
    &config_route_header_section,
    &config_weighted_pool_section,
    &config_redirect_section,
    &config_respond_section,
    &config_rewrite_section,
    &config_header_edits_section,
    &config_header_edit_section,
    &config_pool_section,
    &config_keepalive_section,
    &config_pool_tls_section,
    &config_pool_timeouts_section,
    &config_backend_section,
    &config_sticky_section,
    &config_health_section,
    &config_outlier_section,
    &config_breaker_section,
    &config_retry_section,
    &config_failover_section,
    &config_failback_section,
    &config_fallback_section,
    &config_recovery_section,
    &config_discovery_section,
    &config_registration_section,
    &config_admin_section,
    &config_log_section,
    &config_supervision_section,
    NULL,
};
