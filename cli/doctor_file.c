/* Rules over the file's top level, management, logs and listeners: see doctor_internal.h. */
#include <inttypes.h>
#include <string.h>

#include "cli/doctor_internal.h"

enum {
    SLOW_HEADER_MS = 60000,
    UNIT_STOP_MS = 60000, /* TimeoutStopSec of deploy/systemd/evergate.service */
};

/* ---- management ---- */

static bool has_management(const struct config *config)
{
    return config->admin.bind[0] != '\0' || config->admin.socket;
}

static void look_admin_open(struct doctor_look *look)
{
    const char *bind = look->config->admin.bind;

    if (bind[0] == '\0' || look->config->admin.token_file ||
        doctor_reach(bind) == DOCTOR_REACH_HOST)
        return;
    doctor_at(look, &look->config->admin.where);
    doctor_found(look, "admin: bind = \"%s\" is open to other machines, without a token", bind);
    doctor_write(look, "admin = { ... bind = \"127.0.0.1:9900\"; };  or, beside bind: token_file "
                       "= \"/etc/evergate/token\";");
}

static void look_admin_plain(struct doctor_look *look)
{
    const char *bind = look->config->admin.bind;

    if (bind[0] == '\0' || !look->config->admin.token_file ||
        doctor_reach(bind) != DOCTOR_REACH_WORLD)
        return;
    doctor_at(look, &look->config->admin.where);
    doctor_found(look, "admin: the token goes over plain HTTP to bind = \"%s\"", bind);
    doctor_write(look, "admin = { ... bind = \"127.0.0.1:9900\"; };  and from elsewhere: ssh -L "
                       "9900:127.0.0.1:9900 HOST");
}

static void look_admin_off(struct doctor_look *look)
{
    if (has_management(look->config))
        return;
    doctor_at(look, &look->config->admin.where);
    doctor_found(look, "admin: management is off");
    doctor_write(look, "admin = { ... bind = \"off\"; socket = \"/run/evergate/admin.sock\"; };");
}

static void look_state_file(struct doctor_look *look)
{
    if (look->config->state_file || !has_management(look->config))
        return;
    doctor_found(look, "there is no state_file");
    doctor_write(look, "state_file = \"/var/lib/evergate/state.json\";");
}

/* ---- logs, times, workers ---- */

static void look_access_log(struct doctor_look *look)
{
    if (look->config->log.access != CONFIG_ACCESS_OFF)
        return;
    doctor_at(look, &look->config->log.where);
    doctor_found(look, "log: access = \"off\"");
    doctor_write(look, "log = { ... access = \"stdout\"; };");
}

static void look_debug_log(struct doctor_look *look)
{
    if (look->config->log.level != LOG_LEVEL_DEBUG)
        return;
    doctor_at(look, &look->config->log.where);
    doctor_found(look, "log: level = \"debug\"");
    doctor_write(look, "log = { ... level = \"info\"; };");
}

static void look_drain_off(struct doctor_look *look)
{
    if (look->config->drain_timeout_ms > 0)
        return;
    doctor_found(look, "drain_timeout is 0");
    doctor_write(look, "drain_timeout = \"30s\";");
}

static void look_drain_short(struct doctor_look *look)
{
    const struct config *config = look->config;
    const struct config_pool *slowest = NULL;

    for (size_t i = 0; i < config->pool_count; i++)
        if (!slowest || config->pools[i].timeouts.response_ms > slowest->timeouts.response_ms)
            slowest = &config->pools[i];
    if (!slowest || config->drain_timeout_ms == 0 ||
        config->drain_timeout_ms >= slowest->timeouts.response_ms)
        return;
    doctor_found(look, "drain_timeout is %s, while pool \"%s\" may take %s to answer",
                 doctor_duration(look, config->drain_timeout_ms), slowest->name,
                 doctor_duration(look, slowest->timeouts.response_ms));
    doctor_write(look, "drain_timeout = \"%s\";",
                 doctor_duration(look, slowest->timeouts.response_ms));
}

static void look_drain_long(struct doctor_look *look)
{
    const struct config *config = look->config;
    uint64_t longest_s;

    if (config->drain_delay_ms + config->drain_timeout_ms <= UNIT_STOP_MS)
        return;
    longest_s = (config->drain_delay_ms + config->drain_timeout_ms + 999) / 1000;
    doctor_found(look, "drain_delay and drain_timeout together are %s",
                 doctor_duration(look, config->drain_delay_ms + config->drain_timeout_ms));
    doctor_write(look,
                 "TimeoutStopSec=%" PRIu64 "  in the unit; in Kubernetes: "
                 "terminationGracePeriodSeconds: %" PRIu64,
                 longest_s + 10, longest_s + 10);
}

/* What checks would begin in a second if all went by their intervals. */
static void look_check_rate(struct doctor_look *look)
{
    const struct config *config = look->config;
    uint64_t per_second = 0;

    for (size_t i = 0; i < config->pool_count; i++)
        if (config->pools[i].health)
            per_second +=
                config->pools[i].backend_count * 1000 / config->pools[i].health->interval_ms;
    if (per_second <= config->supervision.checks_per_second)
        return;
    doctor_found(look, "supervision: the pools want %" PRIu64 " checks per second, %u are allowed",
                 per_second, config->supervision.checks_per_second);
    doctor_write(look,
                 "supervision = { ... checks_per_second = %" PRIu64 "; };  or longer intervals",
                 per_second + per_second / 4);
}

const struct doctor_rule doctor_file_rules[] = {
    {"admin-open", DOCTOR_ERROR,
     "whoever reaches that address can drain, add and remove backends, and read all settings",
     look_admin_open},
    {"admin-plain", DOCTOR_WARNING,
     "whoever is on the way reads the token, and can do with it what you can", look_admin_plain},
    {"admin-off", DOCTOR_HINT,
     "status, metrics, drain and probes all ask management; a Unix socket needs no port",
     look_admin_off},
    {"no-state-file", DOCTOR_HINT,
     "what is changed over the management API is forgotten when the process restarts",
     look_state_file},
    {"access-log-off", DOCTOR_HINT,
     "after a failure nobody can tell which requests it hit, and where they went", look_access_log},
    {"debug-log", DOCTOR_HINT, "it is written for each request, and costs throughput and disk",
     look_debug_log},
    {"drain-off", DOCTOR_WARNING, "a stop cuts every request that is in flight", look_drain_off},
    {"drain-short", DOCTOR_HINT, "a stop cuts requests that would have been answered in time",
     look_drain_short},
    {"drain-long", DOCTOR_HINT,
     "who stops the process does not wait for so long unless told to, and kills it: a unit after "
     "TimeoutStopSec, a container after its grace period",
     look_drain_long},
    {"too-many-checks", DOCTOR_WARNING,
     "checks come later than their intervals say, and so does every failover", look_check_rate},
    {.name = NULL},
};

/* ---- listeners ---- */

static void look_unlimited(struct doctor_look *look)
{
    if (look->listener->max_connections > 0)
        return;
    doctor_found(look, "max_connections is 0");
    doctor_write(look, "max_connections = 10000;");
}

static void look_proxy_protocol(struct doctor_look *look)
{
    if (!look->listener->proxy_protocol || doctor_reach(look->listener->bind) != DOCTOR_REACH_WORLD)
        return;
    doctor_found(look, "proxy_protocol = true on bind = \"%s\"", look->listener->bind);
    doctor_write(look, "bind = \"10.0.0.5:8080\";  an address that only the balancer in front "
                       "reaches, or a firewall that lets only it in");
}

static void look_client_ca(struct doctor_look *look)
{
    const struct config_listener_tls *tls = look->listener->tls;

    if (!tls || !tls->client_ca_path || tls->verify_client != CONFIG_VERIFY_OFF)
        return;
    doctor_found(look, "tls: client_ca is given, but verify_client is \"off\"");
    doctor_write(look, "tls = { ... verify_client = \"require\"; };  or remove client_ca");
}

static void look_slow_header(struct doctor_look *look)
{
    if (look->listener->timeouts.header_ms <= SLOW_HEADER_MS)
        return;
    doctor_found(look, "timeouts.header is %s",
                 doctor_duration(look, look->listener->timeouts.header_ms));
    doctor_write(look, "timeouts = { ... header = \"10s\"; };");
}

const struct doctor_rule doctor_listener_rules[] = {
    {"connections-unlimited", DOCTOR_WARNING,
     "a flood of clients is held back only when descriptors or memory run out", look_unlimited},
    {"proxy-protocol-open", DOCTOR_WARNING,
     "whoever connects can claim any client address, to your logs, backends and ip_hash",
     look_proxy_protocol},
    {"client-ca-unused", DOCTOR_WARNING, "clients without a certificate are let in like others",
     look_client_ca},
    {"header-timeout-long", DOCTOR_WARNING,
     "clients that send a head byte by byte hold connections for that long", look_slow_header},
    {.name = NULL},
};
