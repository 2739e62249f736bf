/* Where a request would go, told as a story. */
#ifndef EVERGATE_CLI_EXPLAIN_TEXT_H
#define EVERGATE_CLI_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * `request` as it was asked about, `answer` of POST /api/v1/explain: the listener, the route with
 * those that passed it over, the pool, the endpoint with all candidates, the policies with where
 * they were written; or what evergate answers by itself.
 */
void explain_print(const json_t *request, const json_t *answer, FILE *out, bool colours);

#endif
