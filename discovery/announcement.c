/* See announcement.h. */
#include "discovery/announcement.h"

static void on_timer(struct loop_timer *timer)
{
    struct announcement *announcement = container_of(timer, struct announcement, timer);

    announcement->tell(announcement);
}

void announcement_init(struct announcement *announcement, struct loop *loop,
                       void (*tell)(struct announcement *announcement))
{
    *announcement = (struct announcement){.loop = loop, .tell = tell};
    loop_timer_init(&announcement->timer, on_timer);
}

void announcement_soon(struct announcement *announcement, size_t items)
{
    uint64_t apart_ms = ANNOUNCEMENT_APART_MS + items / ANNOUNCEMENT_ITEMS_PER_MS;
    uint64_t passed_ms = announcement->loop->now_ms - announcement->made_ms;
    uint64_t after_ms = ANNOUNCEMENT_SOON_MS;

    if (announcement->due)
        return;
    if (announcement->made_ms > 0 && passed_ms + ANNOUNCEMENT_SOON_MS < apart_ms)
        after_ms = apart_ms - passed_ms;
    announcement->due = true;
    loop_timer_set(announcement->loop, &announcement->timer, after_ms);
}

void announcement_made(struct announcement *announcement)
{
    announcement_cancel(announcement);
    announcement->made_ms = announcement->loop->now_ms;
}

void announcement_cancel(struct announcement *announcement)
{
    loop_timer_cancel(&announcement->timer);
    announcement->due = false;
}
