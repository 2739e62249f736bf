/*
 * One entry of Consul's answer as an endpoint, but for its id, which depends on the others
 * (consul_answer.c). Pure.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_FIELDS_H
#define EVERGATE_DISCOVERY_CONSUL_FIELDS_H

#include <jansson.h>

enum { CONSUL_FIELDS_WHY_BYTES = 160 };

/* The caller's reference; NULL: it is nonsense, and `why` says in what. */
json_t *consul_fields_read(const json_t *entry, char why[CONSUL_FIELDS_WHY_BYTES]);

#endif
