/*
 * Discovery's thread and its sources: see discovery.h.
 *
 * discovery_follow changes the list of sources at once, so that whoever waits afterwards waits for
 * the new ones too; starting and stopping them is left to the discovery thread. That thread alone
 * frees sources, and so may use one without the lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "discovery/discovery_internal.h"

enum { DISCOVERY_LEAVE_MS = 1000 }; /* so long the end waits for registrations to be taken back */

/* ---- hooks of the sources ---- */

static void on_source_changed(void *arg)
{
    struct discovery *discovery = arg;

    if (!discovery->ending)
        discovery->params.on_changed(discovery->params.arg);
}

static void on_source_event(void *arg, const struct discovery_event *event)
{
    struct discovery *discovery = arg;

    if (!discovery->ending)
        discovery->params.on_event(discovery->params.arg, event);
}

static void on_source_settled(void *arg)
{
    discovery_await_look(arg);
}

/* ---- which sources there are ---- */

struct discovery_source *discovery_source_locked(const struct discovery *discovery, const char *key)
{
    list_for_each(node, &discovery->sources)
    {
        if (strcmp(source_of(node)->block->key, key) == 0)
            return source_of(node);
    }
    return NULL;
}

static bool label_is_taken_locked(const struct discovery *discovery,
                                  const struct discovery_source *source)
{
    list_for_each(node, &discovery->sources)
    {
        const struct discovery_source *other = source_of(node);

        if (other->block->type == source->block->type && strcmp(other->label, source->label) == 0)
            return true;
    }
    return false;
}

/* Labels tell time series apart; sources that differ in what a label does not say get a number. */
static void source_number_locked(const struct discovery *discovery, struct discovery_source *source)
{
    for (unsigned number = 2; label_is_taken_locked(discovery, source); number++)
        source_label(source->block, number, source->label, sizeof(source->label));
}

static void follow_config_locked(struct discovery *discovery, struct config *config)
{
    /* What was laid over the file would be held for as long as the source: its blocks are the
     * file's. */
    struct config *base = config->base != NULL ? config->base : config;

    for (size_t i = 0; i < base->pool_count; i++) {
        const struct config_pool *pool = &base->pools[i];
        struct discovery_source *source;

        if (pool->discovery == NULL)
            continue;
        source = discovery_source_locked(discovery, pool->discovery->key);
        if (source == NULL) {
            source = source_new(&discovery->context, base, pool->discovery);
            source_number_locked(discovery, source);
            list_push_back(&discovery->sources, &source->node);
        }
        source->wanted = true;
        source_add_pool_locked(source, pool->name, pool->discovery->allow_empty);
    }
}

static struct discovery_source *take_new_locked(struct discovery *discovery)
{
    list_for_each(node, &discovery->sources)
    {
        if (!source_of(node)->started)
            return source_of(node);
    }
    return NULL;
}

static struct discovery_source *take_leaver_locked(struct discovery *discovery)
{
    struct discovery_source *source;

    if (list_empty(&discovery->leavers))
        return NULL;
    source = source_of(discovery->leavers.next);
    list_remove(&source->node);
    return source;
}

static struct discovery_source *
take(struct discovery *discovery,
     struct discovery_source *(*take_locked)(struct discovery *discovery))
{
    struct discovery_source *source;

    pthread_mutex_lock(&discovery->context.lock);
    source = take_locked(discovery);
    pthread_mutex_unlock(&discovery->context.lock);
    return source;
}

static void stop_source(struct discovery_source *source)
{
    list_remove(&source->running_node);
    source_stop(source);
    source_free(source);
}

/* Leavers first: a new source may have the cache file, or the registration, of one of them. */
static void on_followed(void *arg)
{
    struct discovery *discovery = arg;
    struct discovery_source *source;

    while ((source = take(discovery, take_leaver_locked)) != NULL)
        stop_source(source);
    while (!discovery->ending && (source = take(discovery, take_new_locked)) != NULL) {
        list_push_back(&discovery->running, &source->running_node);
        source_start(source, discovery_provider_of(source->block->type));
        if (discovery->serving)
            source_serve(source);
    }
    discovery_await_look(discovery);
}

void discovery_follow(struct discovery *discovery, struct config *config, struct config *also)
{
    pthread_mutex_lock(&discovery->context.lock);
    list_for_each(node, &discovery->sources)
    {
        source_of(node)->wanted = false;
        source_forget_pools_locked(source_of(node));
    }
    follow_config_locked(discovery, config);
    if (also != NULL)
        follow_config_locked(discovery, also);
    list_for_each_safe(node, next, &discovery->sources)
    {
        if (!source_of(node)->wanted) {
            list_remove(node);
            list_push_back(&discovery->leavers, node);
        }
    }
    pthread_mutex_unlock(&discovery->context.lock);
    loop_post(&discovery->loop, on_followed, discovery);
}

static void on_serve(void *arg)
{
    struct discovery *discovery = arg;

    if (discovery->serving)
        return;
    discovery->serving = true;
    list_for_each(node, &discovery->running)
        source_serve(container_of(node, struct discovery_source, running_node));
}

void discovery_serve(struct discovery *discovery)
{
    loop_post(&discovery->loop, on_serve, discovery);
}

static void on_leave(void *arg)
{
    struct discovery *discovery = arg;

    list_for_each(node, &discovery->running)
        source_leave(container_of(node, struct discovery_source, running_node));
}

void discovery_leave(struct discovery *discovery)
{
    loop_post(&discovery->loop, on_leave, discovery);
}

/* ---- life ---- */

static void *discovery_main(void *arg)
{
    struct discovery *discovery = arg;

    loop_run(&discovery->loop);
    return NULL;
}

/* The resolver must be there before the sources, and its descriptors are part of what may be
 * missing: no thread is started for nothing. */
static bool discovery_open(struct discovery *discovery, char **ret_why)
{
    if (loop_init(&discovery->loop) != EG_OK) {
        *ret_why = xstrdup("cannot set up the discovery thread's event loop");
        return false;
    }
    if (resolver_new(&discovery->context.resolver, &discovery->loop) != EG_OK) {
        *ret_why = xstrdup("cannot set up discovery's resolver");
        loop_fini(&discovery->loop);
        return false;
    }
    if (thread_start(&discovery->thread, "discovery", discovery_main, discovery) != EG_OK) {
        *ret_why = xstrdup("cannot start the discovery thread");
        resolver_free(discovery->context.resolver);
        loop_fini(&discovery->loop);
        return false;
    }
    return true;
}

static void discovery_destroy(struct discovery *discovery)
{
    pthread_mutex_destroy(&discovery->context.lock);
    free(discovery);
}

int discovery_new(struct discovery **ret_discovery, const struct discovery_params *params,
                  char **ret_why)
{
    struct discovery *discovery = xcalloc(1, sizeof(*discovery));

    discovery->params = *params;
    discovery->context = (struct source_context){
        .loop = &discovery->loop,
        .on_changed = on_source_changed,
        .on_event = on_source_event,
        .on_settled = on_source_settled,
        .arg = discovery,
    };
    pthread_mutex_init(&discovery->context.lock, NULL);
    list_init(&discovery->sources);
    list_init(&discovery->leavers);
    list_init(&discovery->running);
    discovery_await_init(discovery);
    if (!discovery_open(discovery, ret_why)) {
        discovery_destroy(discovery);
        return EG_E_INTERNAL;
    }
    *ret_discovery = discovery;
    return EG_OK;
}

/* Also those that were never started. */
static void stop_all(struct discovery *discovery)
{
    struct discovery_source *source;

    pthread_mutex_lock(&discovery->context.lock);
    list_splice(&discovery->leavers, &discovery->sources);
    pthread_mutex_unlock(&discovery->context.lock);
    while ((source = take(discovery, take_leaver_locked)) != NULL)
        stop_source(source);
}

static bool is_leaving(const struct discovery *discovery)
{
    list_for_each(node, &discovery->running)
    {
        if (source_is_leaving(container_of(node, struct discovery_source, running_node)))
            return true;
    }
    return false;
}

/* Where nothing was in flight, a drain is over before a registration can be taken back. */
static void on_end_timer(struct loop_timer *timer)
{
    struct discovery *discovery = container_of(timer, struct discovery, end_timer);

    if (is_leaving(discovery) && discovery->loop.now_ms < discovery->end_by_ms) {
        loop_timer_set(&discovery->loop, timer, LOOP_TICK_MS);
        return;
    }
    stop_all(discovery);
    discovery_await_end(discovery);
    loop_stop(&discovery->loop);
}

static void on_end(void *arg)
{
    struct discovery *discovery = arg;

    discovery->ending = true;
    discovery->end_by_ms = discovery->loop.now_ms + DISCOVERY_LEAVE_MS;
    loop_timer_init(&discovery->end_timer, on_end_timer);
    on_end_timer(&discovery->end_timer);
}

void discovery_free(struct discovery **discovery)
{
    struct discovery *it = *discovery;

    if (it == NULL)
        return;
    loop_post(&it->loop, on_end, it);
    pthread_join(it->thread, NULL);
    /* What was posted meanwhile: sources that nobody started, somebody who waits. */
    loop_run_posts(&it->loop);
    loop_enter(&it->loop);
    stop_all(it);
    resolver_free(it->context.resolver);
    loop_leave(&it->loop);
    loop_fini(&it->loop);
    discovery_destroy(it);
    *discovery = NULL;
}
