/* Making the filter of the table: see syscalls.h. */
#include "confine/syscalls.h"

#include <asm/termbits.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/alloc.h"

enum { BINARY_TREE = 2 }; /* SCMP_FLTATR_CTL_OPTIMIZE: a search, not a walk from the top */

static bool is_listed(const char *call)
{
    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++)
        for (size_t i = 0; group->calls[i]; i++)
            if (strcmp(group->calls[i], call) == 0)
                return true;
    return false;
}

/* 0 or a negative errno, as libseccomp has it. What this machine or this libseccomp does not know
 * has a negative number: nobody can make that call by its name here. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *call)
{
    int number = seccomp_syscall_resolve_name(call);

    return number < 0 ? 0 : seccomp_rule_add(filter, action, number, 0);
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *calls)
{
    int rc = 0;

    for (size_t i = 0; calls[i] && rc == 0; i++)
        if (action == SCMP_ACT_ALLOW || !is_listed(calls[i]))
            rc = add(filter, action, calls[i]);
    return rc;
}

/* ---- Calls that depend on an argument ---- */

struct condition {
    const char *call;
    unsigned argument;
    scmp_datum_t mask; /* 0: all of an int */
    scmp_datum_t value;
};

static const scmp_datum_t low_bits = 0xffffffff; /* an int's: what stands above is not looked at */

static const struct condition conditions[] = {
    /* A thread, not a process. clone3(2) hides its flags in memory where no filter can see
     * them; libc falls back on this one. */
    {"clone", 0, CLONE_THREAD, CLONE_THREAD},
    /* What is written is not executed: no mapping is both. */
    {"mmap", 2, PROT_WRITE | PROT_EXEC, 0},
    {"mmap", 2, PROT_WRITE | PROT_EXEC, PROT_WRITE},
    {"mmap", 2, PROT_WRITE | PROT_EXEC, PROT_EXEC},
    {"mprotect", 2, PROT_WRITE | PROT_EXEC, 0},
    {"mprotect", 2, PROT_WRITE | PROT_EXEC, PROT_WRITE},
    {"mprotect", 2, PROT_WRITE | PROT_EXEC, PROT_EXEC},
    {"prctl", 0, 0, PR_SET_NAME},
    {"prctl", 0, 0, PR_GET_NAME},
    {"prctl", 0, 0, PR_SET_VMA}, /* malloc names its memory */
    {"prlimit64", 0, 0, 0},      /* our own */
    {"socket", 0, 0, AF_UNIX},
    {"socket", 0, 0, AF_INET},
    {"socket", 0, 0, AF_INET6},
    {"socket", 0, 0, AF_NETLINK}, /* libc looks up interfaces and addresses */
    {"socketpair", 0, 0, AF_UNIX},
    /* How much waits, is it a terminal and how large; above all not TIOCSTI, which types. */
    {"ioctl", 1, 0, FIONREAD},
    {"ioctl", 1, 0, FIONBIO},
    {"ioctl", 1, 0, TCGETS},
    {"ioctl", 1, 0, TIOCGWINSZ},
    {"ioctl", 1, 0, SIOCOUTQ},
    {"ioctl", 1, 0, SIOCGIFNAME},
    {"ioctl", 1, 0, SIOCGIFINDEX},
};

static int add_condition(scmp_filter_ctx filter, const struct condition *condition)
{
    scmp_datum_t mask = condition->mask != 0 ? condition->mask : low_bits;
    int number = seccomp_syscall_resolve_name(condition->call);

    if (number < 0 || is_listed(condition->call))
        return 0;
    return seccomp_rule_add(
        filter, SCMP_ACT_ALLOW, number, 1,
        SCMP_CMP(condition->argument, SCMP_CMP_MASKED_EQ, mask, condition->value));
}

static int add_conditions(scmp_filter_ctx filter)
{
    int rc = 0;

    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]) && rc == 0; i++)
        rc = add_condition(filter, &conditions[i]);
    return rc;
}

/* ---- The filter ---- */

/* SSB: the kernel would switch off speculative store bypass for filtered processes, which costs a
 * lot (before 5.16) and guards against code that shares our address space: there is none.
 * A call by the numbers of another machine type (i386, x32) gets around names, so it is deadly. */
static int set_attributes(scmp_filter_ctx filter)
{
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);

    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    return rc;
}

static int fill(scmp_filter_ctx filter)
{
    int rc = set_attributes(filter);

    for (const struct syscalls_group *group = syscalls_allowed; group->name && rc == 0; group++)
        rc = add_all(filter, SCMP_ACT_ALLOW, group->calls);
    if (rc == 0)
        rc = add_conditions(filter);
    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_KILL_PROCESS, syscalls_deadly);
    return rc;
}

int syscalls_restrict(char **ret_why)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int rc = filter ? fill(filter) : -ENOMEM;

    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    if (rc == 0)
        return EG_OK;
    *ret_why = xasprintf("cannot filter system calls: %s; write sandbox = false where the kernel "
                         "or the container has no seccomp filters",
                         strerrordesc_np(-rc));
    return EG_E_INTERNAL;
}
