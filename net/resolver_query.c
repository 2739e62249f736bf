/*
 * Questions asked once.
 *
 * Like a watch's, a question that c-ares has been given cannot be taken back: one that is stopped
 * meanwhile is orphaned, and freed when c-ares calls at last.
 */
#include "net/resolver_query.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/resolver_internal.h"

enum { CLASS_IN = 1 };

struct resolver_query {
    struct resolver *resolver;
    char *name;
    uint16_t type;
    resolver_query_cb cb;
    void *arg;
    struct loop_task ask;
    struct loop_task reap;
    bool asking;
    bool again; /* asked without EDNS after a FORMERR */
    bool stopped;
};

static void query_free(struct loop_task *reap)
{
    struct resolver_query *query = container_of(reap, struct resolver_query, reap);

    free(query->name);
    free(query);
}

static enum resolver_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVER_ANSWERED;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return RESOLVER_NO_RECORDS;
    default:
        return RESOLVER_FAILED;
    }
}

/* c-ares 1.18 says "connection refused" when the last server answered with an error as well. */
static const char *failure_text(int status)
{
    if (status == ARES_ECONNREFUSED)
        return "every name server failed, refused or could not be reached";
    if (status == ARES_ETIMEOUT)
        return "no name server answered in time";
    return ares_strerror(status);
}

/*
 * A server that does not know EDNS answers FORMERR (RFC 6891 section 7). c-ares 1.18 then does
 * without it, on this channel for ever, but asks anew only the first of the questions that were
 * under way: the others end here.
 */
static bool asks_plainly(struct resolver_query *query, int status)
{
    if (status != ARES_EFORMERR || query->again || query->stopped)
        return false;
    query->again = true;
    return true;
}

/* There are other servers to ask. */
static bool was_renewed(const struct resolver_query *query, int status)
{
    return status == ARES_EDESTRUCTION && !query->stopped;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int size)
{
    struct resolver_query *query = arg;
    struct slice answer = slice_from((const char *)message, message ? (size_t)size : 0);

    resolver_servers_heard(query->resolver, status, timeouts);
    if (was_renewed(query, status) || asks_plainly(query, status)) {
        query->asking = false;
        loop_soon(query->resolver->loop, &query->ask);
        return;
    }
    loop_reap(query->resolver->loop, &query->reap);
    if (query->stopped)
        return;
    query->cb(query->arg, outcome_of(status), answer, failure_text(status));
}

static void query_ask(struct loop_task *task)
{
    struct resolver_query *query = container_of(task, struct resolver_query, ask);
    struct resolver *resolver = query->resolver;
    const char *name = query->name;

    resolver_conf_follow(resolver);
    resolver_servers_order(resolver);
    query->asking = true; /* freed after this turn at the earliest, even if answered from within */
    if (strchr(name, '.'))
        ares_query(resolver->channel, name, CLASS_IN, query->type, on_answer, query);
    else
        ares_search(resolver->channel, name, CLASS_IN, query->type, on_answer, query);
    resolver_channel_arm(resolver);
}

struct resolver_query *resolver_query_start(struct resolver *resolver, const char *name,
                                            uint16_t type, resolver_query_cb cb, void *arg)
{
    struct resolver_query *query = xcalloc(1, sizeof(*query));

    query->resolver = resolver;
    query->name = xstrdup(name);
    query->type = type;
    query->cb = cb;
    query->arg = arg;
    loop_task_init(&query->ask, query_ask);
    loop_task_init(&query->reap, query_free);
    loop_soon(resolver->loop, &query->ask);
    return query;
}

void resolver_query_stop(struct resolver_query **query)
{
    struct resolver_query *stopped = *query;

    *query = NULL;
    if (!stopped)
        return;
    stopped->stopped = true;
    loop_task_cancel(&stopped->ask);
    if (!stopped->asking)
        loop_reap(stopped->resolver->loop, &stopped->reap);
}
