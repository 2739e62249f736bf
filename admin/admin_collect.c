/* Sums over the workers: see admin_collect.h. */
#include "admin/admin_collect.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"
#include "config/plan.h"

static void collection_free(struct admin_collection *collection)
{
    for (size_t i = 0; i < collection->config->pool_count; i++)
        free(collection->pools[i].answers);
    for (size_t i = 0; i < traffic_places(collection->config); i++)
        free(collection->traffic[i]);
    list_remove(&collection->node);
    free(collection->pools);
    free(collection->traffic);
    config_unref(&collection->config);
    free(collection);
}

static void on_back(void *arg)
{
    struct admin_collection *collection = arg;

    admin_connection_release(collection->admin, collection->request);
    collection->on_done(collection);
    collection_free(collection);
}

/* ---- On a worker's thread ---- */

static void add_stats(struct upstream_cluster_stats *sum, struct upstream_cluster_stats s)
{
    sum->connects += s.connects;
    sum->connect_failures += s.connect_failures;
    sum->reuses += s.reuses;
    sum->silent_repeats += s.silent_repeats;
    sum->open += s.open;
    sum->idle += s.idle;
}

static void make_slots(struct admin_pool_sums *sums, unsigned slots)
{
    if (slots <= sums->slots)
        return;
    sums->answers = xrealloc(sums->answers, slots * sizeof(*sums->answers));
    memset(&sums->answers[sums->slots], 0, (slots - sums->slots) * sizeof(*sums->answers));
    sums->slots = slots;
}

/* A slot may have become another's between one worker and the next: the first one counts. */
static void add_answers(struct admin_pool_sums *sums, const struct upstream_cluster *cluster)
{
    unsigned slots = upstream_cluster_slots(cluster);

    make_slots(sums, slots);
    for (unsigned i = 0; i < slots; i++) {
        const struct endpoint *endpoint;
        const struct durations *durations = upstream_cluster_durations(cluster, i, &endpoint);

        if (!durations)
            continue;
        if (!sums->answers[i].endpoint)
            sums->answers[i].endpoint = endpoint;
        if (sums->answers[i].endpoint == endpoint)
            durations_merge(&sums->answers[i].durations, durations);
    }
}

static void add_pools(struct admin_collection *collection, const struct worker_view *view)
{
    for (size_t i = 0; i < view->config->pool_count; i++) {
        size_t at = config_pool_near(collection->config, view->config->pools[i].name, i);

        if (at == collection->config->pool_count)
            continue;
        add_stats(&collection->pools[at].stats, upstream_cluster_stats(view->clusters[i]));
        add_answers(&collection->pools[at], view->clusters[i]);
    }
}

static void add_row(struct admin_collection *collection, size_t place,
                    const struct traffic_row *row)
{
    struct admin_traffic_sums *sums = collection->traffic[place];

    if (!sums)
        sums = collection->traffic[place] = xcalloc(1, sizeof(*sums));
    for (unsigned i = 0; i < TRAFFIC_CLASSES; i++)
        sums->by_class[i] += row->by_class[i];
    durations_merge(&sums->durations, &row->durations);
}

/* By place where the worker serves by the same configuration, else by name. */
static void add_traffic(struct admin_collection *collection, const struct worker *worker)
{
    const struct config *config = collection->config;
    size_t places = traffic_places(config), route = 0;

    if (worker->view->config == config) {
        for (size_t i = 0; i < places; i++)
            if (worker->view->traffic.rows[i])
                add_row(collection, i, worker->view->traffic.rows[i]);
        return;
    }
    list_for_each(it, &worker->traffic.rows)
    {
        const struct traffic_row *row = container_of(it, struct traffic_row, node);
        size_t place = traffic_place_of(config, row, &route);

        if (place < places)
            add_row(collection, place, row);
    }
}

static void on_worker(void *arg)
{
    struct admin_collection *collection = arg;
    struct server *server = collection->admin->server;
    const struct worker *worker = &server->workers[collection->next_worker++];

    if (worker->view) {
        add_pools(collection, worker->view);
        add_traffic(collection, worker);
    }
    if (collection->next_worker < server->worker_count)
        loop_post(&server->workers[collection->next_worker].loop, on_worker, collection);
    else
        loop_post(&collection->admin->loop, on_back, collection);
}

/* ---- On management's thread ---- */

void admin_collect(struct admin_call *call, void (*on_done)(struct admin_collection *collection))
{
    struct admin *admin = call->admin;
    struct admin_collection *collection = xcalloc(1, sizeof(*collection));
    enum server_phase phase = server_phase(admin->server);

    collection->admin = admin;
    collection->request = call->request;
    call->later = true;
    collection->on_done = on_done;
    collection->config = config_ref(admin->server->config);
    collection->pools = xcalloc(collection->config->pool_count, sizeof(*collection->pools));
    collection->traffic =
        xcalloc(traffic_places(collection->config), sizeof(struct admin_traffic_sums *));
    list_push_back(&admin->collections, &collection->node);
    if (phase >= SERVER_SERVING && phase < SERVER_STOPPED)
        loop_post(&admin->server->workers[0].loop, on_worker, collection);
    else
        loop_post(&admin->loop, on_back, collection);
}

void admin_collections_free(struct admin *admin)
{
    list_for_each_safe(it, tmp, &admin->collections)
        collection_free(container_of(it, struct admin_collection, node));
}

const struct admin_pool_sums *admin_collected(const struct admin_collection *collection,
                                              const char *pool, size_t guess)
{
    static const struct admin_pool_sums none;
    const struct config *config = collection->config;
    size_t at = config_pool_near(config, pool, guess);

    return at < config->pool_count ? &collection->pools[at] : &none;
}

const struct durations *admin_collected_answers(const struct admin_pool_sums *pool,
                                                const struct endpoint *endpoint)
{
    const struct admin_answers *answers;

    if (endpoint->index >= pool->slots)
        return NULL;
    answers = &pool->answers[endpoint->index];
    return answers->endpoint == endpoint ? &answers->durations : NULL;
}
