/* What was given on the command line as members of the API's objects. Pure. */
#ifndef EVERGATE_CLI_FIELDS_H
#define EVERGATE_CLI_FIELDS_H

#include <jansson.h>

#include "cli/cli_internal.h"

/* The endpoint's settings that were given: {"weight": 3, "tags": ["blue"]}. A new reference. */
json_t *fields_object(const struct cli_options *options);

/* The headers that were given, as an object; one that was given again has a list. A new reference.
 */
json_t *fields_headers(const struct cli_options *options);

/* Text of any bytes: what is not UTF-8 becomes U+FFFD. */
void fields_set_text(json_t *object, const char *key, const char *text);

/* A policy's member by its dotted key, "retry.attempts"; NULL: there is none. Borrowed. */
json_t *fields_at(const json_t *policy, const char *key);

/*
 * Merges "retry.attempts=3" into `patch` as {"retry": {"attempts": 3}}. What kind of value it is,
 * is told by what stands there in `policy` now: a number, text, a list with commas; where nothing
 * does, by what it looks like. Nothing behind the '=' is null: the key goes back to the file.
 * False: it is no KEY=VALUE.
 */
bool fields_merge(json_t *patch, const json_t *policy, const char *assignment);

/* Calls `each` with every member that is no object, by its dotted key. */
typedef void (*fields_cb)(void *arg, const char *key, const json_t *value);
void fields_each(const json_t *object, fields_cb each, void *arg);

/* A value as people write it: a list with commas, text without quotes, "-" for null. Heap. */
char *fields_value_text(const json_t *value);

#endif
