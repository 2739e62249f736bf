/* What every probe does alike: see probe.h. Apart from the types, so that each of them is only
 * about its protocol. */
#include "checks/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"
#include "client/words.h"

static void probe_on_timeout(struct loop_timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timeout);
    char span[WORDS_SPAN_BYTES];

    probe_fail(probe, "no %s within %s", probe->awaits,
               words_span(span, probe_config(probe)->timeout_ms));
}

static void probe_on_reap(struct loop_task *task)
{
    struct probe *probe = container_of(task, struct probe, reap);

    if (probe->type->fini)
        probe->type->fini(probe);
    config_unref(&probe->target.snapshot);
    free(probe);
}

static void probe_on_tell(struct loop_task *task)
{
    struct probe *probe = container_of(task, struct probe, tell);
    const struct check_result result = {
        .verdict = probe->verdict,
        .why = probe->why,
        .latency_us = probe->latency_us,
    };

    loop_reap(probe_loop(probe), &probe->reap);
    probe->done(probe->arg, probe->skipped ? NULL : &result);
}

static void probe_stop(struct probe *probe)
{
    probe->stopped = true;
    loop_timer_cancel(&probe->timeout);
    probe->type->stop(probe);
}

struct probe *probe_start(const struct probe_type *type, const struct probe_target *target,
                          probe_done_cb done, void *arg)
{
    CHECK(type->size_bytes >= sizeof(struct probe));
    struct probe *probe = xcalloc(1, type->size_bytes);
    struct loop *loop = target->pool->loop;

    probe->type = type;
    probe->target = *target;
    if (target->snapshot)
        config_ref(target->snapshot);
    probe->awaits = "answer";
    probe->done = done;
    probe->arg = arg;
    probe->started_us = loop->now_us;
    loop_timer_init(&probe->timeout, probe_on_timeout);
    loop_task_init(&probe->tell, probe_on_tell);
    loop_task_init(&probe->reap, probe_on_reap);
    if (!type->own_timeout)
        loop_timer_set(loop, &probe->timeout, probe_config(probe)->timeout_ms);
    type->start(probe);
    return probe;
}

void probe_cancel(struct probe **probe)
{
    struct probe *p = *probe;

    if (!p)
        return;
    *probe = NULL;
    loop_task_cancel(&p->tell);
    if (!p->stopped)
        probe_stop(p);
    loop_reap(probe_loop(p), &p->reap);
}

/* The turn's own time, not the clock's: a loop that was late for its events is not the backend's
 * fault, and all that came in one turn came at the same time. */
static void probe_conclude(struct probe *probe, enum check_verdict verdict)
{
    struct loop *loop = probe_loop(probe);

    probe->verdict = verdict;
    probe->latency_us = loop->now_us - probe->started_us;
    probe_stop(probe);
    loop_soon(loop, &probe->tell);
}

static void probe_conclude_why(struct probe *probe, enum check_verdict verdict, const char *format,
                               va_list args)
{
    if (probe->stopped)
        return;
    vsnprintf(probe->why, sizeof(probe->why), format, args);
    probe_conclude(probe, verdict);
}

void probe_pass(struct probe *probe)
{
    uint64_t limit_ms = probe_config(probe)->degraded_latency_ms;
    uint64_t took_ms = (probe_loop(probe)->now_us - probe->started_us) / 1000;
    char took[WORDS_SPAN_BYTES], limit[WORDS_SPAN_BYTES];

    if (limit_ms > 0 && took_ms > limit_ms)
        probe_degrade(probe, "took %s, degraded above %s", words_span(took, took_ms),
                      words_span(limit, limit_ms));
    else if (!probe->stopped)
        probe_conclude(probe, CHECK_PASS);
}

void probe_degrade(struct probe *probe, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    probe_conclude_why(probe, CHECK_DEGRADED, format, args);
    va_end(args);
}

void probe_fail(struct probe *probe, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    probe_conclude_why(probe, CHECK_FAIL, format, args);
    va_end(args);
}

void probe_skip(struct probe *probe, const char *why)
{
    static struct log_limiter limiter;

    if (probe->stopped)
        return;
    log_warn_limited(&limiter, "pool \"%s\": endpoint \"%s\": cannot be checked: %s",
                     probe->target.config->name, probe->target.backend->id, why);
    probe->skipped = true;
    probe_conclude(probe, CHECK_FAIL);
}

void probe_fail_transport(struct probe *probe, const struct transport *transport, int code)
{
    char text[WORDS_ERROR_BYTES];

    words_transport_error(text, transport, code);
    if (code == EG_E_OVERLOAD)
        probe_skip(probe, text);
    else
        probe_fail(probe, "%s", text);
}
