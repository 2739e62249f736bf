/* exec: a command's exit status. 0 is healthy, 1 degraded, all else unhealthy: the convention of
 * monitoring plugins, so that those that exist can be used. */
#include <errno.h>
#include <string.h>

#include "checks/probe.h"
#include "checks/process.h"
#include "checks/variables.h"
#include "client/words.h"
#include "confine/spawner.h"

enum { EXIT_DEGRADED = 1 };

struct probe_exec {
    struct probe probe;
    struct process *process;
};

static int exec_open(struct probe_pool *pool, const struct config_health *health, char **ret_why)
{
    return process_check(health->command.argv, ret_why);
}

static void exec_judge_exit(struct probe *probe, const struct process_result *result)
{
    const char *line = result->last_line;
    char text[WORDS_QUOTE_BYTES];

    if (result->code == 0) {
        probe_pass(probe);
        return;
    }
    words_quote(text, slice_str(line));
    if (result->code == EXIT_DEGRADED)
        probe_degrade(probe, "exit status 1%s%s", line[0] ? ": " : "", text);
    else
        probe_fail(probe, "exit status %d%s%s", result->code, line[0] ? ": " : "", text);
}

/* Out of processes, memory or descriptors, or without the process that starts commands: nothing
 * that the endpoint could help. */
static bool is_our_own_want(int err)
{
    return err == EAGAIN || err == ENOMEM || err == EMFILE || err == ENFILE || err == SPAWNER_GONE;
}

static void exec_on_done(void *arg, const struct process_result *result)
{
    struct probe_exec *exec = arg;
    struct probe *probe = &exec->probe;
    char span[WORDS_SPAN_BYTES];

    exec->process = NULL;
    probe->started_us = probe_loop(probe)->now_us - result->took_us;
    switch (result->end) {
    case PROCESS_EXITED:
        exec_judge_exit(probe, result);
        break;
    case PROCESS_SIGNALLED:
        probe_fail(probe, "killed by signal %d (%s)", result->code, strsignal(result->code));
        break;
    case PROCESS_TIMED_OUT:
        probe_fail(probe, "killed, it had not ended within %s",
                   words_span(span, probe_config(probe)->timeout_ms));
        break;
    case PROCESS_NOT_STARTED:
        if (is_our_own_want(result->code))
            probe_skip(probe, spawner_error_text(result->code));
        else
            probe_fail(probe, "cannot be run: %s", spawner_error_text(result->code));
        break;
    }
}

static void exec_start(struct probe *probe)
{
    struct probe_exec *exec = container_of(probe, struct probe_exec, probe);
    const struct probe_target *target = &probe->target;
    const struct config_backend *backend = target->backend;
    struct variables variables;

    variables_set_endpoint(&variables, target->config, backend,
                           backend->check_address ? backend->check_address : backend->address);
    const struct process_command command = {
        .argv = probe_config(probe)->command.argv,
        .variables = variables.v,
        .variable_count = variables.count,
        .timeout_ms = probe_config(probe)->timeout_ms,
    };
    exec->process = process_start(target->pool->processes, &command, exec_on_done, exec);
}

static void exec_stop(struct probe *probe)
{
    process_cancel(&container_of(probe, struct probe_exec, probe)->process);
}

const struct probe_type probe_exec = {
    .name = "exec",
    .size_bytes = sizeof(struct probe_exec),
    .own_timeout = true,
    .open = exec_open,
    .start = exec_start,
    .stop = exec_stop,
};
