/* What more than one command prints of a running instance. */
#ifndef EVERGATE_CLI_REMOTE_TABLES_H
#define EVERGATE_CLI_REMOTE_TABLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/table.h"

/* `status` of GET /api/v1/status: a line. */
void remote_print_state(const json_t *status, FILE *out, bool colours);

/* `answer` of GET /api/v1/pools. */
void remote_print_pools(const json_t *answer, FILE *out, bool colours);

/* An array of endpoints' objects: a table, and a sentence for each that is not well. */
void remote_print_endpoints(const json_t *endpoints, FILE *out, bool colours);

/* An array of sources' objects, GET /api/v1/providers: a table, and a sentence for each that is not
 * well. */
void remote_print_providers(const json_t *sources, FILE *out, bool colours);
/* What is the matter with one of them: "failing for 3 m: connection refused; ...". Heap. */
char *remote_source_trouble(const json_t *source);

/* `answer` of GET /api/v1/events: a line each. */
void remote_print_events(const json_t *answer, FILE *out, bool colours);

/* Does an endpoint serve as it should? Then there is nothing to be said about it. */
bool remote_is_well(const json_t *endpoint);
const char *remote_breaker_state(const json_t *endpoint);
enum cli_colour remote_status_colour(const char *status);

/* Cells: an endpoint's status and breaker (two); a latency in seconds, perhaps null; a count. */
void table_add_state(struct table *table, const json_t *endpoint);
void table_add_latency(struct table *table, const json_t *object, const char *key);
void table_add_count(struct table *table, const json_t *object, const char *key);

#endif
