/* What a user may do with a file, by owners and modes: see doctor_internal.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cli/doctor_facts.h"
#include "cli/doctor_internal.h"

/* Without an account, and in no group that a file could have. */
static const struct doctor_user anybody = {.uid = (uid_t)-2, .gid = (gid_t)-2};

static bool is_in_group(const struct doctor_user *user, gid_t gid)
{
    for (int i = 0; i < user->group_count; i++)
        if (user->groups[i] == gid)
            return true;
    return user->gid == gid;
}

/* As path_resolution(7) has it. Where an access control list names users, the kernel is the one to
 * judge: they may. It says the same of others as the mode (acl(5)). */
static bool may(const struct doctor_user *user, const char *path, mode_t wanted)
{
    struct stat st;
    mode_t granted;

    if (user->uid == 0 || stat(path, &st) < 0 ||
        (user != &anybody && getxattr(path, "system.posix_acl_access", NULL, 0) > 0))
        return true;
    if (st.st_uid == user->uid)
        granted = st.st_mode >> 6;
    else
        granted = is_in_group(user, st.st_gid) ? st.st_mode >> 3 : st.st_mode;
    return (granted & wanted) == wanted;
}

char *doctor_obstacle(const struct doctor_user *user, const char *path, mode_t wanted,
                      mode_t *ret_wanted)
{
    char *real = realpath(path, NULL);

    for (char *slash = real ? strchr(real + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        *ret_wanted = DOCTOR_MAY_ENTER;
        if (!may(user, real, DOCTOR_MAY_ENTER))
            return real;
        *slash = '/';
    }
    *ret_wanted = wanted;
    if (real && !may(user, real, wanted))
        return real;
    free(real);
    return NULL;
}

bool doctor_anybody_may(const char *path, mode_t wanted)
{
    mode_t missing;
    char *obstacle = doctor_obstacle(&anybody, path, wanted, &missing);
    bool free_way = obstacle == NULL;

    free(obstacle);
    return free_way;
}
