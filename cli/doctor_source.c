/* Rules over discovery blocks of pools: see doctor_internal.h. */
#include <string.h>

#include "cli/doctor_internal.h"

static void look_allow_empty(struct doctor_look *look)
{
    if (!look->pool->discovery->allow_empty)
        return;
    doctor_at(look, &look->pool->discovery->where);
    doctor_found(look, "discovery: allow_empty = true");
    doctor_write(look, "discovery = { ... allow_empty = false; };");
}

static void look_cache(struct doctor_look *look)
{
    const struct config_discovery *source = look->pool->discovery;

    /* A file is its own cache. */
    if (source->cache || source->type == CONFIG_DISCOVERY_FILE)
        return;
    doctor_at(look, &look->pool->discovery->where);
    doctor_found(look, "discovery: no cache");
    doctor_write(look, "discovery = { ... cache = \"/var/lib/evergate/%s.json\"; };",
                 look->pool->name);
}

static bool has_secret(const struct config_discovery *source)
{
    return (source->token && source->token[0] != '\0') || source->token_file ||
           source->password_file;
}

static void look_plain(struct doctor_look *look)
{
    const struct config_discovery *source = look->pool->discovery;

    if (source->tls || !has_secret(source) || !source->addresses)
        return;
    for (const char **address = source->addresses; *address; address++) {
        if (doctor_reach(*address) == DOCTOR_REACH_HOST)
            continue;
        doctor_at(look, &look->pool->discovery->where);
        doctor_found(look, "discovery: the %s goes to %s without TLS",
                     source->type == CONFIG_DISCOVERY_ETCD ? "password" : "token", *address);
        doctor_write(look, "discovery = { ... tls = { ca = \"/etc/evergate/ca.pem\"; }; };");
        return;
    }
}

static void look_verify(struct doctor_look *look)
{
    const struct config_discovery *source = look->pool->discovery;
    bool local = true;

    if (!source->tls || source->tls->verify)
        return;
    for (const char **address = source->addresses; address && *address; address++)
        local = local && doctor_reach(*address) == DOCTOR_REACH_HOST;
    if (local)
        return;
    doctor_at(look, &look->pool->discovery->where);
    doctor_found(look, "discovery: tls.verify = false");
    doctor_write(look, "discovery = { ... tls = { ca = \"/etc/evergate/ca.pem\"; }; };");
}

const struct doctor_rule doctor_source_rules[] = {
    {"source-may-empty", DOCTOR_WARNING,
     "a registry that has just restarted, or lost its data, takes the whole pool down",
     look_allow_empty},
    {"source-no-cache", DOCTOR_HINT,
     "when evergate starts while the source is down, the pool has nothing to serve from",
     look_cache},
    {"source-plain", DOCTOR_WARNING, "whoever is on the way reads it, and can use it", look_plain},
    {"source-verify-off", DOCTOR_ERROR, "any machine on the way can say where requests are sent",
     look_verify},
    {.name = NULL},
};
