/*
 * What the two sides of the spawner say to each other: packets over a pair of SOCK_SEQPACKET
 * sockets. Both sides are one binary, so that a packet is a struct. For spawner.c, the side that
 * asks, spawner_process.c, the one that does it, and spawner_wire.c, what both need.
 *
 *   request   with descriptors: [0] a sealed memory file with the words, NUL-terminated: path (""
 *             for none), argv, environment; [1..] those of launch->fds that are real
 *   answer    of a launch with one descriptor: the pidfd
 */
#ifndef EVERGATE_CONFINE_SPAWNER_INTERNAL_H
#define EVERGATE_CONFINE_SPAWNER_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "confine/spawner.h"

enum spawner_kind { SPAWNER_LAUNCH, SPAWNER_REAP };

enum { SPAWNER_PACKET_FDS = LAUNCH_FDS_MAX + 1 };

struct spawner_request {
    uint32_t kind;
    int32_t pid;          /* REAP */
    uint32_t words_bytes; /* LAUNCH, and all below */
    uint32_t argc, envc;
    int32_t fd_count;
    int32_t fds[LAUNCH_FDS_MAX]; /* LAUNCH_NULL, LAUNCH_SAME, or which of the packet's */
    uint8_t own_group, next_binary;
};

struct spawner_answer {
    int32_t error; /* 0 or an errno */
    int32_t pid, status;
};

/* One packet. 0 or an errno. */
int spawner_send(int socket, const void *packet, size_t size, const int *fds, int fd_count);
/* One packet of exactly `size` bytes. Its descriptors are the caller's, whatever is returned. 0;
 * ESHUTDOWN: the other side has closed; EMFILE: not all of its descriptors could be taken; EPROTO:
 * a packet of another form; or another errno. */
int spawner_receive(int socket, void *packet, size_t size, int fds[SPAWNER_PACKET_FDS],
                    int *ret_fd_count);

/* The words as a memory file. 0 or an errno, E2BIG among them. */
int spawner_words_write(const struct launch *launch, struct spawner_request *request, int *ret_fd);

/* ... and back. All of it is heap memory. 0 or an errno. */
struct spawner_words {
    char *text, **argv, **environment;
    const char *path; /* NULL: none */
};
int spawner_words_read(struct spawner_words *ret_words, const struct spawner_request *request,
                       int fd);
void spawner_words_fini(struct spawner_words *words);

/* What is asked for, with descriptors in place of their numbers in the packet. It borrows the
 * words. 0 or EPROTO. */
int spawner_launch_read(struct launch *ret_launch, const struct spawner_request *request,
                        const struct spawner_words *words, const int *fds, int fd_count);

/* In the forked process, while there are /proc and /dev: it holds nothing but the socket, whose new
 * number is returned (-1: it cannot), and has a name of its own, in place of the words too, lest
 * `pidof evergate` and its like lead operators to a process that ignores their signals. */
#define SPAWNER_PROCESS_NAME "eg-spawner"
int spawner_process_prepare(int socket);

/* Instead of SPAWNER_PATIENCE_MS: for tests, before spawner_start. */
void spawner_set_patience(int ms);

/* The spawner's life then. */
_Noreturn void spawner_process_main(int socket);

#endif
