/*
 * Listening sockets on their way from one binary to the next: which there are, which came from the
 * one before, and whose the files of Unix sockets are. See listen.h.
 *
 * A file is removed by one process only: the one that made the socket, until its successor serves;
 * then the successor. A socket that is handed on is never closed by both before one accepts from
 * it, for its queue would go with the last descriptor, and every client in it be reset.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/listen_internal.h"

static struct list open_groups = {&open_groups, &open_groups};
static struct list inherited = {&inherited, &inherited}; /* nobody has taken them over yet */

/* ---- Groups ---- */

static struct listen_group *group_new(const char *bind, struct list *among)
{
    struct listen_group *group = xcalloc(1, sizeof(*group));

    group->bind = xstrdup(bind);
    list_push_back(among, &group->node);
    return group;
}

struct listen_group *listen_group_new(const char *bind)
{
    return group_new(bind, &open_groups);
}

void listen_group_add(struct listen_group *group, int fd)
{
    group->fds = xrealloc(group->fds, (group->count + 1) * sizeof(*group->fds));
    group->fds[group->count++] = fd;
}

void listen_group_close(struct listen_group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        close(group->fds[i]);
    group->count = 0;
    group->silent_from = 0;
}

bool listen_group_has(int fd)
{
    struct stat wanted, st;

    if (fstat(fd, &wanted) < 0)
        return false;
    list_for_each(node, &open_groups)
    {
        const struct listen_group *group = container_of(node, struct listen_group, node);

        for (unsigned i = 0; i < group->count; i++)
            if (fstat(group->fds[i], &st) == 0 && st.st_dev == wanted.st_dev &&
                st.st_ino == wanted.st_ino)
                return true;
    }
    return false;
}

void listen_group_remove_file(const struct listen_group *group)
{
    const char *path = group->bind + strlen("unix:");
    struct stat st;

    /* Somebody else may have put a socket of his own there in the meantime. */
    if (group->unix_inode != 0 && lstat(path, &st) == 0 && st.st_dev == group->unix_device &&
        st.st_ino == group->unix_inode)
        unlink(path);
}

void listen_group_free(struct listen_group *group)
{
    listen_group_close(group);
    if (group->owns_file)
        listen_group_remove_file(group);
    list_remove(&group->node);
    free(group->fds);
    free(group->bind);
    free(group);
}

/* ---- To the next binary ---- */

void listen_bequeath(void (*each)(void *arg, const struct listen_estate *estate), void *arg)
{
    list_for_each(node, &open_groups)
    {
        const struct listen_group *group = container_of(node, struct listen_group, node);
        const struct listen_estate estate = {
            .bind = group->bind,
            .fds = group->fds,
            .count = group->count,
            .unix_device = group->unix_device,
            .unix_inode = group->unix_inode,
        };

        if (group->count > 0)
            each(arg, &estate);
    }
    listen_activation_bequeath(each, arg);
}

void listen_disown(void)
{
    list_for_each(node, &open_groups) container_of(node, struct listen_group, node)->owns_file =
        false;
}

/* ---- From the one before ---- */

void listen_inherit(const struct listen_estate *estate)
{
    struct listen_group *group;

    if (listen_activation_inherit(estate))
        return;
    group = group_new(estate->bind, &inherited);
    for (unsigned i = 0; i < estate->count; i++)
        listen_group_add(group, estate->fds[i]);
    group->silent_from = group->count;
    group->unix_device = estate->unix_device;
    group->unix_inode = estate->unix_inode;
}

struct listen_group *listen_claim(const char *bind)
{
    list_for_each(node, &inherited)
    {
        struct listen_group *group = container_of(node, struct listen_group, node);

        if (group->count == 0 || strcmp(group->bind, bind) != 0)
            continue;
        list_remove(&group->node);
        list_push_back(&open_groups, &group->node);
        return group;
    }
    return NULL;
}

int listen_begin(char **ret_why)
{
    list_for_each(node, &open_groups)
    {
        struct listen_group *group = container_of(node, struct listen_group, node);

        for (; group->silent_from < group->count; group->silent_from++) {
            if (listen(group->fds[group->silent_from], LISTEN_BACKLOG) == 0)
                continue;
            *ret_why = xasprintf("cannot listen on %s: %m", group->bind);
            return EG_E_INTERNAL;
        }
    }
    return EG_OK;
}

void listen_inherit_close(void)
{
    list_for_each(node, &inherited)
        listen_group_close(container_of(node, struct listen_group, node));
}

void listen_inherit_own(void)
{
    list_for_each(node, &open_groups) container_of(node, struct listen_group, node)->owns_file =
        true;
    list_for_each_safe(node, next, &inherited)
    {
        struct listen_group *group = container_of(node, struct listen_group, node);

        group->owns_file = true;
        listen_group_free(group);
    }
}
