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
 * An ID is unique on its agent only. It is an endpoint's id as it stands, unless it is the
 * service's name, which is what an agent takes when it was told none, or two entries have the same:
 * then it is "NODE:ID". That does not depend on the order of the answer.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_ANSWER_H
#define EVERGATE_DISCOVERY_CONSUL_ANSWER_H

#include <jansson.h>

/* What cannot be said as an endpoint was left out; `why` is valid during the call only. */
typedef void (*consul_refused_cb)(void *arg, const char *why);

/* An array of endpoint objects, the caller's reference; NULL: `answer` is no array. Whether the
 * values make sense (a weight of a million) is for config_found_new to say. */
json_t *consul_answer_read(const json_t *answer, consul_refused_cb refused, void *arg);

/* `text` as an id of an endpoint (heap): as it stands, if it may be one. Else what may not stand in
 * an id is a "_", too much is cut, and a sum of the whole at the end tells it from its like. */
char *consul_answer_id(const char *text);

#endif
