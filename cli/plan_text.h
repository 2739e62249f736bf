/* A plan as text: what would change, or has changed. */
#ifndef EVERGATE_CLI_PLAN_TEXT_H
#define EVERGATE_CLI_PLAN_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * `answer` of POST /api/v1/plan (`done` is NULL), or of what was done, and the word for that
 * ("Reloaded"):
 *
 *   + endpoint api/c      10.0.0.3:80
 *   - listener old        127.0.0.1:8081
 *   ~ pool     api        retry: attempts 2 -> 3
 *
 *   kept     2 listeners, 3 routes, 1 pool, 4 endpoints
 *   closing  12 connections of clients, on listeners that go
 *   risk     high: listener "old" goes
 */
void plan_print(const json_t *answer, const char *done, FILE *out, bool colours);

#endif
