/* Asking the workers for what only their threads may read: see admin_internal.h. */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

static void collection_free(struct admin_collection *collection)
{
    list_remove(&collection->node);
    free(collection->pools);
    free(collection);
}

static void on_back(void *arg)
{
    struct admin_collection *collection = arg;

    collection->on_done(collection);
    collection_free(collection);
}

static void add(struct upstream_cluster_stats *sum, struct upstream_cluster_stats s)
{
    sum->connects += s.connects;
    sum->connect_failures += s.connect_failures;
    sum->reuses += s.reuses;
    sum->silent_repeats += s.silent_repeats;
    sum->open += s.open;
    sum->idle += s.idle;
}

/* A worker's thread. The collection travels: nobody else has it meanwhile, so it needs no lock. */
static void on_worker(void *arg)
{
    struct admin_collection *collection = arg;
    struct server *server = collection->admin->server;
    struct worker *worker = &server->workers[collection->next_worker++];

    for (size_t i = 0; i < server->config->pool_count; i++)
        add(&collection->pools[i], upstream_cluster_stats(worker->view->clusters[i]));
    if (collection->next_worker < server->worker_count)
        loop_post(&server->workers[collection->next_worker].loop, on_worker, collection);
    else
        loop_post(&collection->admin->loop, on_back, collection);
}

void admin_collect(struct admin *admin, struct evhttp_request *request,
                   void (*on_done)(struct admin_collection *collection))
{
    struct admin_collection *collection = xcalloc(1, sizeof(*collection));
    enum server_phase phase = server_phase(admin->server);

    collection->admin = admin;
    collection->request = request;
    collection->on_done = on_done;
    collection->pools = xcalloc(admin->server->config->pool_count, sizeof(*collection->pools));
    list_push_back(&admin->collections, &collection->node);
    if (phase == SERVER_SERVING || phase == SERVER_DRAINING)
        loop_post(&admin->server->workers[0].loop, on_worker, collection);
    else
        on_back(collection);
}

void admin_collections_free(struct admin *admin)
{
    list_for_each_safe(it, tmp, &admin->collections)
        collection_free(container_of(it, struct admin_collection, node));
}
