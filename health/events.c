/*
 * The ring of events and what of it goes to the operator's log: see events.h.
 *
 * Whether a line is written is decided under the mutex; it is written after. The endpoints that
 * were logged lately stand in a hash table of fixed size. In the unlikely case that a busy place of
 * it is needed for another endpoint, a number of lines held back is forgotten, never a line's
 * right to be written.
 */
#include "health/events.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/balancer.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "health/events_internal.h"

enum { QUIET_PLACES = 4096, QUIET_TRIES = 8, QUIET_US = 1000000, CROWD_LINES = 64 };

/* An endpoint (or a pool as a whole, or the process in one matter) that was logged less than a
 * second ago. */
struct quiet {
    uint64_t key;     /* of pool and endpoint, or of the type; 0: free */
    uint64_t next_us; /* from when on it may be logged again */
    uint64_t last_id; /* the latest event that was held back */
    unsigned held;    /* how many were */
};

/* Endpoints that come and go in one second, all over: a change of thousands is no flood of lines.
 */
struct crowd {
    uint64_t until_us;
    unsigned written, held;
};

struct events {
    pthread_mutex_t mutex;
    struct health_event *ring;
    unsigned capacity;
    uint64_t last_id;
    uint64_t counts[EVENT_TYPE_COUNT];
    struct quiet quiet[QUIET_PLACES];
    unsigned holding; /* places with held > 0 */
    struct crowd crowd;
    void (*log)(void *arg, enum event_severity severity, const char *line);
    void *log_arg;
};

/* A line that is to be written once the mutex is free. */
struct note {
    struct health_event event;
    unsigned held;
};

static void log_to_operator(void *arg, enum event_severity severity, const char *line)
{
    (void)arg;
    if (severity == EVENT_ERROR)
        log_error("%s", line);
    else if (severity == EVENT_WARN)
        log_warn("%s", line);
    else
        log_info("%s", line);
}

struct events *events_new(unsigned capacity)
{
    struct events *events = xcalloc(1, sizeof(*events));

    events->capacity = capacity > 0 ? capacity : 1;
    events->ring = xcalloc(events->capacity, sizeof(struct health_event));
    events->log = log_to_operator;
    pthread_mutex_init(&events->mutex, NULL);
    return events;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    pthread_mutex_destroy(&events->mutex);
    free(events->ring);
    free(events);
}

void events_set_log(struct events *events,
                    void (*log)(void *arg, enum event_severity severity, const char *line),
                    void *arg)
{
    events->log = log;
    events->log_arg = arg;
}

static uint64_t quiet_key(const struct health_event *event)
{
    uint64_t key =
        balancer_hash(slice_str(event->pool)) * 31 + balancer_hash(slice_str(event->endpoint));

    /* A refused reload must not be held back by an upgrade that began, nor a pool's failover, or a
     * source that is lost, by endpoints that come ten times a second. */
    if (event->pool[0] == '\0')
        key += event->type;
    else if (event->type == EVENT_DISCOVERY)
        key += event->type + (uint64_t)EVENT_TYPE_COUNT * event->severity;
    return key != 0 ? key : 1;
}

static void quiet_release_locked(struct events *events, struct quiet *quiet)
{
    events->holding -= quiet->held > 0;
    quiet->held = 0;
}

/* The endpoint's place; else a free one, one whose second is over, or at the worst the one that
 * would be free first. */
static struct quiet *quiet_place_locked(struct events *events, uint64_t key)
{
    struct quiet *best = NULL;

    for (unsigned i = 0; i < QUIET_TRIES; i++) {
        struct quiet *quiet = &events->quiet[(key + i) % QUIET_PLACES];

        if (quiet->key == key)
            return quiet;
        if (best == NULL || quiet->next_us < best->next_us)
            best = quiet;
    }
    quiet_release_locked(events, best);
    *best = (struct quiet){.key = key};
    return best;
}

/* May this event be logged now? If so, *ret_held is how many were held back before it. */
static bool quiet_pass_locked(struct events *events, const struct health_event *event,
                              uint64_t now_us, unsigned *ret_held)
{
    struct quiet *quiet = quiet_place_locked(events, quiet_key(event));

    if (now_us < quiet->next_us) {
        events->holding += quiet->held == 0;
        quiet->held++;
        quiet->last_id = event->id;
        return false;
    }
    *ret_held = quiet->held;
    quiet_release_locked(events, quiet);
    quiet->next_us = now_us + QUIET_US;
    return true;
}

static bool is_of_crowd(const struct health_event *event)
{
    return event->endpoint[0] != '\0' && event->severity == EVENT_INFO &&
           (event->type == EVENT_ENDPOINT || event->type == EVENT_DRAIN);
}

/* A new second begins only when nothing of the one before is left to be said: events_keep says it.
 */
static bool crowd_pass_locked(struct crowd *crowd, uint64_t now_us)
{
    if (now_us >= crowd->until_us && crowd->held == 0)
        *crowd = (struct crowd){.until_us = now_us + QUIET_US};
    if (crowd->written == CROWD_LINES) {
        crowd->held++;
        return false;
    }
    crowd->written++;
    return true;
}

static bool pass_locked(struct events *events, const struct health_event *event, uint64_t now_us,
                        unsigned *ret_held)
{
    if (is_of_crowd(event) && !crowd_pass_locked(&events->crowd, now_us))
        return false;
    return quiet_pass_locked(events, event, now_us, ret_held);
}

static void note_write(struct events *events, const struct note *note)
{
    char line[EVENT_LINE_BYTES + 32];
    size_t size = event_format(&note->event, line, EVENT_LINE_BYTES);

    if (note->held > 0)
        snprintf(line + size, sizeof(line) - size, " (%u more held back)", note->held);
    events->log(events->log_arg, note->event.severity, line);
}

/* Texts that were filled without their NUL are ended here, once for all readers. */
static void event_terminate(struct health_event *event)
{
    event->pool[sizeof(event->pool) - 1] = '\0';
    event->endpoint[sizeof(event->endpoint) - 1] = '\0';
    event->address[sizeof(event->address) - 1] = '\0';
    event->from[sizeof(event->from) - 1] = '\0';
    event->to[sizeof(event->to) - 1] = '\0';
    event->why[sizeof(event->why) - 1] = '\0';
    event->next[sizeof(event->next) - 1] = '\0';
}

void events_add_at(struct events *events, const struct health_event *event, uint64_t wall_us,
                   uint64_t now_us)
{
    struct note note = {.event = *event};
    bool passes;

    event_terminate(&note.event);
    note.event.wall_us = wall_us;
    pthread_mutex_lock(&events->mutex);
    note.event.id = ++events->last_id;
    events->ring[note.event.id % events->capacity] = note.event;
    if ((unsigned)event->type < EVENT_TYPE_COUNT)
        events->counts[event->type]++;
    passes = pass_locked(events, &note.event, now_us, &note.held);
    pthread_mutex_unlock(&events->mutex);
    if (passes)
        note_write(events, &note);
}

void events_add(struct events *events, const struct health_event *event)
{
    events_add_at(events, event, clock_wall_us(), clock_monotonic_us());
}

static const struct health_event *event_find_locked(const struct events *events, uint64_t id)
{
    const struct health_event *event = &events->ring[id % events->capacity];

    return event->id == id ? event : NULL;
}

/* The next endpoint, from *place on, whose latest held-back line is due. */
static bool note_take_locked(struct events *events, unsigned *place, uint64_t now_us,
                             struct note *ret_note, uint64_t *next_us)
{
    for (; *place < QUIET_PLACES && events->holding > 0; (*place)++) {
        struct quiet *quiet = &events->quiet[*place];
        const struct health_event *event;

        if (quiet->held == 0)
            continue;
        if (now_us < quiet->next_us) {
            if (*next_us == 0 || quiet->next_us < *next_us)
                *next_us = quiet->next_us;
            continue;
        }
        event = event_find_locked(events, quiet->last_id);
        if (event != NULL)
            *ret_note = (struct note){.event = *event, .held = quiet->held - 1};
        quiet_release_locked(events, quiet);
        quiet->next_us = now_us + QUIET_US;
        if (event != NULL)
            return true;
    }
    return false;
}

/* Returns when it is due; 0: nothing is held back, or was told now. */
static uint64_t crowd_keep(struct events *events, uint64_t now_us)
{
    unsigned held = 0;
    uint64_t due_us = 0;
    char line[96];

    pthread_mutex_lock(&events->mutex);
    if (events->crowd.held > 0 && now_us >= events->crowd.until_us) {
        held = events->crowd.held;
        events->crowd.held = 0;
    } else if (events->crowd.held > 0) {
        due_us = events->crowd.until_us;
    }
    pthread_mutex_unlock(&events->mutex);
    if (held > 0) {
        snprintf(line, sizeof(line),
                 "%u more endpoints came, changed or went: the events name them", held);
        events->log(events->log_arg, EVENT_INFO, line);
    }
    return due_us;
}

uint64_t events_keep(struct events *events, uint64_t now_us)
{
    uint64_t next_us = crowd_keep(events, now_us);
    unsigned place = 0;
    struct note note;
    bool found;

    do {
        pthread_mutex_lock(&events->mutex);
        found = note_take_locked(events, &place, now_us, &note, &next_us);
        pthread_mutex_unlock(&events->mutex);
        if (found)
            note_write(events, &note);
    } while (found);
    return next_us;
}

size_t events_read(struct events *events, uint64_t since, struct health_event *out, size_t max)
{
    uint64_t oldest, id;
    size_t count = 0;

    pthread_mutex_lock(&events->mutex);
    oldest = events->last_id > events->capacity ? events->last_id - events->capacity : 0;
    for (id = (since > oldest ? since : oldest) + 1; id <= events->last_id && count < max; id++)
        out[count++] = events->ring[id % events->capacity];
    pthread_mutex_unlock(&events->mutex);
    return count;
}

uint64_t events_last_id(struct events *events)
{
    uint64_t id;

    pthread_mutex_lock(&events->mutex);
    id = events->last_id;
    pthread_mutex_unlock(&events->mutex);
    return id;
}

uint64_t events_count(struct events *events, enum event_type type)
{
    uint64_t count;

    if ((unsigned)type >= EVENT_TYPE_COUNT)
        return 0;
    pthread_mutex_lock(&events->mutex);
    count = events->counts[type];
    pthread_mutex_unlock(&events->mutex);
    return count;
}
