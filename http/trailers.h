/* Trailer sections (RFC 9112 section 7.1.2): collected, judged like a head's fields, filtered.
 * Insiders only. */
#ifndef EVERGATE_HTTP_TRAILERS_H
#define EVERGATE_HTTP_TRAILERS_H

#include "http/head.h"

struct http_trailers {
    char *text; /* heap: the lines so far */
    size_t size, capacity, position;
    struct http_fields fields; /* into text; allocated when the section is complete */
};

/* Takes of p[0..n) what belongs to the section (*ret_consumed). EG_OK when it is complete,
 * EG_E_AGAIN, or EG_E_BODY_TRAILER. All zero is a valid beginning. */
int http_trailers_read(struct http_trailers *t, const char *p, size_t n,
                       const struct http_limits *limits, size_t *ret_consumed) WARN_UNUSED;
void http_trailers_fini(struct http_trailers *t);

#endif
