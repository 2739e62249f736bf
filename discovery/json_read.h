/*
 * What a source sends as JSON. Pure.
 */
#ifndef EVERGATE_DISCOVERY_JSON_READ_H
#define EVERGATE_DISCOVERY_JSON_READ_H

#include <jansson.h>

/*
 * One JSON text; NULL: it is none. NUL characters in its strings (\u0000) are U+FFFD: a C string
 * cannot hold them, and one of them, in the output of somebody's check perhaps, is no reason to
 * refuse the whole answer. The caller's reference.
 */
json_t *json_read(const char *p, size_t n);

#endif
