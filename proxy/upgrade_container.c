/*
 * Containers that end with this process: an heir would be killed as soon as the elder is gone, and
 * with it every connection. Who started us is all there is to tell by.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/upgrade_internal.h"

static const char advice[] =
    "start a container of the new image beside this one, then stop this one";

/* Those that do nothing but wait for the one program that they were told to start; under these
 * names Docker, Podman and images put them there. */
static const char *const inits[] = {"docker-init", "podman-init", "tini",
                                    "tini-static", "catatonit",   "dumb-init"};

enum { COMM_BYTES = 17 }; /* 15 characters, a newline and a NUL (proc(5)) */

/* Of process 1; "" where that cannot be told. */
static void read_name(char name[COMM_BYTES])
{
    int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, name, COMM_BYTES - 1) : -1;

    if (fd >= 0)
        close(fd);
    name[n > 0 ? n : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

static bool ends_with_its_child(const char *name)
{
    for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
        if (strcmp(name, inits[i]) == 0)
            return true;
    return false;
}

char *upgrade_container_objection(void)
{
    char name[COMM_BYTES];

    if (getpid() == 1)
        return xasprintf("this is process 1, with which its container would end: %s", advice);
    if (getppid() == 0) /* it is in another namespace (getppid(2)), as in a pod that shares one */
        return xasprintf("this process was started from outside of its container, which would "
                         "end with it: %s",
                         advice);
    if (getppid() != 1)
        return NULL;
    read_name(name);
    if (!ends_with_its_child(name))
        return NULL;
    return xasprintf("process 1, %s, ends with this one, and the container with both: %s", name,
                     advice);
}
