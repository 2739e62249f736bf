/*
 * A stream of JSON objects, cut into pieces at any byte: the watches of Kubernetes and of etcd's
 * gateway. White space between them is not minded; a text of more than `max_bytes`, or what is no
 * object, ends it. Pure.
 */
#ifndef EVERGATE_DISCOVERY_JSON_LINES_H
#define EVERGATE_DISCOVERY_JSON_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/bytes.h"

struct json_lines {
    struct bytes kept; /* the beginning of a text */
    size_t max_bytes;
    unsigned depth; /* brackets open */
    bool in_string, escaped;
};

void json_lines_init(struct json_lines *lines, size_t max_bytes);
void json_lines_fini(struct json_lines *lines);

/*
 * Takes bytes of `p[0..n)` up to the end of the next text; *ret_used of them. EG_OK and *ret_json
 * (the caller's reference): call again with the rest. EG_E_AGAIN: all were taken, and no text is
 * complete. EG_E_OVERLOAD: it is too large; EG_E_INTERNAL: no JSON.
 */
int json_lines_next(struct json_lines *lines, const char *p, size_t n, size_t *ret_used,
                    json_t **ret_json) WARN_UNUSED;

#endif
