/*
 * What Consul's health endpoint says of a service (GET /v1/health/service/NAME: an array of
 * {"Node", "Service", "Checks"}), as endpoints. Pure.
 *
 *   Service.ID, or Node and it ──► id          Node.Node ──► name
 *   Service.Address and Port, or SocketPath ─► address
 *   Service.Weights, by the health ──► weight  Service.Tags, Meta ──► tags, metadata
 *   Locality, Node.Datacenter ──► region, zone
 *   the worst of Checks ──► reported; maintenance ──► draining
 *
 * Ids are consul_names.h's to choose: they depend on the answers before.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_ANSWER_H
#define EVERGATE_DISCOVERY_CONSUL_ANSWER_H

#include <jansson.h>

#include "discovery/consul_names.h"

/* What cannot be said as an endpoint was left out; `why` is valid during the call only. */
typedef void (*consul_refused_cb)(void *arg, const char *why);

/* An array of endpoint objects, the caller's reference; NULL: `answer` is no array. `names` are
 * those of the answer before, and then of this one. Whether the values make sense (a weight of a
 * million) is for config_found_new to say. */
json_t *consul_answer_read(const json_t *answer, struct consul_names *names,
                           consul_refused_cb refused, void *arg);

#endif
