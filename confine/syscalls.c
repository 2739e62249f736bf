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

/* 0 or a negative errno, as libseccomp has it. What this machine or this libseccomp does not know
 * has a negative number: nobody can make that call by its name here. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *call)
{
    int number = seccomp_syscall_resolve_name(call);

    return number < 0 ? 0 : seccomp_rule_add(filter, action, number, 0);
}

static int allow_all(scmp_filter_ctx filter, const char *const *calls)
{
    int rc = 0;

    for (size_t i = 0; calls[i] && rc == 0; i++)
        rc = add(filter, SCMP_ACT_ALLOW, calls[i]);
    return rc;
}

/* libseccomp wants one rule for a call, or several that look at arguments. */
static bool is_in(const char *const *calls, const char *call)
{
    for (size_t i = 0; calls[i]; i++)
        if (strcmp(calls[i], call) == 0)
            return true;
    return false;
}

/* ---- Calls that depend on an argument ---- */

struct comparison {
    unsigned argument;
    scmp_datum_t mask, value;
};

struct condition {
    const char *call;
    struct comparison is, and; /* `and`, if it has a mask, must hold as well */
};

#define IF(name, at, bits, wanted)                                                                 \
    {                                                                                              \
        .call = name, .is = {.argument = at, .mask = bits, .value = wanted},                       \
    }
/* All of an int: what stands above is not looked at. */
#define INT 0xffffffff

static const struct condition conditions[] = {
    /* A thread, not a process. clone3(2) hides its flags in memory where no filter can see
     * them; libc falls back on this one. */
    IF("clone", 0, CLONE_THREAD, CLONE_THREAD),
    /* What was written into memory is not executed: no mapping is both, and none becomes
     * executable. Libraries are mapped from their files. */
    IF("mmap", 2, PROT_EXEC, 0),
    {
        .call = "mmap",
        .is = {2, PROT_WRITE | PROT_EXEC, PROT_EXEC},
        .and = {3, MAP_ANONYMOUS, 0},
    },
    IF("mprotect", 2, PROT_EXEC, 0),
    IF("prctl", 0, INT, PR_SET_NAME),
    IF("prctl", 0, INT, PR_GET_NAME),
    IF("prctl", 0, INT, PR_SET_VMA), /* malloc names its memory */
    IF("prlimit64", 0, INT, 0),      /* our own */
    IF("socket", 0, INT, AF_UNIX),
    IF("socket", 0, INT, AF_INET),
    IF("socket", 0, INT, AF_INET6),
    IF("socket", 0, INT, AF_NETLINK), /* libc looks up interfaces and addresses */
    IF("socketpair", 0, INT, AF_UNIX),
    /* How much waits, is it a terminal and how large; above all not TIOCSTI, which types. */
    IF("ioctl", 1, INT, FIONREAD),
    IF("ioctl", 1, INT, FIONBIO),
    IF("ioctl", 1, INT, TCGETS),
    IF("ioctl", 1, INT, TIOCGWINSZ),
    IF("ioctl", 1, INT, SIOCOUTQ),
    IF("ioctl", 1, INT, SIOCGIFNAME),
    IF("ioctl", 1, INT, SIOCGIFINDEX),
};

static struct scmp_arg_cmp compare(const struct comparison *c)
{
    return SCMP_CMP(c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value);
}

static int add_condition(scmp_filter_ctx filter, const struct condition *condition)
{
    const struct scmp_arg_cmp comparisons[] = {compare(&condition->is), compare(&condition->and)};
    int number = seccomp_syscall_resolve_name(condition->call);

    if (number < 0)
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, condition->and.mask ? 2 : 1,
                                  comparisons);
}

static int add_conditions(scmp_filter_ctx filter, const char *const *besides)
{
    int rc = 0;

    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]) && rc == 0; i++)
        if (!is_in(besides, conditions[i].call))
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

static int add_deadly(scmp_filter_ctx filter, const char *const *besides)
{
    int rc = 0;

    for (size_t i = 0; syscalls_deadly[i] && rc == 0; i++)
        if (!is_in(besides, syscalls_deadly[i]))
            rc = add(filter, SCMP_ACT_KILL_PROCESS, syscalls_deadly[i]);
    return rc;
}

static int fill(scmp_filter_ctx filter, const char *const *besides)
{
    int rc = set_attributes(filter);

    for (const struct syscalls_group *group = syscalls_allowed; group->name && rc == 0; group++)
        rc = allow_all(filter, group->calls);
    if (rc == 0)
        rc = allow_all(filter, besides);
    if (rc == 0)
        rc = add_conditions(filter, besides);
    return rc == 0 ? add_deadly(filter, besides) : rc;
}

int syscalls_restrict_but(const char *const *besides, char **ret_why)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int rc = filter ? fill(filter, besides) : -ENOMEM;

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

/* LeakSanitizer stops its own process from outside, the others map what they like. */
int syscalls_restrict(char **ret_why)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return syscalls_restrict_but(syscalls_of_sanitizers, ret_why);
#else
    return syscalls_restrict_but((const char *const[]){NULL}, ret_why);
#endif
}
