/* Which system calls a proxy needs: see syscalls.h. Names, not numbers: each machine has its own
 * (x86_64 has poll, aarch64 only ppoll), and libseccomp knows them. */
#include <stddef.h>

#include "confine/syscalls.h"

static const char *const memory[] = {"brk",    "madvise", "membarrier", "mincore",
                                     "mremap", "munmap",  NULL};

static const char *const threads[] = {"exit",
                                      "exit_group",
                                      "futex",
                                      "futex_waitv",
                                      "getcpu",
                                      "gettid",
                                      "restart_syscall",
                                      "rseq",
                                      "sched_getaffinity",
                                      "sched_getparam",
                                      "sched_getscheduler",
                                      "sched_yield",
                                      "set_robust_list",
                                      "set_tid_address",
                                      NULL};

static const char *const signals[] = {"kill",
                                      "pidfd_open",
                                      "pidfd_send_signal",
                                      "rt_sigaction",
                                      "rt_sigpending",
                                      "rt_sigprocmask",
                                      "rt_sigreturn",
                                      "rt_sigtimedwait",
                                      "sigaltstack",
                                      "tgkill",
                                      "wait4",
                                      "waitid",
                                      NULL};

static const char *const clocks[] = {
    "clock_getres",   "clock_gettime",   "clock_nanosleep", "gettimeofday", "nanosleep", "time",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times",        NULL};

static const char *const itself[] = {
    "capget", "getegid", "geteuid",   "getgid",    "getgroups", "getpgid",   "getpgrp",
    "getpid", "getppid", "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage",
    "getsid", "getuid",  "sysinfo",   "uname",     "umask",     NULL};

static const char *const waiting[] = {
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
    "epoll_wait",   "eventfd2",      "pipe",      "pipe2",       "poll",
    "ppoll",        "pselect6",      "select",    NULL};

static const char *const network[] = {
    "accept",     "accept4", "bind",       "connect",  "getpeername", "getsockname",
    "getsockopt", "listen",  "recvfrom",   "recvmmsg", "recvmsg",     "sendmmsg",
    "sendmsg",    "sendto",  "setsockopt", "shutdown", NULL};

static const char *const reading[] = {"access",
                                      "close",
                                      "close_range",
                                      "copy_file_range",
                                      "dup",
                                      "dup2",
                                      "dup3",
                                      "faccessat",
                                      "faccessat2",
                                      "fadvise64",
                                      "fcntl",
                                      "flock",
                                      "fstat",
                                      "fstatfs",
                                      "getcwd",
                                      "getdents",
                                      "getdents64",
                                      "inotify_add_watch",
                                      "inotify_init1",
                                      "inotify_rm_watch",
                                      "lseek",
                                      "lstat",
                                      "newfstatat",
                                      "open",
                                      "openat",
                                      "pread64",
                                      "preadv",
                                      "read",
                                      "readlink",
                                      "readlinkat",
                                      "readv",
                                      "sendfile",
                                      "splice",
                                      "stat",
                                      "statfs",
                                      "statx",
                                      NULL};

static const char *const writing[] = {
    "chmod",     "fallocate", "fchmod",       "fchmodat",  "fdatasync", "fsync",
    "ftruncate", "linkat",    "memfd_create", "mkdir",     "mkdirat",   "pwrite64",
    "pwritev",   "rename",    "renameat",     "renameat2", "unlink",    "unlinkat",
    "utimensat", "write",     "writev",       NULL};

const struct syscalls_group syscalls_allowed[] = {
    {"memory", memory},
    {"threads", threads},
    {"signals and children", signals},
    {"clocks", clocks},
    {"the process itself", itself},
    {"waiting", waiting},
    {"network", network},
    {"files: reading", reading},
    {"files: writing", writing},
    {0},
};

const char *const syscalls_conditional[] = {
    "clone", "ioctl", "mmap", "mprotect", "prctl", "prlimit64", "socket", "socketpair", NULL};

const char *const syscalls_of_sanitizers[] = {
    "arch_prctl",  "clone", "mmap",      "mprotect",         "msync",  "mlock",     "munlock",
    "personality", "prctl", "prlimit64", "process_vm_readv", "ptrace", "setitimer", NULL};

/* Not what is merely of no use to a proxy, but what exploits use once they run inside of one. */
const char *const syscalls_deadly[] = {"acct",
                                       "add_key",
                                       "bpf",
                                       "chroot",
                                       "delete_module",
                                       "execve",
                                       "execveat",
                                       "finit_module",
                                       "fork",
                                       "fsmount",
                                       "fsopen",
                                       "init_module",
                                       "ioperm",
                                       "iopl",
                                       "kexec_file_load",
                                       "kexec_load",
                                       "keyctl",
                                       "mount",
                                       "move_mount",
                                       "open_by_handle_at",
                                       "open_tree",
                                       "perf_event_open",
                                       "pidfd_getfd",
                                       "pivot_root",
                                       "process_vm_readv",
                                       "process_vm_writev",
                                       "ptrace",
                                       "quotactl",
                                       "reboot",
                                       "request_key",
                                       "setns",
                                       "swapoff",
                                       "swapon",
                                       "umount2",
                                       "unshare",
                                       "userfaultfd",
                                       "vfork",
                                       NULL};
