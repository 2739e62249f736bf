/* See played.h. */
#include "tests/unit/checks/played.h"

#include <stdlib.h>

#include "base/alloc.h"

struct played played;

static void played_start(struct probe *probe)
{
    played.starts++;
    played.last = probe;
    played.last_address = probe->target.address;
    if (*probe->target.memory == NULL)
        *probe->target.memory = xmalloc(1);
    if (++played.running > played.most_running)
        played.most_running = played.running;
    if (played.on_start)
        played.on_start(probe);
    bool is_well = played.well && strcmp(probe->target.backend->id, played.well) == 0;
    if (played.answers_at_once && (played.healthy || is_well))
        probe_pass(probe);
    else if (played.answers_at_once)
        probe_fail(probe, "played");
}

static void played_stop(struct probe *probe)
{
    played.stops++;
    played.running--;
    if (played.last == probe)
        played.last = NULL;
}

static void played_forget(void *memory)
{
    played.forgotten++;
    free(memory);
}

const struct probe_type played_type = {
    .name = "played",
    .size_bytes = sizeof(struct probe),
    .start = played_start,
    .stop = played_stop,
    .forget = played_forget,
};
