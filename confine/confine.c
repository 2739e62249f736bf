/* The order of giving things up: see confine.h. */
#include "confine/confine.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/privileges.h"
#include "confine/spawner.h"
#include "confine/syscalls.h"

static bool has_chroot;

bool confine_has_chroot(void)
{
    return has_chroot;
}

/* Commands are nobody's way around what we gave up: they get a process of their own as soon as
 * there is anything to give up. */
static bool needs_spawner(const struct confine_settings *settings)
{
    return settings->sandbox || settings->user[0] != '\0' || settings->chroot[0] != '\0';
}

/* As process 1 too: the orphans that we get must be nobody whose end somebody here waits for. Where
 * the system lacks what a spawner needs, there are no commands, and without them no orphans. */
static int start_spawner(const struct confine_settings *settings,
                         const struct privileges *privileges, char **ret_why)
{
    bool needed = needs_spawner(settings);
    int rc = needed || getpid() == 1 ? spawner_start(privileges, ret_why) : EG_OK;

    if (rc == EG_OK || needed)
        return rc;
    free(*ret_why);
    *ret_why = NULL;
    return EG_OK;
}

static int confine(const struct confine_settings *settings, const struct privileges *privileges,
                   char **ret_why)
{
    int rc = start_spawner(settings, privileges, ret_why);

    if (rc == EG_OK)
        rc = privileges_take(privileges, PRIVILEGES_OF_PROXY, ret_why);
    if (rc == EG_OK)
        rc = privileges_set_core_dumps(settings->core_dumps, ret_why);
    if (rc == EG_OK && settings->sandbox)
        rc = syscalls_restrict(ret_why);
    return rc;
}

int confine_begin(const struct confine_settings *settings, char **ret_why)
{
    struct privileges privileges;
    int rc = privileges_find(&privileges, settings->user, settings->group, ret_why);

    if (rc != EG_OK)
        return rc;
    privileges.chroot = settings->chroot;
    rc = confine(settings, &privileges, ret_why);
    has_chroot = settings->chroot[0] != '\0';
    privileges_fini(&privileges);
    if (rc != EG_OK)
        confine_end();
    return rc;
}

static int look(const struct privileges *privileges, char **ret_why)
{
    if (geteuid() == 0)
        return privileges_take(privileges, PRIVILEGES_OF_PROXY, ret_why);
    if (privileges->chroot[0] == '\0')
        return EG_OK;
    *ret_why =
        xasprintf("chroot: only root can look into \"%s\" as evergate will; run this as root",
                  privileges->chroot);
    return EG_E_INTERNAL;
}

int confine_look(const struct confine_settings *settings, char **ret_why)
{
    struct privileges privileges;
    int rc = privileges_find(&privileges, settings->user, settings->group, ret_why);

    if (rc != EG_OK)
        return rc;
    privileges.chroot = settings->chroot;
    rc = look(&privileges, ret_why);
    privileges_fini(&privileges);
    return rc;
}

void confine_end(void)
{
    spawner_stop();
}
