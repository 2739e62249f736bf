/*
 * One thread's event loop and what its connections share.
 *
 * A loop is owned by one thread; every function here is called on that thread except loop_post.
 * It exists to keep system calls and memory down (see ARCHITECTURE.md, "Cost"):
 *
 *   - one read buffer per loop instead of one per connection: bytes are received, judged and
 *     forwarded in the same turn, and only what could not be consumed is copied;
 *   - transports collect what they are to write as references into that buffer and into the loop's
 *     scratch memory; loop_leave hands each to the kernel with one sendmsg (a "turn" ends);
 *   - one coarse timer wheel instead of a libevent timer per connection.
 *
 * A turn:
 *
 *   libevent ─► loop_enter ─► recv ─► on_data ─► transport_write ... ─► loop_leave
 *                                                                           │
 *               libevent ◄─ reap the dead ◄─ flush ◄─ run soon tasks ◄─ flush (sendmsg)
 *
 * Every libevent callback of evergate begins with loop_enter and ends with loop_leave; they nest
 * (evhttp calls us back from within), and only the outermost leave acts.
 */
#ifndef EVERGATE_NET_LOOP_H
#define EVERGATE_NET_LOOP_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "net/wheel.h"

enum {
    LOOP_READ_BYTES = 64 * 1024, /* the shared read buffer, and the shared plaintext buffer */
    LOOP_SCRATCH_BYTES = 128 * 1024,
    LOOP_CIPHER_BYTES = 64 * 1024, /* ciphertext on its way to one sendmsg */
    LOOP_GATHER_BYTES = 16 * 1024, /* small pieces that become one TLS record */
    LOOP_TICK_MS = WHEEL_TICK_MS,  /* timer resolution; a timer is up to two ticks late */
};

/* Work to be done at the end of this turn, after everything was flushed. At most once per node. */
struct loop_task {
    struct list node;
    void (*run)(struct loop_task *task);
};

typedef void (*loop_post_cb)(void *arg);

struct loop {
    struct event_base *base;
    uint64_t now_us; /* monotonic, as of the outermost loop_enter */
    uint64_t now_ms;
    unsigned depth;

    char *read_buffer;  /* LOOP_READ_BYTES; valid until the next recv of any transport */
    char *plain_buffer; /* LOOP_READ_BYTES; decrypted bytes, likewise */
    char *scratch;      /* LOOP_SCRATCH_BYTES; valid until the turn's flush */
    size_t scratch_used;

    /* TLS, allocated with the first session: see net/transport_tls.c. */
    char *cipher_buffer; /* LOOP_CIPHER_BYTES; filled and emptied within one transport's flush */
    size_t cipher_used;
    const void *cipher_owner; /* the transport that is being flushed, or NULL */
    char *gather_buffer;      /* LOOP_GATHER_BYTES; likewise */

    struct list dirty;   /* loop_task: each flushes one transport's references */
    struct list spare;   /* loop_task: heap memory beginning with it, leased as transport outputs */
    struct list soon;    /* loop_task: run when the turn ends */
    struct list offered; /* loop_task: gives a descriptor back; offered longest ago first */
    struct list dead;    /* loop_task: reaped after `soon`, nothing may run on them any more */
    struct event *next_round; /* tasks queued by tasks: run after I/O had its chance */

    struct wheel wheel;
    struct event *tick;  /* armed to the wheel's next occupied slot: an idle loop does not wake */
    uint64_t tick_at_ms; /* 0: not armed */

    struct event *wake; /* an eventfd: loop_post */
    int wake_fd;
    pthread_mutex_t post_lock; /* cold path only: configuration, DNS answers, shutdown */
    struct list posts;
};

/* 0 or EG_E_INTERNAL / EG_E_NOMEM; on failure the loop needs no loop_fini. */
int loop_init(struct loop *loop) WARN_UNUSED;

/* Frees what loop_init made. Runs outstanding reaps; posts that were not run yet are dropped, and
 * so are tasks of loop_soon. Every transport must have been finished before. */
void loop_fini(struct loop *loop);

/* Runs until loop_stop. Call on the owning thread. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/*
 * The outermost loop_leave flushes dirty transports, runs the tasks of loop_soon that are queued by
 * then, flushes what those wrote, and reaps. Tasks run at depth 1: enter and leave within them
 * nest. What a task queues runs in the next round, after other I/O had its chance.
 */
void loop_enter(struct loop *loop);
void loop_leave(struct loop *loop);

/* Flushes dirty transports now, since the read buffer or the scratch is about to be reused. */
void loop_flush(struct loop *loop);

/* The same without giving the scratch free: an owner on the stack may be writing there. */
void loop_flush_references(struct loop *loop);

/*
 * `size_bytes` of memory that stays valid until the turn's flush: the place to write heads to that
 * are then given to transport_write by reference. NULL when it does not fit even after a flush
 * (size over LOOP_SCRATCH_BYTES): then the caller's limits are wrong.
 *
 * The call itself may flush: hand an earlier piece to transport_write before asking for the next.
 */
char *loop_scratch(struct loop *loop, size_t size_bytes);

/* Gives back the unused end of the latest loop_scratch. */
void loop_scratch_shrink(struct loop *loop, const char *end);

/* Moving a deadline later costs a store (net/wheel.h). Cancel before the timer's memory goes. */
void loop_timer_init(struct loop_timer *timer, loop_timer_cb on_timer);
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_ms);
void loop_timer_cancel(struct loop_timer *timer);

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));
void loop_task_cancel(struct loop_task *task);

/* Outside of a turn (depth 0) the task runs in the next round. */
void loop_soon(struct loop *loop, struct loop_task *task);

/* Frees later: `run` is called after the turn, when no callback of the object can be on the stack
 * (lifetime rule 1). */
void loop_reap(struct loop *loop, struct loop_task *task);

/*
 * A descriptor that its owner can do without (an idle connection): `task` closes it when this
 * process has none left. Until then, or until loop_task_cancel.
 */
void loop_offer_descriptor(struct loop *loop, struct loop_task *task);
/* There is none left: takes the one that was offered longest ago. False: nobody offers any. Called
 * within a turn, from transport_init_connect. */
bool loop_take_descriptor(struct loop *loop);

/* Thread-safe: runs `cb(arg)` on the loop's thread, in order of posting. */
void loop_post(struct loop *loop, loop_post_cb cb, void *arg);
/* Runs what was posted so far: of a loop that has stopped, for posts that carry what must be freed.
 */
void loop_run_posts(struct loop *loop);

#endif
