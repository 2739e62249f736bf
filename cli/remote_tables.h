/* What more than one command prints of a running instance. */
#ifndef EVERGATE_CLI_REMOTE_TABLES_H
#define EVERGATE_CLI_REMOTE_TABLES_H

#include <jansson.h>
#include <stdbool.h>

/* `answer` of GET /api/v1/pools. */
void remote_print_pools(const json_t *answer, bool colours);

/* `answer` of GET /api/v1/events: a line each. */
void remote_print_events(const json_t *answer, bool colours);

#endif
