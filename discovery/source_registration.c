/* This proxy's own service in a source: how it stands with it, told once per change. */
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "discovery/source.h"

static const char *const registration_states[] = {
    [SOURCE_REGISTERING] = "registering",
    [SOURCE_REGISTERED] = "registered",
    [SOURCE_UNREGISTERED] = "failing",
    [SOURCE_TAKEN_BACK] = "taken back",
};

/* ---- its event ---- */

static void registration_tell(const struct discovery_source *source, uint64_t delay_ms)
{
    const struct source_own *own = &source->own;
    bool failing = own->state == SOURCE_UNREGISTERED;
    char why[SOURCE_ERROR_BYTES + 160], next[64] = "";
    struct discovery_event event = {
        .what = failing ? DISCOVERY_UNREGISTERED : DISCOVERY_REGISTERED, .why = why, .next = next};

    snprintf(why, sizeof(why), "this proxy's service \"%s\"%s%s", source->block->registration->id,
             failing ? ": " : "", failing ? own->last_error : "");
    if (failing)
        snprintf(next, sizeof(next), "next try in %.1f s", (double)delay_ms / 1000);
    source_tell(source, &event);
}

/* ---- what the provider says ---- */

static void own_error(struct source_own *own, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void own_error(struct source_own *own, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    source_text(own->last_error, format, args);
    va_end(args);
    own->failed_wall_us = clock_wall_us();
}

void source_registration(struct discovery_source *source, enum source_registration state,
                         uint64_t delay_ms, const char *why)
{
    struct source_own *own = &source->own;
    bool changed = own->state != state;

    CHECK(source->block->registration != NULL);
    pthread_mutex_lock(&source->context->lock);
    own->state = state;
    if (changed)
        own->since_wall_us = clock_wall_us();
    if (why != NULL)
        own_error(own, "%s", why);
    pthread_mutex_unlock(&source->context->lock);
    if (changed && state != SOURCE_TAKEN_BACK)
        registration_tell(source, delay_ms);
}

/* ---- JSON ---- */

json_t *source_registration_json_locked(const struct discovery_source *source)
{
    const struct config_registration *registration = source->block->registration;
    const struct source_own *own = &source->own;
    bool failed = own->failed_wall_us != 0;
    json_t *object;

    if (registration == NULL)
        return json_null();
    object =
        json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", registration->id, "state",
                  registration_states[own->state], "since", source_time_json(own->since_wall_us),
                  "last_error", failed ? json_string(own->last_error) : json_null(),
                  "last_error_at", source_time_json(own->failed_wall_us));
    CHECK(object != NULL);
    return object;
}
