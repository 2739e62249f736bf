/* Frames, and what they take over from the one before: see frame.h. */
#include "balancer/frame.h"

#include <stdlib.h>

#include "balancer/stride.h"
#include "base/alloc.h"
#include "base/check.h"

/* ---- The levels' clocks ---- */

static struct level_clock *clock_new(void)
{
    struct level_clock *clock = aligned_alloc(_Alignof(struct level_clock), sizeof(*clock));

    CHECK(clock != NULL);
    *clock = (struct level_clock){.refs = 1};
    return clock;
}

static void clock_unref(struct level_clock *clock)
{
    if (--clock->refs == 0)
        free(clock);
}

/* A level goes on where it was, also for the picks that still are at the frame before. */
static void frame_set_clocks(struct frame *frame, const struct frame *before)
{
    frame->clocks = xcalloc(frame->levels.count, sizeof(struct level_clock *));
    for (unsigned i = 0; i < frame->levels.count; i++) {
        unsigned same = LEVEL_NONE;

        if (before != NULL)
            same = levels_find(&before->levels, frame->levels.at[i].key);
        if (same == LEVEL_NONE) {
            frame->clocks[i] = clock_new();
            continue;
        }
        frame->clocks[i] = before->clocks[same];
        frame->clocks[i]->refs++;
    }
}

/* ---- Newcomers ---- */

static bool was_there(const struct frame *frame, const struct frame *before, unsigned slot)
{
    unsigned level;

    if (before == NULL || before->algorithm != frame->algorithm || slot >= before->members.size ||
        before->members.endpoints[slot] != frame->members.endpoints[slot])
        return false;
    level = before->level_of[slot];
    return before->levels.at[level].key == frame->levels.at[frame->level_of[slot]].key;
}

static void frame_seat_newcomers(struct frame *frame, const struct frame *before)
{
    for (unsigned i = 0; i < frame->members.size; i++) {
        struct endpoint *e = frame->members.endpoints[i];

        if (e != NULL && !was_there(frame, before, i))
            stride_seat(frame->clocks[frame->level_of[i]], e, i, frame->members.size);
    }
}

/* ---- The frame ---- */

static void frame_set_state(struct frame *frame, const struct frame *before)
{
    const struct balancer_algorithm *algorithm = frame->algorithm;
    void *carried = NULL;

    if (algorithm->state_new == NULL)
        return;
    if (before != NULL && before->algorithm->state_new == algorithm->state_new)
        carried = before->state;
    frame->state = algorithm->state_new(&frame->members, carried);
}

struct frame *frame_new(const struct frame_input *input)
{
    struct frame *frame = xmalloc(sizeof(*frame));
    const struct levels_input levels = {
        .endpoints = input->members.endpoints,
        .size = input->members.size,
        .locality = input->locality,
        .place = input->place,
    };

    *frame = (struct frame){.algorithm = input->algorithm, .members = input->members};
    frame->level_of = xcalloc(input->members.size, sizeof(*frame->level_of));
    levels_init(&frame->levels, &levels, frame->level_of);
    lineup_init(&frame->lineup, input->members.size, &frame->levels);
    frame->load.shares = xcalloc(frame->levels.count, sizeof(*frame->load.shares));
    frame_set_clocks(frame, input->before);
    frame_seat_newcomers(frame, input->before);
    frame_set_state(frame, input->before);
    return frame;
}

void frame_free(struct frame *frame)
{
    if (frame == NULL)
        return;
    if (frame->algorithm->state_free != NULL)
        frame->algorithm->state_free(frame->state);
    for (unsigned i = 0; i < frame->levels.count; i++)
        clock_unref(frame->clocks[i]);
    free(frame->clocks);
    free(frame->load.shares);
    lineup_fini(&frame->lineup);
    levels_fini(&frame->levels);
    free(frame->level_of);
    free(frame->members.endpoints);
    free(frame);
}
