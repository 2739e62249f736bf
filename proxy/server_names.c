/*
 * Backends given by name: resolved on the control thread, their addresses carried to every worker
 * and to the checks.
 *
 * An endpoint counts as unresolved, and gets no request, until its name had an answer once. After
 * that the last good answer stays (the resolver sees to it), however long name service is down.
 *
 * What is carried (struct news) is counted, and names pool and endpoint by pointers: those are
 * freed by orders that come after it, on every thread it goes to (server_leavers.c).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "health/health.h"
#include "net/resolver.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"

struct server_name {
    struct list node; /* server_names.all */
    struct server_names *names;
    struct pool_runtime *pool;
    struct endpoint *endpoint;
    char *host;
    struct resolver_watch *watch;
    bool wanted;   /* while server_names_follow looks who is */
    bool answered; /* once, with whatever result */
    bool resolved; /* once: addresses were sent to the workers */
    char *failure; /* what was logged last; NULL: the last answer was good */
};

struct server_names {
    struct server *server;
    struct list all;
    unsigned waiting;        /* for their first answer */
    void (*then)(void *arg); /* who awaits those; NULL: nobody */
    void *arg;
    struct loop_timer timer;
};

/* ---- The log ---- */

static void log_failure(struct server_name *name, const char *failure)
{
    /* The resolver asks again every few seconds: only what changed is news. */
    if (name->failure && strcmp(name->failure, failure) == 0)
        return;
    free(name->failure);
    name->failure = xstrdup(failure);
    log_warn("pool \"%s\": backend \"%s\": cannot resolve \"%s\": %s; %s", name->pool->name,
             name->endpoint->id, name->host, failure,
             name->resolved ? "its last known addresses stay in use"
                            : "it gets no requests until the name resolves");
}

static void log_recovery(struct server_name *name, size_t count)
{
    if (!name->failure)
        return;
    free(name->failure);
    name->failure = NULL;
    log_info("pool \"%s\": backend \"%s\": \"%s\" resolves again (%zu addresses)", name->pool->name,
             name->endpoint->id, name->host, count);
}

/* ---- Addresses on their way ---- */

struct news {
    struct server *server;
    struct pool_runtime *pool;
    struct endpoint *endpoint;
    bool first; /* the endpoint opens when every worker has them */
    size_t count;
    struct address addresses[];
};

static void on_worker(struct worker *worker, void *arg)
{
    const struct news *news = arg;
    struct upstream_cluster *cluster = news->pool->seats[worker->index].cluster;

    if (cluster != NULL && upstream_cluster_has(cluster, news->endpoint))
        upstream_cluster_set_addresses(cluster, news->endpoint, news->addresses, news->count);
}

/* No worker picks an endpoint that it cannot connect to yet. */
static void on_all(void *arg)
{
    struct news *news = arg;

    if (news->first)
        health_set_resolved(news->pool->health, news->endpoint, true);
    free(news);
}

static void send_news(struct server_name *name, const struct address *addresses, size_t count)
{
    size_t size = count * sizeof(*addresses);
    struct news *news = xmalloc(sizeof(*news) + size);
    struct server *server = name->names->server;

    *news = (struct news){
        .server = server,
        .pool = name->pool,
        .endpoint = name->endpoint,
        .first = !name->resolved,
        .count = count,
    };
    memcpy(news->addresses, addresses, size);
    name->resolved = true;
    server_health_set_addresses(server, name->pool, name->endpoint, addresses, count);
    server_round(server, on_worker, news, on_all, news);
}

/* ---- The first answers ---- */

static void call_back(struct server_names *names)
{
    void (*then)(void *arg) = names->then;

    names->then = NULL;
    loop_timer_cancel(&names->timer);
    if (then != NULL)
        then(names->arg);
}

static void await_ends(struct server_names *names)
{
    if (names->waiting == 0)
        call_back(names);
}

static void on_timer(struct loop_timer *timer)
{
    struct server_names *names = container_of(timer, struct server_names, timer);

    log_warn("names of backends without an answer after %g s: %u; serving without them until they "
             "resolve",
             SERVER_RESOLVE_WAIT_MS / 1000.0, names->waiting);
    call_back(names);
}

void server_names_await(struct server *server, void (*then)(void *arg), void *arg)
{
    struct server_names *names = server->names;

    names->then = then;
    names->arg = arg;
    loop_timer_set(&server->loop, &names->timer, SERVER_RESOLVE_WAIT_MS);
    await_ends(names);
}

static void on_addresses(void *arg, const struct address *addresses, size_t count,
                         const char *failure)
{
    struct server_name *name = arg;
    struct server_names *names = name->names;

    if (count > 0) {
        send_news(name, addresses, count);
        log_recovery(name, count);
    } else {
        log_failure(name, failure ? failure : "no answer");
    }
    if (name->answered)
        return;
    name->answered = true;
    names->waiting--;
    await_ends(names);
}

/* ---- Who is watched ---- */

static void name_end(struct server_name *name)
{
    if (name->watch)
        resolver_watch_stop(&name->watch);
    if (!name->answered)
        name->names->waiting--;
    list_remove(&name->node);
    free(name->failure);
    free(name->host);
    free(name);
}

static struct server_name *find(const struct server_names *names, const struct endpoint *endpoint)
{
    list_for_each(node, &names->all)
    {
        struct server_name *name = container_of(node, struct server_name, node);

        if (name->endpoint == endpoint)
            return name;
    }
    return NULL;
}

static struct server_name *name_new(struct server_names *names, struct pool_runtime *pool,
                                    struct endpoint *endpoint, const char *host)
{
    struct server_name *name = xcalloc(1, sizeof(*name));

    name->names = names;
    name->pool = pool;
    name->endpoint = endpoint;
    name->host = xstrdup(host);
    list_push_back(&names->all, &name->node);
    names->waiting++;
    return name;
}

static void want_pool(struct server_names *names, struct pool_runtime *pool)
{
    for (unsigned i = 0; i < balancer_pool_size(pool->balancer); i++) {
        struct endpoint *endpoint = balancer_pool_endpoint(pool->balancer, i);
        const struct config_backend *backend;
        struct server_name *name;

        if (endpoint == NULL || atomic_load(&endpoint->leaving))
            continue;
        backend = atomic_load(&endpoint->backend);
        if (backend->host == NULL)
            continue;
        name = find(names, endpoint);
        if (name == NULL)
            name = name_new(names, pool, endpoint, backend->host);
        name->wanted = true;
    }
}

static void start_watch(struct server_name *name)
{
    const struct config_backend *backend = atomic_load(&name->endpoint->backend);

    name->watch = resolver_watch_start(name->names->server->resolver, name->host, backend->port,
                                       on_addresses, name);
}

void server_names_follow(struct server *server)
{
    struct server_names *names = server->names;

    for (size_t i = 0; i < server->config->pool_count; i++)
        want_pool(names, server->runtimes[i]);
    /* Those that are new were all counted before the first watch starts: an answer may come from
     * within the start. */
    list_for_each_safe(node, next, &names->all)
    {
        struct server_name *name = container_of(node, struct server_name, node);

        if (!name->wanted)
            name_end(name);
        else if (name->watch == NULL)
            start_watch(name);
        name->wanted = false;
    }
}

void server_names_new(struct server *server)
{
    server->names = xcalloc(1, sizeof(*server->names));
    server->names->server = server;
    list_init(&server->names->all);
    loop_timer_init(&server->names->timer, on_timer);
}

void server_names_free(struct server *server)
{
    struct server_names *names = server->names;

    if (!names)
        return;
    list_for_each_safe(node, next, &names->all)
        name_end(container_of(node, struct server_name, node));
    loop_timer_cancel(&names->timer);
    free(names);
    server->names = NULL;
}

unsigned server_names_waiting(const struct server *server)
{
    return server->names->waiting;
}
