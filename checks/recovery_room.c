/* What all recoveries share: see recovery_internal.h. */
#include <stdlib.h>

#include "base/alloc.h"
#include "checks/recovery_internal.h"

enum { RECOVERY_CHILDREN_MAX = 16 };

int recovery_room_prepare(struct recovery_room *room, const struct config_pool *config,
                          struct webhook **ret_webhook, char **ret_why)
{
    const struct config_recovery *recovery = config->recovery;
    char *why = NULL;
    int code = EG_OK;

    *ret_webhook = NULL;
    if (!recovery)
        return EG_OK;
    if (recovery->command.argv)
        code = process_check(recovery->command.argv, &why);
    if (code == EG_OK && recovery->webhook)
        code = webhook_new(ret_webhook, &room->means, recovery->webhook, &why);
    if (code != EG_OK)
        *ret_why = xasprintf("pool \"%s\": recovery: %s", config->name, why);
    free(why);
    return code;
}

struct recovery_room *recovery_room_new(struct checks *checks)
{
    struct recovery_room *room = xcalloc(1, sizeof(*room));

    room->checks = checks;
    room->loop = checks->loop;
    webhook_means_init(&room->means, checks->loop);
    brake_init(&room->brake, 1); /* until there is a configuration, and something to recover */
    room->processes = process_room_new(checks->loop, RECOVERY_CHILDREN_MAX);
    return room;
}

void recovery_room_set_limit(struct recovery_room *room, unsigned per_minute)
{
    brake_change(&room->brake, per_minute);
}

/* After the webhooks' calls were reaped. */
static void room_on_reap(struct loop_task *task)
{
    struct recovery_room *room = container_of(task, struct recovery_room, reap);

    webhook_means_fini(&room->means);
    brake_fini(&room->brake);
    free(room);
}

void recovery_room_free(struct recovery_room *room)
{
    if (!room)
        return;
    webhook_means_stop(&room->means);
    process_room_free(room->processes);
    loop_task_init(&room->reap, room_on_reap);
    loop_reap(room->loop, &room->reap);
}
