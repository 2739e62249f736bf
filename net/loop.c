/* The event loop of one thread: turns, tasks, timers, posts. See loop.h for the contract. */
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"

struct loop_posted {
    struct list node;
    loop_post_cb cb;
    void *arg;
};

static void loop_refresh_now(struct loop *loop)
{
    loop->now_us = clock_monotonic_us();
    loop->now_ms = loop->now_us / 1000;
}

/* ---- timers ------------------------------------------------------------------------------- */

static void loop_arm_tick(struct loop *loop, uint64_t at_ms)
{
    uint64_t after_ms = at_ms > loop->now_ms ? at_ms - loop->now_ms : 1;
    struct timeval after = {.tv_sec = (time_t)(after_ms / 1000),
                            .tv_usec = (suseconds_t)(after_ms % 1000 * 1000)};

    loop->tick_at_ms = at_ms;
    CHECK(event_add(loop->tick, &after) == 0);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    loop_enter(loop);
    loop->tick_at_ms = 0;
    wheel_advance(&loop->wheel, loop->now_ms);
    uint64_t next_ms = wheel_next_ms(&loop->wheel);
    if (next_ms != 0)
        loop_arm_tick(loop, next_ms);
    loop_leave(loop);
}

void loop_timer_init(struct loop_timer *timer, loop_timer_cb on_timer)
{
    list_init(&timer->node);
    timer->deadline_ms = timer->slot_ms = 0;
    timer->on_timer = on_timer;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_ms)
{
    if (loop->depth == 0)
        loop_refresh_now(loop);
    if (!wheel_set(&loop->wheel, timer, loop->now_ms + after_ms, loop->now_ms))
        return;
    if (loop->tick_at_ms == 0 || timer->slot_ms < loop->tick_at_ms)
        loop_arm_tick(loop, timer->slot_ms);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    list_remove(&timer->node);
    timer->deadline_ms = timer->slot_ms = 0;
}

/* ---- tasks and turns ---------------------------------------------------------------------- */

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task))
{
    list_init(&task->node);
    task->run = run;
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->node);
}

static struct loop_task *task_pop(struct list *tasks)
{
    struct loop_task *task = container_of(tasks->next, struct loop_task, node);

    list_remove(&task->node);
    return task;
}

/* A timeout of zero, not event_active: libevent runs activated events before it polls again, so
 * that a task which queues itself would starve all I/O. */
static void loop_want_round(struct loop *loop)
{
    static const struct timeval now = {0, 0};

    CHECK(event_add(loop->next_round, &now) == 0);
}

static void on_next_round(evutil_socket_t fd, short what, void *arg)
{
    loop_enter(arg);
    loop_leave(arg);
}

void loop_soon(struct loop *loop, struct loop_task *task)
{
    if (!list_empty(&task->node))
        return;
    list_push_back(&loop->soon, &task->node);
    if (loop->depth == 0)
        loop_want_round(loop);
}

void loop_reap(struct loop *loop, struct loop_task *task)
{
    list_remove(&task->node);
    list_push_back(&loop->dead, &task->node);
    if (loop->depth == 0)
        loop_want_round(loop);
}

void loop_offer_descriptor(struct loop *loop, struct loop_task *task)
{
    list_push_back(&loop->offered, &task->node);
}

bool loop_take_descriptor(struct loop *loop)
{
    struct loop_task *task;

    if (list_empty(&loop->offered))
        return false;
    task = task_pop(&loop->offered);
    task->run(task);
    return true;
}

void loop_flush_references(struct loop *loop)
{
    while (!list_empty(&loop->dirty)) {
        struct loop_task *flush = task_pop(&loop->dirty);
        flush->run(flush);
    }
}

void loop_flush(struct loop *loop)
{
    loop_flush_references(loop);
    loop->scratch_used = 0;
}

static void loop_run_soon(struct loop *loop)
{
    struct list now;

    list_init(&now);
    list_splice(&now, &loop->soon);
    while (!list_empty(&now)) {
        struct loop_task *task = task_pop(&now);
        task->run(task);
    }
    if (!list_empty(&loop->soon))
        loop_want_round(loop);
}

static void loop_run_reaps(struct loop *loop)
{
    while (!list_empty(&loop->dead)) {
        struct loop_task *task = task_pop(&loop->dead);
        task->run(task);
    }
}

void loop_enter(struct loop *loop)
{
    if (loop->depth++ == 0)
        loop_refresh_now(loop);
}

void loop_leave(struct loop *loop)
{
    CHECK(loop->depth > 0);
    if (loop->depth > 1) {
        loop->depth--;
        return;
    }
    loop_flush(loop);
    if (!list_empty(&loop->soon)) {
        loop_run_soon(loop);
        loop_flush(loop);
    }
    loop_run_reaps(loop);
    loop->depth = 0;
}

/* ---- scratch ------------------------------------------------------------------------------ */

char *loop_scratch(struct loop *loop, size_t size_bytes)
{
    if (size_bytes > LOOP_SCRATCH_BYTES)
        return NULL;
    if (size_bytes > LOOP_SCRATCH_BYTES - loop->scratch_used)
        loop_flush(loop);
    char *piece = loop->scratch + loop->scratch_used;
    loop->scratch_used += size_bytes;
    return piece;
}

void loop_scratch_shrink(struct loop *loop, const char *end)
{
    CHECK(end >= loop->scratch && end <= loop->scratch + loop->scratch_used);
    loop->scratch_used = (size_t)(end - loop->scratch);
}

/* ---- posts -------------------------------------------------------------------------------- */

void loop_run_posts(struct loop *loop)
{
    struct list posts;

    list_init(&posts);
    pthread_mutex_lock(&loop->post_lock);
    list_splice(&posts, &loop->posts);
    pthread_mutex_unlock(&loop->post_lock);

    loop_enter(loop);
    while (!list_empty(&posts)) {
        struct loop_posted *posted = container_of(posts.next, struct loop_posted, node);

        list_remove(&posted->node);
        posted->cb(posted->arg);
        free(posted);
    }
    loop_leave(loop);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;

    if (read(loop->wake_fd, &count, sizeof(count)) < 0)
        return; /* woken for nothing */
    loop_run_posts(loop);
}

void loop_post(struct loop *loop, loop_post_cb cb, void *arg)
{
    struct loop_posted *posted = xmalloc(sizeof(*posted));
    const uint64_t one = 1;

    posted->cb = cb;
    posted->arg = arg;
    pthread_mutex_lock(&loop->post_lock);
    list_push_back(&loop->posts, &posted->node);
    /* Within the lock, so that the loop cannot be gone before the write. Fails only when the
     * counter is full, and then the loop is awake anyway. */
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    pthread_mutex_unlock(&loop->post_lock);
    (void)written;
}

/* ---- life --------------------------------------------------------------------------------- */

/*
 * No locks in libevent: a loop belongs to one thread, and loop_post reaches it by its eventfd. Not
 * EPOLL_USE_CHANGELIST either, though it would save an accepted connection four of its six
 * epoll_ctl (3 % of a connection's cost): it takes descriptors out of epoll after they were closed,
 * when their number may be another thread's already.
 */
static struct event_base *loop_base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (!config)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
        event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void loop_close(struct loop *loop)
{
    if (loop->tick)
        event_free(loop->tick);
    if (loop->next_round)
        event_free(loop->next_round);
    if (loop->wake)
        event_free(loop->wake);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->base)
        event_base_free(loop->base);
}

int loop_init(struct loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = loop_base_new();
    if (!loop->base || loop->wake_fd < 0)
        goto fail;
    loop->tick = event_new(loop->base, -1, 0, on_tick, loop);
    loop->next_round = event_new(loop->base, -1, 0, on_next_round, loop);
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (!loop->tick || !loop->next_round || !loop->wake || event_add(loop->wake, NULL) != 0)
        goto fail;

    loop->read_buffer = xmalloc(LOOP_READ_BYTES);
    loop->plain_buffer = xmalloc(LOOP_READ_BYTES);
    loop->scratch = xmalloc(LOOP_SCRATCH_BYTES);
    list_init(&loop->dirty);
    list_init(&loop->spare);
    list_init(&loop->soon);
    list_init(&loop->offered);
    list_init(&loop->dead);
    list_init(&loop->posts);
    pthread_mutex_init(&loop->post_lock, NULL);
    loop_refresh_now(loop);
    wheel_init(&loop->wheel, loop->now_ms);
    return 0;
fail:
    loop_close(loop);
    return EG_E_INTERNAL;
}

void loop_fini(struct loop *loop)
{
    CHECK(loop->depth == 0);
    loop_run_reaps(loop);
    CHECK(list_empty(&loop->dirty));
    pthread_mutex_lock(&loop->post_lock);
    while (!list_empty(&loop->posts)) {
        struct list *post = loop->posts.next;
        list_remove(post);
        free(container_of(post, struct loop_posted, node));
    }
    pthread_mutex_unlock(&loop->post_lock);
    while (!list_empty(&loop->spare))
        free(task_pop(&loop->spare));
    loop_close(loop);
    pthread_mutex_destroy(&loop->post_lock);
    free(loop->gather_buffer);
    free(loop->cipher_buffer);
    free(loop->scratch);
    free(loop->plain_buffer);
    free(loop->read_buffer);
}

void loop_run(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}
