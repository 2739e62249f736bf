/* Reading the kernel's files: see doctor_facts.h. */
#include "cli/doctor_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "proxy/server.h"

enum { FACT_BYTES = 4096, PORTS = 65536 };

/* ---- files ---- */

/* The beginning of a file, with its NUL; false when there is none. */
static bool read_text(const char *root, const char *name, char text[FACT_BYTES])
{
    char *path = xasprintf("%s/%s", root, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, FACT_BYTES - 1);

    if (fd >= 0)
        close(fd);
    free(path);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The next number of `*text`, which moves behind it. */
static int64_t next_number(const char **text)
{
    size_t skip = strcspn(*text, "0123456789");
    size_t digits = strspn(*text + skip, "0123456789");
    unsigned long long value;
    bool good = slice_to_u64(slice_from(*text + skip, digits), &value);

    *text += skip + digits;
    return good && value <= INT64_MAX ? (int64_t)value : DOCTOR_UNKNOWN;
}

static int64_t read_number(const char *root, const char *name)
{
    char text[FACT_BYTES];
    const char *p = text;

    return read_text(root, name, text) ? next_number(&p) : DOCTOR_UNKNOWN;
}

/* The number behind `word` in a file of words and numbers. */
static int64_t read_behind(const char *root, const char *name, const char *word)
{
    char text[FACT_BYTES];
    const char *p;

    if (!read_text(root, name, text))
        return DOCTOR_UNKNOWN;
    p = strstr(text, word);
    if (!p)
        return DOCTOR_UNKNOWN;
    p += strlen(word);
    return next_number(&p);
}

/* ---- what needs more than one number ---- */

/* "8080,9000-9100" (Documentation/networking/ip-sysctl.rst). */
static void read_reserved(struct doctor_facts *facts, const char *proc)
{
    char text[FACT_BYTES];
    const char *p = text;

    if (!read_text(proc, "sys/net/ipv4/ip_local_reserved_ports", text))
        return;
    while (*p) {
        int64_t first = next_number(&p), last = first;

        if (first >= 0 && *p == '-')
            last = next_number(&p);
        for (int64_t port = first; port >= 0 && port <= last && port < PORTS; port++)
            facts->reserved[port / 64] |= UINT64_C(1) << port % 64;
    }
}

static void read_ports(struct doctor_facts *facts, const char *proc)
{
    char text[FACT_BYTES];
    const char *p = text;

    if (!read_text(proc, "sys/net/ipv4/ip_local_port_range", text))
        return;
    facts->port_first = next_number(&p);
    facts->port_last = next_number(&p);
}

/* Of a container only its own group is there to be seen; "max" has no number. */
static int64_t read_memory(const struct doctor_roots *roots)
{
    static const char *const limits[] = {"memory.max", "memory/memory.limit_in_bytes"};
    int64_t kilobytes = read_behind(roots->proc, "meminfo", "MemTotal:");
    int64_t bytes = kilobytes < 0 ? DOCTOR_UNKNOWN : kilobytes * 1024;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int64_t limit = read_number(roots->cgroup, limits[i]);

        if (limit > 0 && (bytes < 0 || limit < bytes))
            bytes = limit;
    }
    return bytes;
}

static int64_t read_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return DOCTOR_UNKNOWN;
    return limit.rlim_max > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_max;
}

/* Asking needs no privilege (adjtimex(2)); some sandboxes do not know the call. */
static enum doctor_clock read_clock(void)
{
    struct timex timex = {.modes = 0};

    if (adjtimex(&timex) < 0)
        return DOCTOR_CLOCK_UNKNOWN;
    return timex.status & STA_UNSYNC ? DOCTOR_CLOCK_FREE : DOCTOR_CLOCK_SYNCED;
}

/* CapEff of proc(5) is a hexadecimal mask. */
static bool read_binds_low(const char *proc)
{
    static const char word[] = "CapEff:";
    char text[FACT_BYTES];
    const char *p;

    if (!read_text(proc, "self/status", text) || (p = strstr(text, word)) == NULL)
        return false;
    return (strtoull(p + strlen(word), NULL, 16) >> CAP_NET_BIND_SERVICE & 1) != 0;
}

/* Asking changes nothing (seccomp(2)); Linux before 4.14 cannot be asked. */
static int64_t read_filters(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
        return 1;
    return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : DOCTOR_UNKNOWN;
}

void doctor_facts_read(struct doctor_facts *ret_facts, const struct doctor_roots *roots,
                       const char *config_path, const struct doctor_user *user)
{
    const char *proc = roots->proc;
    struct stat st;

    *ret_facts = (struct doctor_facts){
        .proc = read_behind(proc, "meminfo", "MemTotal:") >= 0,
        .cpus = server_usable_cpus(),
        .descriptors = read_descriptors(),
        .somaxconn = read_number(proc, "sys/net/core/somaxconn"),
        .syncookies = read_number(proc, "sys/net/ipv4/tcp_syncookies"),
        .syn_backlog = read_number(proc, "sys/net/ipv4/tcp_max_syn_backlog"),
        .port_first = DOCTOR_UNKNOWN,
        .port_last = DOCTOR_UNKNOWN,
        .tw_reuse = read_number(proc, "sys/net/ipv4/tcp_tw_reuse"),
        .time_wait = read_behind(proc, "net/sockstat", " tw "),
        .conntrack = read_number(proc, "sys/net/netfilter/nf_conntrack_count"),
        .conntrack_max = read_number(proc, "sys/net/netfilter/nf_conntrack_max"),
        .memory_bytes = read_memory(roots),
        .overcommit = read_number(proc, "sys/vm/overcommit_memory"),
        .root = geteuid() == 0,
        .binds_low = read_binds_low(proc),
        .low_ports = read_number(proc, "sys/net/ipv4/ip_unprivileged_port_start"),
        .filters = read_filters(),
        .user = *user,
        .clock = read_clock(),
        .written_s = stat(config_path, &st) == 0 ? (int64_t)st.st_mtime : DOCTOR_UNKNOWN,
    };
    read_ports(ret_facts, proc);
    read_reserved(ret_facts, proc);
}
