/* How many descriptors there are for clients: see descriptors.h. */
#include "proxy/descriptors.h"

#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>

#include "base/log.h"

enum {
    DESCRIPTORS_ASSUMED_OPEN = 64, /* where /proc cannot be read */
    DESCRIPTORS_SPARE = 8,         /* logs reopened, names resolved, management */
};

void descriptors_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn("cannot raise the limit of open files to %llu",
                 (unsigned long long)limit.rlim_max);
}

static unsigned count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    if (directory == NULL)
        return DESCRIPTORS_ASSUMED_OPEN;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count; /* "." and ".." stand for the directory's own and one to spare */
}

unsigned descriptors_clients_of(unsigned long long limit, unsigned open)
{
    unsigned long long clients;

    if (limit <= open + DESCRIPTORS_SPARE + 2)
        return 1;
    clients = (limit - open - DESCRIPTORS_SPARE) / 2;
    return clients < UINT_MAX ? (unsigned)clients : UINT_MAX;
}

unsigned descriptors_client_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT_MAX;
    return descriptors_clients_of(limit.rlim_cur, count_open());
}
