/*
 * RESP, the protocol of Redis (version 2), as far as a check needs it. Pure.
 *
 *   +text\r\n  -error\r\n  :number\r\n  $size\r\nbytes\r\n  *count\r\n elements...
 *
 * A reply is first measured, which proves that it is complete and well-formed, and then taken apart
 * element by element: an array is its count, and its elements are the next ones. So there is no
 * tree to build, nothing to free and no recursion for a stranger to exhaust.
 */
#ifndef EVERGATE_CHECKS_RESP_H
#define EVERGATE_CHECKS_RESP_H

#include "base/error.h"
#include "base/slice.h"

enum {
    RESP_REPLY_BYTES = 16 * 1024, /* a longer reply is refused */
    RESP_ELEMENTS = 1024,         /* likewise; a primary tells three for each of its replicas */
};

enum resp_type {
    RESP_STRING, /* +text, $size: of both only the text matters */
    RESP_ERROR,
    RESP_NUMBER,
    RESP_ARRAY,
    RESP_NULL, /* $-1, *-1 */
};

struct resp_element {
    enum resp_type type;
    struct slice text; /* of a string or an error, within the reply's own bytes */
    long long number;  /* the number, or the array's count */
};

/* 0 and the size of the first reply in `data`; EG_E_AGAIN while it is not complete;
 * EG_E_UPSTREAM_PROTOCOL when it is no RESP or over the limits. */
int resp_measure(struct slice data, size_t *ret_size) WARN_UNUSED;

/* Takes the next element off `reply`, which has been measured. False when there is none left. */
bool resp_take(struct slice *reply, struct resp_element *ret_element);

/* Writes a command of `count` words as an array of strings; its size, also when that is more than
 * `capacity` and nothing useful was written. */
size_t resp_write_command(char *out, size_t capacity, const struct slice *words, size_t count);

#endif
