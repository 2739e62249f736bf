/*
 * What the kernel says of this machine, for the doctor's rules to judge.
 *
 * Apart from the rules, so that those are tested with facts of any machine, and these with files of
 * any kernel. They are of the process that asks: a unit's or a container's own limits are seen from
 * inside of it only.
 */
#ifndef EVERGATE_CLI_DOCTOR_FACTS_H
#define EVERGATE_CLI_DOCTOR_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* Where the kernel's files are; tests give directories of their own. */
struct doctor_roots {
    const char *proc;   /* /proc */
    const char *cgroup; /* /sys/fs/cgroup */
};

enum { DOCTOR_UNKNOWN = -1 };

enum doctor_clock { DOCTOR_CLOCK_UNKNOWN, DOCTOR_CLOCK_SYNCED, DOCTOR_CLOCK_FREE };

/* DOCTOR_UNKNOWN where it could not be read. */
struct doctor_facts {
    bool proc;           /* is /proc mounted? */
    unsigned cpus;       /* that this process may use */
    int64_t descriptors; /* the hard limit, which `run` raises the soft one to; INT64_MAX: none */
    int64_t somaxconn, syncookies, syn_backlog;
    int64_t port_first, port_last; /* for outgoing connections */
    uint64_t reserved[1024];       /* a bit for each port that the kernel keeps out of those */
    int64_t tw_reuse, time_wait;
    int64_t conntrack, conntrack_max; /* unknown where nothing tracks connections */
    int64_t memory_bytes;             /* of the machine or the container, whichever is less */
    int64_t overcommit;
    enum doctor_clock clock;
    int64_t written_s; /* when the configuration file was changed */
};

void doctor_facts_read(struct doctor_facts *ret_facts, const struct doctor_roots *roots,
                       const char *config_path);

#endif
