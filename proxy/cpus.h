/*
 * How many processors this process may use. Insiders of proxy/ only; others call
 * server_usable_cpus.
 *
 * In a container sysconf() tells the machine's processors; the quota stands in the cgroup's files,
 * of version 1 or 2, of our group and of every group above it: the tightest one counts.
 */
#ifndef EVERGATE_PROXY_CPUS_H
#define EVERGATE_PROXY_CPUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Where the kernel's files are; tests give directories of their own. */
struct cpus_sources {
    const char *proc_cgroup; /* /proc/self/cgroup */
    const char *cgroup_root; /* /sys/fs/cgroup */
};

/* Processors of a quota per period, rounded up, at least 1; 0: no limit. */
unsigned cpus_of_quota(long long quota_us, long long period_us);

/* The text of a cgroup v2 cpu.max: "max 100000", "150000 100000". 0: no limit, or unreadable. */
unsigned cpus_of_cpu_max(struct slice text);

/* From the text of /proc/self/cgroup, the path of the hierarchy that has `controller` ("cpu" for
 * version 1, "" for version 2). False when there is no such line. */
bool cpus_cgroup_path(struct slice text, const char *controller, struct slice *ret_path);

/* The tightest quota of our group and the groups above it; 0: none. */
unsigned cpus_of_cgroups(const struct cpus_sources *sources);

#endif
