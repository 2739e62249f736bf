/*
 * What the rooms of recovery share.
 *
 *   recovery_state.c  when: pure
 *   recovery.c        one endpoint: attempts, their begin and their end
 *   recovery_room.c   what all share: the brake, the children's room, the webhooks
 *   recovery_tell.c   its events in words
 */
#ifndef EVERGATE_CHECKS_RECOVERY_INTERNAL_H
#define EVERGATE_CHECKS_RECOVERY_INTERNAL_H

#include "checks/checks_internal.h"
#include "checks/process.h"
#include "checks/recovery_state.h"
#include "checks/webhook.h"

enum { RECOVERY_OUTCOME_BYTES = 160 };

struct recovery_room {
    struct checks *checks;
    struct loop *loop;
    struct brake brake;
    struct process_room *processes; /* not those of checks, which may all hang */
    struct webhook_means means;
    struct loop_task reap;
};

struct recovery {
    struct recovery_room *room;
    struct checks_endpoint *e;
    struct recovery_state state;
    struct loop_timer timer; /* when to look again */
    struct loop_task look;   /* outside of health's own call */

    /* The attempt that runs, or the last one. */
    struct process *command; /* NULL: none runs */
    struct webhook_call *webhook;
    uint64_t timeout_ms;
    bool failed;
    char outcome[RECOVERY_OUTCOME_BYTES];
};

static inline const struct config_recovery *recovery_config(const struct recovery *r)
{
    return r->e->pool->config->recovery;
}

/* recovery_tell.c */
void recovery_tell_started(struct recovery *r, const char *reason);
void recovery_tell_ended(struct recovery *r);
void recovery_tell_verified(struct recovery *r);
void recovery_tell_in_vain(struct recovery *r, const char *evidence);
void recovery_tell_held(struct recovery *r, uint64_t wait_us);
void recovery_tell_given_up(struct recovery *r);
/* Appends what came of a part of the attempt to `outcome`. */
void recovery_note_command(struct recovery *r, const struct process_result *result);
void recovery_note_webhook(struct recovery *r, const char *text);

#endif
