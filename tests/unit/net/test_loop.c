#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/loop.h"
#include "net_fixture.h"

enum { THREADS = 4, POSTS = 2000 };

static struct loop loop;
static char trace[64];

static void setup(void)
{
    cr_assert_eq(loop_init(&loop), 0);
    trace[0] = '\0';
}

static void teardown(void)
{
    loop_fini(&loop);
}

TestSuite(loop, .init = setup, .fini = teardown);

static void note(const char *what)
{
    size_t n = strlen(trace);

    snprintf(trace + n, sizeof(trace) - n, "%s ", what);
}

static void run_flush(struct loop_task *task)
{
    note("flush");
}

static void run_soon(struct loop_task *task)
{
    note("soon");
}

static void run_reap(struct loop_task *task)
{
    note("reap");
}

Test(loop, the_outermost_leave_flushes_then_runs_tasks_then_reaps)
{
    struct loop_task flush, soon, reap;

    loop_task_init(&flush, run_flush);
    loop_task_init(&soon, run_soon);
    loop_task_init(&reap, run_reap);
    loop_enter(&loop);
    loop_enter(&loop);
    loop_reap(&loop, &reap);
    loop_soon(&loop, &soon);
    loop_soon(&loop, &soon);
    list_push_back(&loop.dirty, &flush.node);
    loop_leave(&loop);
    cr_expect_str_empty(trace, "an inner leave does nothing");
    loop_leave(&loop);
    cr_expect_str_eq(trace, "flush soon reap ");
}

struct repeater {
    struct loop_task task;
    unsigned runs;
};

static void run_again(struct loop_task *task)
{
    struct repeater *r = container_of(task, struct repeater, task);

    r->runs++;
    loop_soon(&loop, task);
}

Test(loop, tasks_queued_by_tasks_wait_for_the_next_round)
{
    struct repeater r = {.runs = 0};

    loop_task_init(&r.task, run_again);
    loop_enter(&loop);
    loop_soon(&loop, &r.task);
    loop_leave(&loop);
    cr_expect_eq(r.runs, 1);
    event_base_loop(loop.base, EVLOOP_ONCE);
    cr_expect_eq(r.runs, 2, "one run per round, so that I/O has its turn");
    loop_task_cancel(&r.task);
}

static bool ran(void *arg)
{
    return *(unsigned *)arg > 0;
}

Test(loop, tasks_queued_outside_of_a_turn_run)
{
    struct repeater r = {.runs = 0};

    loop_task_init(&r.task, run_again);
    loop_soon(&loop, &r.task);
    cr_expect(fixture_run_until(&loop, ran, &r.runs));
    loop_task_cancel(&r.task);
}

static void run_free(struct loop_task *task)
{
    free(task);
}

Test(loop, fini_runs_outstanding_reaps)
{
    struct loop_task *task = xmalloc(sizeof(*task));

    loop_task_init(task, run_free);
    loop_reap(&loop, task); /* the leak checker is the judge */
}

static unsigned timer_fired;

static void on_timer(struct loop_timer *timer)
{
    timer_fired++;
    cr_expect_eq(loop.depth, 1, "within a turn");
}

Test(loop, timers_fire_and_an_idle_loop_has_nothing_armed)
{
    struct loop_timer timer, cancelled;

    loop_timer_init(&timer, on_timer);
    loop_timer_init(&cancelled, on_timer);
    loop_timer_set(&loop, &timer, 30);
    loop_timer_set(&loop, &cancelled, 30);
    loop_timer_cancel(&cancelled);
    uint64_t start = loop.now_ms;
    cr_expect(fixture_run_until(&loop, ran, &timer_fired));
    cr_expect_geq(loop.now_ms, start + 30);
    cr_expect_eq(timer_fired, 1);
    cr_expect_eq(loop.tick_at_ms, 0);
}

Test(loop, scratch_is_handed_out_given_back_and_reset_by_the_flush)
{
    loop_enter(&loop);
    char *a = loop_scratch(&loop, 100), *b;
    loop_scratch_shrink(&loop, a + 10);
    b = loop_scratch(&loop, LOOP_SCRATCH_BYTES - 10);
    cr_expect_eq(b, a + 10);
    cr_expect_eq(loop_scratch(&loop, LOOP_SCRATCH_BYTES), a, "flushed to make room");
    cr_expect_null(loop_scratch(&loop, LOOP_SCRATCH_BYTES + 1));
    loop_leave(&loop);
    cr_expect_eq(loop.scratch_used, 0);
}

static struct {
    unsigned next[THREADS];
    unsigned total;
} posted;

static void on_post(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg / POSTS, i = (unsigned)(uintptr_t)arg % POSTS;

    cr_assert_eq(posted.next[thread]++, i, "in the order of posting");
    posted.total++;
}

static void *poster(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < POSTS; i++)
        loop_post(&loop, on_post, (void *)(uintptr_t)(thread * POSTS + i));
    return NULL;
}

static bool all_posted(void *arg)
{
    return posted.total == THREADS * POSTS;
}

Test(loop, posts_of_many_threads_all_arrive_in_order)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, poster, (void *)i), 0);
    cr_expect(fixture_run_until(&loop, all_posted, NULL));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

Test(loop, posts_that_were_not_run_are_dropped_by_fini)
{
    loop_post(&loop, on_post, NULL);
    cr_expect_eq(posted.total, 0);
}

Test(loop, posts_that_came_after_it_stopped_may_be_run_before_fini)
{
    loop_post(&loop, on_post, NULL);
    loop_run_posts(&loop);
    cr_expect_eq(posted.total, 1);
    loop_run_posts(&loop);
    cr_expect_eq(posted.total, 1);
}

static void stop(void *arg)
{
    loop_stop(&loop);
}

static void *run(void *arg)
{
    loop_run(&loop);
    return NULL;
}

Test(loop, runs_in_its_thread_until_stopped_by_a_post)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
    loop_post(&loop, stop, NULL);
    cr_expect_eq(pthread_join(thread, NULL), 0);
}

static void run_first(struct loop_task *task)
{
    note("first");
}

static void run_second(struct loop_task *task)
{
    note("second");
}

Test(loop, the_descriptor_that_was_offered_longest_ago_is_taken_first)
{
    struct loop_task first, second, third;

    loop_task_init(&first, run_first);
    loop_task_init(&second, run_second);
    loop_task_init(&third, run_flush);
    cr_assert_not(loop_take_descriptor(&loop));
    loop_offer_descriptor(&loop, &third);
    loop_offer_descriptor(&loop, &first);
    loop_offer_descriptor(&loop, &second);
    loop_task_cancel(&third);
    cr_assert(loop_take_descriptor(&loop));
    cr_assert(loop_take_descriptor(&loop));
    cr_assert_not(loop_take_descriptor(&loop));
    cr_assert_str_eq(trace, "first second ");
}
