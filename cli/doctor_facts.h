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
#include <sys/types.h>

/* Where the kernel's files are; tests give directories of their own. */
struct doctor_roots {
    const char *proc;   /* /proc */
    const char *cgroup; /* /sys/fs/cgroup */
};

enum { DOCTOR_UNKNOWN = -1 };

enum doctor_clock { DOCTOR_CLOCK_UNKNOWN, DOCTOR_CLOCK_SYNCED, DOCTOR_CLOCK_FREE };

/* Whom it will run as: `user` of the file, or whoever asks. */
struct doctor_user {
    const char *name; /* as it stands in the file; NULL: whoever asks */
    uid_t uid;
    gid_t gid;
    const char *group;   /* the name of `gid`, or its number */
    const gid_t *groups; /* supplementary */
    int group_count;
};

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
    bool root;         /* is who asks? */
    bool binds_low;    /* may who asks bind the ports below that? */
    int64_t low_ports; /* net.ipv4.ip_unprivileged_port_start */
    int64_t filters;   /* 1: the kernel has filters of system calls (seccomp(2)) */
    struct doctor_user user;
    enum doctor_clock clock;
    int64_t written_s; /* when the configuration file was changed */
};

/* `user` is borrowed. */
void doctor_facts_read(struct doctor_facts *ret_facts, const struct doctor_roots *roots,
                       const char *config_path, const struct doctor_user *user);

#endif
