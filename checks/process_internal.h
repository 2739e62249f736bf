/* What process.c (life of a child), process_spawn.c (how one is started) and process_output.c (what
 * it says) share. */
#ifndef EVERGATE_CHECKS_PROCESS_INTERNAL_H
#define EVERGATE_CHECKS_PROCESS_INTERNAL_H

#include <sys/types.h>

#include "checks/process.h"

/* A child's output, of which the end is kept. */
struct process_output {
    struct loop *loop;
    int fd; /* -1: closed */
    struct event *on_readable;
    size_t read_bytes;
    size_t kept;
    char text[PROCESS_OUTPUT_BYTES];
    char line[PROCESS_OUTPUT_BYTES];
};

/* A pipe, read from now on. 0 and the child's end, or the errno. */
int process_output_open(struct process_output *output, struct loop *loop,
                        int *ret_write_fd) WARN_UNUSED;
/* What is in the pipe now: something that the child left behind may keep it open. */
void process_output_drain(struct process_output *output);
void process_output_close(struct process_output *output); /* idempotent */
const char *process_output_line(struct process_output *output);

/* Starts argv[0], found by PATH, in a group of its own with `out_fd` as its output. 0 and the
 * process with its pidfd, or the errno. */
int process_spawn(char *const *argv, char *const *environment, int out_fd, pid_t *ret_pid,
                  int *ret_pidfd) WARN_UNUSED;

/* Our environment with the variables in place of those of the same name. One heap block of
 * pointers, NULL-terminated, and one per variable: process_environment_free. */
char **process_environment(const struct process_variable *variables, size_t count);
void process_environment_free(char **environment, size_t variable_count);

/* argv with every "${EG_NAME}" replaced; NULL when one is unknown. */
char **process_argv(const char *const *argv, const struct process_variable *variables,
                    size_t count);
void process_argv_free(char **argv);

#endif
