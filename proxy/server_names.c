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
    bool awaited;  /* its first answer, whatever that is; counted in server_names.waiting */
    bool resolved; /* once: addresses were sent to the workers */
    char *failure; /* what was logged last; NULL: the last answer was good */
};

struct server_names {
    struct server *server;
    struct list all;
    unsigned count;          /* of them */
    unsigned waiting;        /* that are awaited */
    void (*then)(void *arg); /* by whom; NULL: nobody */
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

static void on_told(void *arg)
{
    call_back(arg);
}

/* The round comes back after those of the addresses: their endpoints are open by then, so that
 * others may leave. */
static void answer_came(struct server_name *name)
{
    struct server_names *names = name->names;

    if (!name->awaited)
        return;
    name->awaited = false;
    if (--names->waiting > 0 || names->then == NULL)
        return;
    loop_timer_cancel(&names->timer);
    server_round(names->server, NULL, NULL, on_told, names);
}

/* They open when they resolve, but nobody waits for them a second time. */
static void wait_no_longer(struct server_names *names)
{
    list_for_each(node, &names->all) container_of(node, struct server_name, node)->awaited = false;
    names->waiting = 0;
    call_back(names);
}

static void on_timer(struct loop_timer *timer)
{
    struct server_names *names = container_of(timer, struct server_names, timer);

    log_warn("names of backends without an answer after %g s: %u; serving without them until they "
             "resolve",
             SERVER_RESOLVE_WAIT_MS / 1000.0, names->waiting);
    wait_no_longer(names);
}

void server_names_hurry(struct server *server)
{
    if (server->names->waiting > 0)
        wait_no_longer(server->names);
}

void server_names_await(struct server *server, void (*then)(void *arg), void *arg)
{
    struct server_names *names = server->names;

    names->then = then;
    names->arg = arg;
    if (names->waiting == 0)
        call_back(names);
    else
        loop_timer_set(&server->loop, &names->timer, SERVER_RESOLVE_WAIT_MS);
}

static void on_addresses(void *arg, const struct address *addresses, size_t count,
                         const char *failure)
{
    struct server_name *name = arg;

    if (count > 0) {
        send_news(name, addresses, count);
        log_recovery(name, count);
    } else {
        log_failure(name, failure ? failure : "no answer");
    }
    answer_came(name);
}

/* ---- Who is watched ---- */

static void name_end(struct server_name *name)
{
    if (name->watch)
        resolver_watch_stop(&name->watch);
    name->names->waiting -= name->awaited;
    name->names->count--;
    list_remove(&name->node);
    free(name->failure);
    free(name->host);
    free(name);
}

/* ---- Those there are, by endpoint ---- */

struct known {
    struct server_name **v; /* sorted by the endpoint's address in memory */
    size_t count;
};

static int compare_places(const struct endpoint *a, const struct endpoint *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int compare_names(const void *a, const void *b)
{
    return compare_places((*(struct server_name *const *)a)->endpoint,
                          (*(struct server_name *const *)b)->endpoint);
}

static int compare_endpoint(const void *endpoint, const void *name)
{
    return compare_places(endpoint, (*(struct server_name *const *)name)->endpoint);
}

static struct known known_of(const struct server_names *names)
{
    struct known known = {.v = xcalloc(names->count, sizeof(struct server_name *))};

    list_for_each(node, &names->all) known.v[known.count++] =
        container_of(node, struct server_name, node);
    if (known.count > 0)
        qsort(known.v, known.count, sizeof(struct server_name *), compare_names);
    return known;
}

static struct server_name *known_find(const struct known *known, const struct endpoint *endpoint)
{
    struct server_name *const *found = NULL;

    if (known->count > 0)
        found = bsearch(endpoint, known->v, known->count, sizeof(struct server_name *),
                        compare_endpoint);
    return found != NULL ? *found : NULL;
}

/* ---- Who is to be known ---- */

static struct server_name *name_new(struct server_names *names, struct pool_runtime *pool,
                                    struct endpoint *endpoint, const char *host)
{
    struct server_name *name = xcalloc(1, sizeof(*name));

    name->names = names;
    name->pool = pool;
    name->endpoint = endpoint;
    name->host = xstrdup(host);
    name->awaited = true;
    list_push_back(&names->all, &name->node);
    names->count++;
    names->waiting++;
    return name;
}

static void want_pool(struct server_names *names, const struct known *known,
                      struct pool_runtime *pool)
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
        name = known_find(known, endpoint);
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
    struct known known = known_of(names);

    for (size_t i = 0; i < server->config->pool_count; i++)
        want_pool(names, &known, server->runtimes[i]);
    free(known.v);
    list_for_each_safe(node, next, &names->all)
    {
        struct server_name *name = container_of(node, struct server_name, node);

        if (!name->wanted) {
            name_end(name);
            continue;
        }
        name->wanted = false;
        if (name->watch == NULL)
            start_watch(name);
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
