/* What all recoveries share: see recovery_internal.h. */
#include <stdlib.h>

#include "base/alloc.h"
#include "checks/recovery_internal.h"

enum { RECOVERY_CHILDREN_MAX = 16 };

static int open_pool(struct recovery_room *room, unsigned index, char **ret_why)
{
    const struct config_pool *pool = &room->checks->config->pools[index];
    char *why = NULL;
    int code = EG_OK;

    if (!pool->recovery)
        return EG_OK;
    if (pool->recovery->command.argv)
        code = process_check(pool->recovery->command.argv, &why);
    if (code == EG_OK && pool->recovery->webhook)
        code = webhook_new(&room->webhooks[index], &room->means, pool->recovery->webhook, &why);
    if (code != EG_OK)
        *ret_why = xasprintf("pool \"%s\": recovery: %s", pool->name, why);
    free(why);
    return code;
}

int recovery_room_new(struct recovery_room **ret_room, struct checks *checks, char **ret_why)
{
    struct recovery_room *room = xcalloc(1, sizeof(*room));
    int code = EG_OK;

    room->checks = checks;
    room->loop = room->means.loop = checks->loop;
    brake_init(&room->brake, checks->config->supervision.recoveries_per_minute);
    room->processes = process_room_new(checks->loop, RECOVERY_CHILDREN_MAX);
    room->webhooks = xcalloc(checks->pool_count, sizeof(*room->webhooks));
    *ret_room = room; /* also when it fails: checks_free frees it with the rest */
    for (unsigned i = 0; i < checks->pool_count && code == EG_OK; i++)
        code = open_pool(room, i, ret_why);
    return code;
}

/* After the webhooks' calls were reaped. */
static void room_on_reap(struct loop_task *task)
{
    struct recovery_room *room = container_of(task, struct recovery_room, reap);

    webhook_means_fini(&room->means);
    brake_fini(&room->brake);
    free(room->webhooks);
    free(room);
}

void recovery_room_free(struct recovery_room *room)
{
    if (!room)
        return;
    for (unsigned i = 0; i < room->checks->pool_count; i++)
        webhook_free(room->webhooks[i]);
    process_room_free(room->processes);
    loop_task_init(&room->reap, room_on_reap);
    loop_reap(room->loop, &room->reap);
}
