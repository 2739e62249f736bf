/*
 * How services of Consul are called as endpoints, answer after answer. Pure.
 *
 * An ID is unique on its agent only. It is an endpoint's id as it stands, but for
 *
 *   the service's name      "NODE:ID": that is what an agent takes when it was told none
 *   one that others have    the first one keeps it, all others are "NODE:ID"
 *
 * Another id is another endpoint, without the breaker and the latencies of the one before. So a
 * name stays for as long as the service is in the answers: whoever comes with an ID that is taken
 * does not rename the one that has it, and when that leaves, the others do not move up. The first
 * one is whoever was there before; of those that come in one answer, whose CreateIndex is the
 * lowest, so that every process that starts calls them alike. Where that does not tell, all are
 * "NODE:ID".
 *
 * Nothing of it depends on the order of an answer.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_NAMES_H
#define EVERGATE_DISCOVERY_CONSUL_NAMES_H

#include <jansson.h>

/* Of the last answer: {ID: {NODE: whether the ID alone is its name}}. */
struct consul_names {
    json_t *known;
};

void consul_names_init(struct consul_names *names);
void consul_names_fini(struct consul_names *names);

/* Names whom `answer`, an array, brings, and forgets who is not in it. One that is empty changes
 * nothing: for a pool without `allow_empty` the set of before stands. */
void consul_names_take(struct consul_names *names, const json_t *answer);

/* The id (heap) of an entry of that answer; NULL: it has no Service.ID. */
char *consul_names_id(const struct consul_names *names, const json_t *entry);

/* `text` as an id of an endpoint (heap): as it stands, if it may be one. Else what may not stand in
 * an id is a "_", too much is cut, and a sum of the whole at the end tells it from its like. */
char *consul_names_write(const char *text);

#endif
