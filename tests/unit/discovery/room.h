/* What tests of sources and of the file provider share: a directory, a loop, and a place where
 * sources tell what happens to them. */
#ifndef EVERGATE_TESTS_DISCOVERY_ROOM_H
#define EVERGATE_TESTS_DISCOVERY_ROOM_H

#include "discovery/source.h"
#include "tests/lib/run_until.h"

enum { ROOM_EVENTS = 16 };

struct room {
    char directory[64];
    struct loop loop;
    struct source_context context;
    unsigned changes, settled;
    unsigned event_count;
    struct {
        int what;
        char source[128], pool[32], from[16], to[16], why[400], next[200];
    } events[ROOM_EVENTS];
};

void room_init(struct room *room);
/* Sources must be gone. Removes the directory and what is in it. */
void room_fini(struct room *room);

/* "DIRECTORY/NAME"; valid for the next few calls. */
const char *room_path(const struct room *room, const char *name);
void room_write(const struct room *room, const char *name, const char *text);
/* Beside it, then renamed over it. */
void room_replace(const struct room *room, const char *name, const char *text);
/* As often as wanted: a link that is renamed over the one before. */
void room_link(const struct room *room, const char *target, const char *name);
void room_make(const struct room *room, const char *name);
char *room_read(const struct room *room, const char *name); /* heap; NULL: not there */

/* A pool "api" with this discovery block, and what else is to stand in the file. */
struct config *room_config(const char *block, const char *more);

/* "a b c": the ids of a set; valid until the next call. */
const char *room_ids(const struct config_found *found);

#endif
