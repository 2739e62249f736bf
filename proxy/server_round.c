/* A round over all workers: see server_internal.h. */
#include <stdlib.h>

#include "base/alloc.h"
#include "proxy/server_internal.h"

struct round {
    struct server *server;
    void (*act)(struct worker *worker, void *arg);
    void *arg;
    void (*on_all)(void *arg);
    void *on_all_arg;
    _Atomic unsigned left; /* workers that have not been there yet */
};

static void on_back(void *arg)
{
    struct round round = *(struct round *)arg;

    free(arg);
    round.on_all(round.on_all_arg);
}

static void on_worker(struct worker *worker, void *arg)
{
    struct round *round = arg;

    if (round->act != NULL)
        round->act(worker, round->arg);
    if (atomic_fetch_sub(&round->left, 1) == 1 && worker->running)
        loop_post(&round->server->loop, on_back, round);
}

void server_round(struct server *server, void (*act)(struct worker *worker, void *arg), void *arg,
                  void (*on_all)(void *arg), void *on_all_arg)
{
    struct round *round = xmalloc(sizeof(*round));
    bool running = server->workers[0].running;

    *round = (struct round){
        .server = server,
        .act = act,
        .arg = arg,
        .on_all = on_all,
        .on_all_arg = on_all_arg,
    };
    atomic_init(&round->left, server->worker_count);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_do(&server->workers[i], on_worker, round);
    /* Then the calls above were made here, one by one. Not before the last has returned: what comes
     * next may start the workers. */
    if (!running)
        on_back(round);
}
