/* The text of a file of endpoints: JSON, or libconfig as in evergate's own configuration. Pure. */
#ifndef EVERGATE_DISCOVERY_FILE_PARSE_H
#define EVERGATE_DISCOVERY_FILE_PARSE_H

#include <jansson.h>

#include "base/slice.h"

enum { FILE_PARSE_WHY_BYTES = 200 };

/*
 * The array of endpoints (the caller's reference): a JSON array, what stands at "endpoints" in a
 * JSON object, or in libconfig `endpoints = ( {...}, {...} );`. What the entries hold is not
 * looked at. NULL: the text is neither, with a sentence in `why`. `text` has a NUL behind its end.
 */
json_t *file_parse(struct slice text, char why[FILE_PARSE_WHY_BYTES]);

#endif
