/*
 * Watches: names that are kept resolved.
 *
 * A watch is either waiting (its timer is set), about to ask (its task is queued), or asking (a
 * query of c-ares is in flight). A query cannot be taken back: a watch that is stopped while asking
 * is orphaned, and freed when c-ares calls at last.
 */
#include "net/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/resolver_internal.h"

enum {
    TTL_MIN_S = 1,
    TTL_MAX_S = 60,
    HOSTS_FILE_MS = 5000,
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 30000,
    ANSWER_MAX = 256, /* looked at before the best RESOLVER_MAX_ADDRESSES are kept */
};

struct resolver_watch {
    struct list node;
    struct resolver *resolver;
    char *host;
    uint16_t port;
    resolver_cb cb;
    void *arg;
    struct loop_timer timer;
    struct loop_task ask;
    struct loop_task reap;
    struct address addresses[RESOLVER_MAX_ADDRESSES]; /* the last good answer */
    size_t count;
    unsigned failures; /* in a row */
    bool asking;
    bool in_call; /* ares_getaddrinfo is on the stack: an answer now is from /etc/hosts */
    bool stopped;
};

uint64_t resolver_answer_delay_ms(int ttl_s, bool from_hosts_file)
{
    if (from_hosts_file)
        return HOSTS_FILE_MS;
    if (ttl_s < TTL_MIN_S)
        ttl_s = TTL_MIN_S;
    if (ttl_s > TTL_MAX_S)
        ttl_s = TTL_MAX_S;
    return (uint64_t)ttl_s * 1000;
}

uint64_t resolver_failure_delay_ms(unsigned failures)
{
    uint64_t delay_ms = RETRY_MIN_MS;

    while (--failures > 0 && delay_ms < RETRY_MAX_MS)
        delay_ms *= 2;
    return delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
}

/* ---- answers ------------------------------------------------------------------------------ */

bool resolver_address_is_usable(const struct address *a)
{
    if (a->sa.sa_family == AF_INET) {
        uint32_t ip = ntohl(a->in.sin_addr.s_addr);
        return ip != INADDR_ANY && ip != INADDR_BROADCAST && !IN_MULTICAST(ip);
    }
    return a->sa.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) &&
           !IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

static int compare_addresses(const void *a, const void *b)
{
    return address_compare_ip(a, b);
}

/* Usable addresses, sorted, without repetitions. */
static size_t collect(const struct ares_addrinfo *info, uint16_t port,
                      struct address found[ANSWER_MAX], int *ret_ttl_s)
{
    size_t n = 0, kept = 0;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        struct address *a = &found[n];

        if (n == ANSWER_MAX || (size_t)node->ai_addrlen > sizeof(a->storage))
            break;
        memset(a, 0, sizeof(*a));
        memcpy(&a->storage, node->ai_addr, (size_t)node->ai_addrlen);
        a->length = node->ai_addrlen;
        if (!resolver_address_is_usable(a))
            continue;
        address_set_port(a, port);
        if (n == 0 || node->ai_ttl < *ret_ttl_s)
            *ret_ttl_s = node->ai_ttl;
        n++;
    }
    qsort(found, n, sizeof(*found), compare_addresses);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !address_equal(&found[kept - 1], &found[i]))
            found[kept++] = found[i];
    }
    return kept;
}

static bool same_set(const struct resolver_watch *w, const struct address *found, size_t count)
{
    if (w->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!address_equal(&w->addresses[i], &found[i]))
            return false;
    }
    return true;
}

/* The callbacks come last: they may stop the watch. */
static void watch_failed(struct resolver_watch *w, const char *reason)
{
    w->failures++;
    loop_timer_set(w->resolver->loop, &w->timer, resolver_failure_delay_ms(w->failures));
    w->cb(w->arg, NULL, 0, reason);
}

static void watch_answered(struct resolver_watch *w, const struct ares_addrinfo *info)
{
    struct address found[ANSWER_MAX];
    int ttl_s = 0;
    size_t count = collect(info, w->port, found, &ttl_s);

    if (count == 0) {
        watch_failed(w, "no usable address");
        return;
    }
    if (count > RESOLVER_MAX_ADDRESSES)
        count = RESOLVER_MAX_ADDRESSES;
    w->failures = 0;
    loop_timer_set(w->resolver->loop, &w->timer, resolver_answer_delay_ms(ttl_s, w->in_call));
    if (same_set(w, found, count))
        return;
    memcpy(w->addresses, found, count * sizeof(*found));
    w->count = count;
    w->cb(w->arg, w->addresses, count, NULL);
}

/* ---- a watch's life ----------------------------------------------------------------------- */

static void watch_free(struct loop_task *reap)
{
    struct resolver_watch *w = container_of(reap, struct resolver_watch, reap);

    free(w->host);
    free(w);
}

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_watch *w = arg;

    w->asking = false;
    if (!w->in_call)
        resolver_servers_heard(w->resolver, status, timeouts);
    if (w->stopped)
        loop_reap(w->resolver->loop, &w->reap);
    else if (status == ARES_EDESTRUCTION) /* there are other servers to ask */
        loop_soon(w->resolver->loop, &w->ask);
    else if (status == ARES_SUCCESS)
        watch_answered(w, info);
    else
        watch_failed(w, ares_strerror(status));
    if (info)
        ares_freeaddrinfo(info);
}

static void watch_ask(struct loop_task *task)
{
    struct resolver_watch *w = container_of(task, struct resolver_watch, ask);
    struct resolver *resolver = w->resolver;
    /* Our own order is applied anyway; c-ares would open a socket per address for its. */
    const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    resolver_conf_follow(resolver);
    resolver_servers_order(resolver);
    w->asking = w->in_call = true;
    ares_getaddrinfo(resolver->channel, w->host, NULL, &hints, on_addrinfo, w);
    w->in_call = false; /* even if stopped meanwhile, reaping comes after the turn */
    resolver_channel_arm(resolver);
}

static void on_timer(struct loop_timer *timer)
{
    struct resolver_watch *w = container_of(timer, struct resolver_watch, timer);

    loop_soon(w->resolver->loop, &w->ask);
}

struct resolver_watch *resolver_watch_start(struct resolver *resolver, const char *host,
                                            uint16_t port, resolver_cb cb, void *arg)
{
    struct resolver_watch *w = xcalloc(1, sizeof(*w));

    w->resolver = resolver;
    w->host = xstrdup(host);
    w->port = port;
    w->cb = cb;
    w->arg = arg;
    loop_timer_init(&w->timer, on_timer);
    loop_task_init(&w->ask, watch_ask);
    loop_task_init(&w->reap, watch_free);
    list_push_back(&resolver->watches, &w->node);
    loop_soon(resolver->loop, &w->ask);
    return w;
}

void resolver_watch_stop(struct resolver_watch **watch)
{
    struct resolver_watch *w = *watch;

    *watch = NULL;
    if (!w)
        return;
    w->stopped = true;
    list_remove(&w->node);
    loop_timer_cancel(&w->timer);
    loop_task_cancel(&w->ask);
    if (!w->asking)
        loop_reap(w->resolver->loop, &w->reap);
}

/* ---- the resolver ------------------------------------------------------------------------- */

int resolver_new_of(struct resolver **ret_resolver, struct loop *loop, const char *path,
                    uint16_t port)
{
    struct resolver *resolver = xcalloc(1, sizeof(*resolver));

    resolver->loop = loop;
    /* Before it is read: what is written meanwhile is noticed. */
    resolver->conf =
        (struct resolver_conf){.path = path, .port = port, .identity = file_identity_of_path(path)};
    list_init(&resolver->watches);
    if (resolver_channel_open(resolver) != 0) {
        free(resolver);
        return EG_E_INTERNAL;
    }
    *ret_resolver = resolver;
    return 0;
}

int resolver_new(struct resolver **ret_resolver, struct loop *loop)
{
    const char *servers = getenv("EVERGATE_DNS_SERVERS");
    struct resolver *resolver;

    if (resolver_new_of(&resolver, loop, "/etc/resolv.conf", 0) != 0)
        return EG_E_INTERNAL;
    if (servers && resolver_set_servers(resolver, servers) != 0) {
        resolver_free(resolver);
        return EG_E_INTERNAL;
    }
    *ret_resolver = resolver;
    return 0;
}

int resolver_set_servers(struct resolver *resolver, const char *csv)
{
    resolver->conf.path = NULL;
    resolver->servers = (struct resolver_servers){0};
    return ares_set_servers_ports_csv(resolver->channel, csv) == ARES_SUCCESS ? 0 : EG_E_INTERNAL;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    while (!list_empty(&resolver->watches)) {
        struct resolver_watch *w =
            container_of(resolver->watches.next, struct resolver_watch, node);
        resolver_watch_stop(&w);
    }
    resolver_channel_close(resolver);
    free(resolver);
}
