/*
 * Which variant of a resource an answer is: RFC 9111 section 4.1. Insiders only.
 *
 * An answer's Vary and the request that it answered make a signature, kept with the answer: a line
 * per named field, "name=value\n", or "name\n" where the request had none. No header value can hold
 * a line feed. A later request fits when it would have made the same lines.
 *
 * Values are compared after the only changes that never alter what they mean: several fields of a
 * name are joined by commas, and lists that content negotiation knows lose the white space around
 * their commas, and their case where case means nothing.
 */
#ifndef EVERGATE_CACHE_VARY_H
#define EVERGATE_CACHE_VARY_H

#include "http/fields.h"

/* Answers that vary by more are not stored. */
enum { CACHE_VARY_NAMES_MAX = 16 };

/* False when the answer fits no later request: Vary holds "*", something that is no name, or too
 * many of them. */
bool cache_vary_is_usable(const struct http_fields *response);

bool cache_vary_names(const struct http_fields *response, struct slice name);

/* Writes the signature to `out` and returns its size; with NULL only the latter. */
size_t cache_vary_write(char *out, const struct http_fields *response,
                        const struct http_fields *request);

bool cache_vary_matches(struct slice signature, const struct http_fields *request);

#endif
