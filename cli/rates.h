/* Rates between two answers of the API: what has counted up, by how much a second. Pure. */
#ifndef EVERGATE_CLI_RATES_H
#define EVERGATE_CLI_RATES_H

#include <jansson.h>

/*
 * Adds "requests_per_second" and "errors_per_second" to each pool and endpoint of `pools`, an
 * answer of GET /api/v1/pools, by the one of `seconds` before (NULL: there is none). Both are null
 * for what was not there before, or counts from 0 again.
 */
void rates_add(json_t *pools, const json_t *before, double seconds);

#endif
