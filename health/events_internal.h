/* For tests of the ring: a clock and a log of their own. */
#ifndef EVERGATE_HEALTH_EVENTS_INTERNAL_H
#define EVERGATE_HEALTH_EVENTS_INTERNAL_H

#include "health/events.h"

/* Gets each line instead of the operator's log. Before other threads come. */
void events_set_log(struct events *events,
                    void (*log)(void *arg, enum event_severity severity, const char *line),
                    void *arg);

void events_add_at(struct events *events, const struct health_event *event, uint64_t wall_us,
                   uint64_t now_us);

#endif
