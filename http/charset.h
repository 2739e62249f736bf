/*
 * Character classes of HTTP's grammar, one table look-up each: every parser of this folder asks
 * here, so that two of them cannot draw a line differently.
 */
#ifndef EVERGATE_HTTP_CHARSET_H
#define EVERGATE_HTTP_CHARSET_H

#include <stdbool.h>

enum http_char_class {
    HTTP_CHAR_TOKEN = 1,       /* tchar, RFC 9110 section 5.6.2 */
    HTTP_CHAR_TARGET = 2,      /* what is tolerated in a request target, see http/target.c */
    HTTP_CHAR_HOST = 4,        /* reg-name without pct-encoded and comma, see http/target.c */
    HTTP_CHAR_HEX = 8,         /* HEXDIG, both cases */
    HTTP_CHAR_DIGIT = 16,      /* DIGIT */
    HTTP_CHAR_REQUEST_ID = 32, /* http_request_id_valid */
};

extern const unsigned char http_char_classes[256];

static inline bool http_char_is(char c, enum http_char_class cls)
{
    return http_char_classes[(unsigned char)c] & cls;
}

#endif
