/* Rules over this machine, judged by what the file wants of it: see doctor_internal.h. */
#include <inttypes.h>

#include "cli/doctor_facts.h"
#include "cli/doctor_internal.h"
#include "net/address.h"
#include "proxy/descriptors.h"
#include "proxy/listen.h"

enum {
    SOMAXCONN_SMALL = 1024,
    SYN_BACKLOG_SMALL = 1024,
    PORTS_FEW = 8192,
    TIME_WAIT_S = 60, /* Linux' TCP_TIMEWAIT_LEN */
    MEGABYTE = 1024 * 1024,
    CLOCK_SKEW_S = 60,
    REUSE_FEW = 10, /* requests on a connection */
};

static unsigned workers_of(const struct doctor_look *look)
{
    return look->config->workers ? look->config->workers : look->facts->cpus;
}

/* Unless it is there, says so. */
static bool is_known(struct doctor_look *look, int64_t fact, const char *what)
{
    if (fact >= 0)
        return true;
    if (look->facts->proc)
        doctor_unchecked(look, "the kernel does not show it here", "%s: not checked", what);
    return false;
}

/* The line and the file that the next boot reads it from. */
static void write_sysctl(struct doctor_look *look, const char *setting)
{
    doctor_write(look, "%s  in /etc/sysctl.d/90-evergate.conf, then: sysctl --system", setting);
}

static void look_proc(struct doctor_look *look)
{
    if (!look->facts->proc)
        doctor_unchecked(look, "/proc is not mounted",
                         "backlog, ports, memory and tracked connections: not checked");
}

/* ---- descriptors ---- */

/* What is open before traffic, roughly: sockets, epoll and event descriptors of each worker. */
static unsigned count_own(const struct doctor_look *look)
{
    return 64 + workers_of(look) * (unsigned)(look->config->listener_count + 4);
}

static uint64_t count_clients_wanted(const struct config *config)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        wanted += config->listeners[i].max_connections;
    return wanted;
}

static void found_descriptors(struct doctor_look *look, uint64_t wanted, uint64_t allowed)
{
    doctor_found(look,
                 "%" PRId64 " open files allow %" PRIu64 " clients, the listeners' "
                 "max_connections %" PRIu64,
                 look->facts->descriptors, allowed, wanted);
    doctor_write(look, "LimitNOFILE=%" PRIu64 "  in the unit; in a shell: ulimit -Hn",
                 (2 * wanted + count_own(look) + 1024) / 1024 * 1024);
}

static void look_descriptors(struct doctor_look *look)
{
    uint64_t wanted = count_clients_wanted(look->config), allowed;

    if (look->facts->descriptors == INT64_MAX ||
        !is_known(look, look->facts->descriptors, "the limit of open files"))
        return;
    allowed = descriptors_clients_of((unsigned long long)look->facts->descriptors, count_own(look));
    if (allowed < wanted / 2)
        found_descriptors(look, wanted, allowed);
}

static void look_descriptors_tight(struct doctor_look *look)
{
    uint64_t wanted = count_clients_wanted(look->config), allowed;

    if (look->facts->descriptors == INT64_MAX || look->facts->descriptors < 0)
        return;
    allowed = descriptors_clients_of((unsigned long long)look->facts->descriptors, count_own(look));
    if (allowed < wanted && allowed >= wanted / 2)
        found_descriptors(look, wanted, allowed);
}

static void look_keepalive(struct doctor_look *look)
{
    const struct config *config = look->config;
    uint64_t kept = 0;

    for (size_t i = 0; i < config->pool_count; i++)
        kept += (uint64_t)workers_of(look) * config->pools[i].backend_count *
                config->pools[i].keepalive.idle;
    if (look->facts->descriptors < 0 || kept <= (uint64_t)look->facts->descriptors / 2)
        return;
    doctor_found(look, "the pools may keep %" PRIu64 " idle connections, of %" PRId64 " open files",
                 kept, look->facts->descriptors);
    doctor_write(look, "keepalive = { ... idle = 16; };  it counts per worker and backend");
}

/* ---- accepting ---- */

static void found_somaxconn(struct doctor_look *look)
{
    doctor_found(look, "net.core.somaxconn is %" PRId64, look->facts->somaxconn);
    write_sysctl(look, "net.core.somaxconn = 4096");
}

static void look_somaxconn(struct doctor_look *look)
{
    if (is_known(look, look->facts->somaxconn, "net.core.somaxconn") &&
        look->facts->somaxconn < SOMAXCONN_SMALL)
        found_somaxconn(look);
}

static void look_somaxconn_below(struct doctor_look *look)
{
    if (look->facts->somaxconn >= SOMAXCONN_SMALL && look->facts->somaxconn < LISTEN_BACKLOG)
        found_somaxconn(look);
}

/* With cookies the backlog does not drop anybody (ip-sysctl.rst). */
static void look_syn_backlog(struct doctor_look *look)
{
    const struct doctor_facts *facts = look->facts;

    if (facts->syncookies != 0 || facts->syn_backlog < 0 || facts->syn_backlog >= SYN_BACKLOG_SMALL)
        return;
    doctor_found(look, "net.ipv4.tcp_syncookies is 0, and tcp_max_syn_backlog %" PRId64,
                 facts->syn_backlog);
    write_sysctl(look, "net.ipv4.tcp_syncookies = 1");
}

static bool is_reserved(const struct doctor_facts *facts, unsigned port)
{
    return (facts->reserved[port / 64] >> port % 64 & 1) != 0;
}

static void look_bind(struct doctor_look *look, const char *what, const char *bind,
                      const struct config_where *where)
{
    const struct doctor_facts *facts = look->facts;
    struct address address;
    unsigned port;

    if (address_parse(&address, slice_str(bind)) != EG_OK)
        return;
    port = address_port(&address);
    if (port == 0 || port < facts->port_first || port > facts->port_last ||
        is_reserved(facts, port))
        return;
    doctor_at(look, where);
    doctor_found(
        look, "%s: port %u is one of those for outgoing connections (%" PRId64 " to %" PRId64 ")",
        what, port, facts->port_first, facts->port_last);
    doctor_write(look,
                 "net.ipv4.ip_local_reserved_ports = %u  in /etc/sysctl.d/90-evergate.conf, "
                 "then: sysctl --system",
                 port);
}

static void look_bind_ports(struct doctor_look *look)
{
    const struct config *config = look->config;

    for (size_t i = 0; i < config->listener_count && look->facts->port_first > 0; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct doctor_look own = *look;

        look_bind(&own, arena_format(&look->report->arena, "listener \"%s\"", listener->name),
                  listener->bind, &listener->where);
    }
    if (config->admin.bind[0] != '\0' && look->facts->port_first > 0)
        look_bind(look, "admin", config->admin.bind, &config->admin.where);
}

/* ---- connecting ---- */

static int64_t count_ports(const struct doctor_facts *facts)
{
    return facts->port_last - facts->port_first + 1;
}

static void look_ports(struct doctor_look *look)
{
    if (!is_known(look, look->facts->port_first, "net.ipv4.ip_local_port_range") ||
        count_ports(look->facts) >= PORTS_FEW)
        return;
    doctor_found(look, "net.ipv4.ip_local_port_range has %" PRId64 " ports",
                 count_ports(look->facts));
    write_sysctl(look, "net.ipv4.ip_local_port_range = 32768 60999");
}

static bool connects_each_time(const struct config_pool *pool)
{
    bool tcp = pool->discovery != NULL;

    for (size_t i = 0; i < pool->backend_count && !tcp; i++)
        tcp = !slice_starts_with(slice_str(pool->backends[i].address), SLICE_LIT("unix:"));
    return tcp && (pool->keepalive.idle == 0 ||
                   (pool->keepalive.max_requests > 0 && pool->keepalive.max_requests < REUSE_FEW));
}

/* A port is free for the same backend when its TIME_WAIT is over (RFC 9293 section 3.6.1). */
static void look_no_reuse(struct doctor_look *look)
{
    const struct doctor_facts *facts = look->facts;

    for (size_t i = 0; i < look->config->pool_count && facts->port_first > 0; i++) {
        const struct config_pool *pool = &look->config->pools[i];
        struct doctor_look own = *look;

        if (!connects_each_time(pool) || facts->tw_reuse == 1)
            continue;
        doctor_at(&own, pool->parts[__builtin_ctz(CONFIG_PART_KEEPALIVE)].file
                            ? config_where_of(pool, CONFIG_PART_KEEPALIVE)
                            : &pool->where);
        doctor_found(&own,
                     "pool \"%s\": without kept connections, ports last for %" PRId64
                     " new ones per second and backend",
                     pool->name, count_ports(facts) / TIME_WAIT_S);
        doctor_write(&own, "keepalive = { ... idle = 64; };  or net.ipv4.tcp_tw_reuse = 1");
    }
}

static void look_time_wait(struct doctor_look *look)
{
    const struct doctor_facts *facts = look->facts;

    if (facts->port_first <= 0 || facts->time_wait < count_ports(facts) * 8 / 10 ||
        facts->tw_reuse == 1)
        return;
    doctor_found(look, "%" PRId64 " connections in TIME_WAIT, with %" PRId64 " outgoing ports",
                 facts->time_wait, count_ports(facts));
    write_sysctl(look, "net.ipv4.tcp_tw_reuse = 1");
}

static void look_conntrack(struct doctor_look *look)
{
    const struct doctor_facts *facts = look->facts;

    if (facts->conntrack < 0 || facts->conntrack_max <= 0 ||
        facts->conntrack < facts->conntrack_max * 8 / 10)
        return;
    doctor_found(look, "%" PRId64 " of %" PRId64 " tracked connections are in use",
                 facts->conntrack, facts->conntrack_max);
    doctor_write(look,
                 "net.netfilter.nf_conntrack_max = %" PRId64
                 "  in /etc/sysctl.d/90-evergate.conf, then: sysctl --system",
                 facts->conntrack_max * 4);
}

/* ---- processors and memory ---- */

static void look_workers(struct doctor_look *look)
{
    if (look->config->workers <= look->facts->cpus)
        return;
    look->where = &(struct config_where){look->config->file, 0};
    doctor_found(look, "workers = %u, with %u processors to use", look->config->workers,
                 look->facts->cpus);
    doctor_write(look, "workers = 0;");
}

static uint64_t count_memory(const struct doctor_look *look)
{
    const struct config *config = look->config;
    uint64_t bytes = 0;

    for (size_t i = 0; i < config->pool_count; i++)
        if (config->pools[i].fallback.stale_ms > 0)
            bytes += config->pools[i].fallback.cache_bytes;
    if (config->log.access != CONFIG_ACCESS_OFF)
        bytes += (uint64_t)workers_of(look) * config->log.buffer_bytes;
    return bytes;
}

static void look_memory(struct doctor_look *look)
{
    uint64_t wanted = count_memory(look);

    if (!is_known(look, look->facts->memory_bytes, "memory") ||
        wanted <= (uint64_t)look->facts->memory_bytes / 2)
        return;
    doctor_found(look, "caches and log buffers may grow to %" PRIu64 " MB, of %" PRId64 " MB",
                 wanted / MEGABYTE, look->facts->memory_bytes / MEGABYTE);
    doctor_write(look, "fallback = { ... cache = \"16m\"; };  log = { ... buffer = \"1m\"; };");
}

static void look_overcommit(struct doctor_look *look)
{
    if (look->facts->overcommit != 2)
        return;
    doctor_found(look, "vm.overcommit_memory is 2");
    write_sysctl(look, "vm.overcommit_memory = 0");
}

/* ---- the clock ---- */

static void look_clock(struct doctor_look *look)
{
    if (look->facts->clock == DOCTOR_CLOCK_UNKNOWN)
        doctor_unchecked(look, "the kernel does not tell whether it is synchronised",
                         "the clock: not checked");
    if (look->facts->clock != DOCTOR_CLOCK_FREE)
        return;
    doctor_found(look, "nobody keeps the clock synchronised");
    doctor_write(look, "timedatectl set-ntp true  or install chrony; in a container, on its host");
}

static void look_clock_behind(struct doctor_look *look)
{
    int64_t ahead_s = look->facts->written_s - look->now_s;

    if (look->facts->written_s < 0 || ahead_s <= CLOCK_SKEW_S)
        return;
    doctor_found(look, "the clock is behind: %s was written in %" PRId64 " seconds from now",
                 look->config->file, ahead_s);
    doctor_write(look, "timedatectl set-ntp true  or install chrony; in a container, on its host");
}

const struct doctor_rule doctor_system_rules[] = {
    {"no-proc", DOCTOR_HINT, "", look_proc},
    {"descriptors-low", DOCTOR_WARNING,
     "each client takes two with its backend; those over the limit are turned away (a unit's limit "
     "is seen from inside of it only)",
     look_descriptors},
    {"descriptors-tight", DOCTOR_HINT,
     "each client takes two with its backend; the last ones are turned away before max_connections "
     "is reached (a unit's limit is seen from inside of it only)",
     look_descriptors_tight},
    {"keepalive-large", DOCTOR_HINT, "they take the descriptors that clients need", look_keepalive},
    {"somaxconn-small", DOCTOR_WARNING,
     "a burst of clients is dropped before it can be accepted, and tries again after a second",
     look_somaxconn},
    {"somaxconn-below", DOCTOR_HINT,
     "it cuts the 4096 that evergate asks for: a large burst of clients is dropped",
     look_somaxconn_below},
    {"syn-backlog-small", DOCTOR_WARNING, "a few thousand forged SYNs keep every client out",
     look_syn_backlog},
    {"port-not-reserved", DOCTOR_HINT,
     "a connection to a backend may hold it at the moment of a restart, which then cannot bind",
     look_bind_ports},
    {"ports-few", DOCTOR_WARNING, "connections to one backend fail when there are that many",
     look_ports},
    {"connects-each-time", DOCTOR_HINT, "beyond that, connections fail until a minute has passed",
     look_no_reuse},
    {"time-wait-full", DOCTOR_WARNING, "soon connections to backends find no port", look_time_wait},
    {"conntrack-full", DOCTOR_WARNING, "when the table is full the kernel drops new connections",
     look_conntrack},
    {"workers-many", DOCTOR_WARNING,
     "workers that share a processor make each other's requests wait", look_workers},
    {"memory-large", DOCTOR_WARNING, "the kernel ends the process when memory is used up",
     look_memory},
    {"overcommit-strict", DOCTOR_HINT,
     "an allocation is refused while memory is free, which ends the process", look_overcommit},
    {"clock-free", DOCTOR_WARNING,
     "certificates, sessions and stored answers are judged by it, and logs of several machines do "
     "not fit together",
     look_clock},
    {"clock-behind", DOCTOR_WARNING,
     "certificates that are good count as not valid yet, and what is stored does not age",
     look_clock_behind},
    {.name = NULL},
};
