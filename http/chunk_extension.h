/*
 * Chunk extensions (RFC 9112 section 7.1.1): read only to be sure where they end, then dropped.
 *
 *   chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
 *
 * White space straight after the size, before the first ";", is refused although BWS would allow
 * it: "5 ;x" and "5 x" are where chunk parsers disagree. Insiders only.
 */
#ifndef EVERGATE_HTTP_CHUNK_EXTENSION_H
#define EVERGATE_HTTP_CHUNK_EXTENSION_H

#include <stdbool.h>

enum http_chunk_extension {
    HTTP_CHUNK_EXTENSION_BEFORE_NAME, /* behind ";" */
    HTTP_CHUNK_EXTENSION_NAME,
    HTTP_CHUNK_EXTENSION_AFTER_NAME, /* white space behind the name */
    HTTP_CHUNK_EXTENSION_BEFORE_VALUE,
    HTTP_CHUNK_EXTENSION_TOKEN,
    HTTP_CHUNK_EXTENSION_QUOTED,
    HTTP_CHUNK_EXTENSION_QUOTED_PAIR,
    HTTP_CHUNK_EXTENSION_CLOSED,      /* behind the closing quote */
    HTTP_CHUNK_EXTENSION_AFTER_VALUE, /* white space behind the value */
    HTTP_CHUNK_EXTENSION_WRONG,
};

/* The state after `c`, which is not CR. */
enum http_chunk_extension http_chunk_extension_next(enum http_chunk_extension state, char c);

/* May the line end here? */
bool http_chunk_extension_may_end(enum http_chunk_extension state);

#endif
