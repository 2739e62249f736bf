/* Giving up privileges: see privileges.h. */
#include "confine/privileges.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/slice.h"

enum { GROUPS_FIRST_GUESS = 32, CAPABILITY_WORDS = _LINUX_CAPABILITY_U32S_3 };

static const unsigned bind_bit = 1u << CAP_NET_BIND_SERVICE;

static int fail(char **ret_why, const char *what, const char *object, const char *advice)
{
    *ret_why = xasprintf("%s \"%s\": %s%s", what, object, strerror(errno), advice);
    return EG_E_INTERNAL;
}

/* ---- Who ---- */

/* -1 is no id: to setresuid(2) it means "unchanged". */
static bool parse_id(const char *text, unsigned *ret_id)
{
    unsigned long long id;

    if (!slice_to_u64(slice_str(text), &id) || id >= UINT_MAX)
        return false;
    *ret_id = (unsigned)id;
    return true;
}

static void find_groups(struct privileges *p, const char *user)
{
    int count = GROUPS_FIRST_GUESS;

    p->groups = xcalloc((size_t)count, sizeof(*p->groups));
    if (getgrouplist(user, p->gid, p->groups, &count) < 0) {
        p->groups = xrealloc(p->groups, (size_t)count * sizeof(*p->groups));
        CHECK(getgrouplist(user, p->gid, p->groups, &count) >= 0);
    }
    p->group_count = count;
}

static bool find_group(gid_t *ret_gid, const char *group)
{
    const struct group *entry = getgrnam(group);

    if (entry == NULL)
        return parse_id(group, ret_gid);
    *ret_gid = entry->gr_gid;
    return true;
}

/* A number that no user has is fine: containers have no list of users. It has no group then, and
 * must not keep ours by default. */
static int find_user(struct privileges *p, const char *user, const char *group, char **ret_why)
{
    const struct passwd *entry = getpwnam(user);

    if (entry == NULL && !parse_id(user, &p->uid)) {
        *ret_why = xasprintf("user: there is no user \"%s\" on this system", user);
        return EG_E_INTERNAL;
    }
    if (entry != NULL)
        p->uid = entry->pw_uid;
    else
        entry = getpwuid(p->uid);
    if (entry == NULL && group[0] == '\0') {
        *ret_why = xasprintf("user: no user of this system has the number %s, so its group is "
                             "not known; write group = \"...\" too",
                             user);
        return EG_E_INTERNAL;
    }
    if (group[0] == '\0')
        p->gid = entry->pw_gid;
    if (entry != NULL)
        find_groups(p, entry->pw_name);
    return EG_OK;
}

int privileges_find(struct privileges *ret_privileges, const char *user, const char *group,
                    char **ret_why)
{
    struct privileges p = {.chroot = "", .other_user = user[0] != '\0', .name = xstrdup(user)};

    if (p.other_user && group[0] != '\0' && !find_group(&p.gid, group)) {
        *ret_why = xasprintf("group: there is no group \"%s\" on this system", group);
        privileges_fini(&p);
        return EG_E_INTERNAL;
    }
    if (p.other_user && find_user(&p, user, group, ret_why) != EG_OK) {
        privileges_fini(&p);
        return EG_E_INTERNAL;
    }
    *ret_privileges = p;
    return EG_OK;
}

void privileges_fini(struct privileges *p)
{
    free(p->groups);
    free(p->name);
    *p = (struct privileges){.chroot = ""};
}

/* ---- Capabilities ---- */

struct capabilities {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct words[CAPABILITY_WORDS];
};

static int capabilities_read(struct capabilities *c)
{
    *c = (struct capabilities){.header.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(SYS_capget, &c->header, c->words);
}

/* All go but the right to bind low ports, and that stays only where it was. */
static int capabilities_reduce(enum privileges_holder holder)
{
    struct capabilities now, wanted;
    unsigned bind;

    if (capabilities_read(&now) < 0)
        return -1;
    bind = now.words[0].permitted & bind_bit;
    wanted = (struct capabilities){.header = now.header};
    wanted.words[0].permitted = bind;
    if (holder == PRIVILEGES_OF_PROXY)
        wanted.words[0].effective = bind;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_capset, &wanted.header, wanted.words);
}

/* What a program that is run could gain at most: nothing, should code that somebody smuggles in get
 * to run one. Not for commands: sudo in one of them would be a superuser who may do nothing. Only
 * root can give it up, so that a next binary still has it. */
static void drop_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static bool has_something_to_lend; /* of the spawner, when it is not root */

/* What is ambient must be inheritable, and ceases to be ambient with it (capabilities(7)). */
void privileges_lend(bool lend)
{
    struct capabilities c;
    unsigned bind;

    if (!has_something_to_lend || capabilities_read(&c) < 0)
        return;
    bind = c.words[0].permitted & bind_bit;
    if (lend)
        c.words[0].inheritable |= bind;
    else
        c.words[0].inheritable &= ~bind;
    if (syscall(SYS_capset, &c.header, c.words) == 0 && lend && bind)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

/* ---- Becoming it ---- */

static bool is_already(const struct privileges *p)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    return getresuid(&real, &effective, &saved) == 0 && real == p->uid && effective == p->uid &&
           saved == p->uid && getresgid(&real_group, &effective_group, &saved_group) == 0 &&
           real_group == p->gid && effective_group == p->gid && saved_group == p->gid;
}

static int become(const struct privileges *p)
{
    if (is_already(p) && p->uid != 0)
        return 0;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups((size_t)p->group_count, p->groups) < 0)
        return -1;
    if (setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0)
        return -1;
    return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

static int change_user(const struct privileges *p, enum privileges_holder holder, char **ret_why)
{
    if (holder == PRIVILEGES_OF_PROXY && p->uid != 0)
        drop_bounding_set();
    if (become(p) == 0)
        return EG_OK;
    return fail(ret_why, "cannot become user", p->name,
                "; start evergate as root, or leave `user` out");
}

int privileges_take(const struct privileges *p, enum privileges_holder holder, char **ret_why)
{
    if (p->chroot[0] != '\0' && (chroot(p->chroot) < 0 || chdir("/") < 0))
        return fail(ret_why, "cannot make a root directory of", p->chroot, "");
    if (p->other_user && change_user(p, holder, ret_why) != EG_OK)
        return EG_E_INTERNAL;
    if (geteuid() == 0) /* somebody asked for it */
        return EG_OK;
    if (capabilities_reduce(holder) < 0)
        return fail(ret_why, "cannot give up", "capabilities", "");
    has_something_to_lend = holder == PRIVILEGES_OF_SPAWNER;
    /* What cannot be: a way back. */
    CHECK(!p->other_user || (setuid(0) < 0 && geteuid() == p->uid && getegid() == p->gid));
    return EG_OK;
}

/* ---- Core dumps ---- */

/* Sanitizers look into their own process from outside when they search for leaks. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool must_be_dumpable = true;
#else
static const bool must_be_dumpable = false;
#endif

/* The limit alone does not stop a kernel that pipes cores to a program (core(5)). The hard limit
 * stays: it would be inherited by a next binary that is to have cores. */
int privileges_set_core_dumps(bool on, char **ret_why)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        return fail(ret_why, "cannot read", "the limit of core files", "");
    limit.rlim_cur = on ? limit.rlim_max : 0;
    if (setrlimit(RLIMIT_CORE, &limit) < 0 ||
        prctl(PR_SET_DUMPABLE, on || must_be_dumpable, 0, 0, 0) < 0)
        return fail(ret_why, "cannot set", "core_dumps", "");
    return EG_OK;
}
