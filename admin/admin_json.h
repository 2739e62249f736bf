/*
 * JSON of management and of the command line, on jansson: a value is built as a tree and written
 * out. Long lists are written element by element (admin_json_add), so that a pool of thousands is
 * never a tree as a whole.
 *
 * jansson takes UTF-8 only, and refuses the rest by NULL. What is shown here comes from
 * configurations and from peers, so text goes through admin_json_text, which always yields a
 * string. Nothing here returns NULL.
 */
#ifndef EVERGATE_ADMIN_ADMIN_JSON_H
#define EVERGATE_ADMIN_ADMIN_JSON_H

#include <event2/buffer.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Has jansson allocate as we do (base/alloc.h). Before the first thread. */
void admin_json_init(void);

/* What is not UTF-8 becomes U+FFFD. NULL becomes null. */
json_t *admin_json_text(const char *text);

json_t *admin_json_slice(struct slice text); /* likewise */

/* "2026-11-21T10:26:00.123Z" */
json_t *admin_json_time(uint64_t wall_us);

/* Members of an object. */
void admin_json_set(json_t *object, const char *key, json_t *value); /* takes the reference */
void admin_json_set_text(json_t *object, const char *key, const char *text);
void admin_json_set_bool(json_t *object, const char *key, bool value);
void admin_json_set_number(json_t *object, const char *key, uint64_t value);
void admin_json_set_seconds(json_t *object, const char *key, uint64_t us);
void admin_json_set_ms(json_t *object, const char *key, uint64_t ms); /* shown as seconds */

/* Appends `value` in one line without white space; takes the reference. */
void admin_json_add(struct evbuffer *out, json_t *value);

#endif
