/*
 * Which route a request takes. First match wins, in the file's order. Pure.
 */
#ifndef EVERGATE_PROXY_ROUTER_H
#define EVERGATE_PROXY_ROUTER_H

#include "base/arena.h"
#include "config/config.h"
#include "http/head.h"

/*
 * RFC 3986 section 6.2.2: percent-encoded unreserved characters decoded, hexadecimal digits upper
 * case, dot segments removed; the query is cut off. This is the form that routes are matched
 * against, so that
 * "/public/../admin" and "/%61dmin" meet the same route as "/admin". `path` itself where it is in
 * that form.
 */
struct slice route_path_normalise(struct slice path, struct arena *arena);

struct router_result {
    const struct config_route *route; /* NULL: see `allow_count` */
    /* Routes that would have matched with another method: 405 and their methods, else 404. */
    const struct config_route *method_mismatch;
};

/* `listener` is the name of the one that the request came by; `path` normalised; `arena` for the
 * copy that a regular expression needs. The host is the authority as it came: port and case do not
 * matter. */
struct router_result router_match(const struct config *config, const char *listener,
                                  const struct http_request_head *head, struct slice path,
                                  struct arena *arena);

/* The path to send: the matched prefix replaced by route->rewrite_prefix, query kept; head->path
 * as it came where the route does not rewrite. */
struct slice router_rewrite(const struct config_route *route, const struct http_request_head *head,
                            struct slice path, struct arena *arena);

/* Which of the route's weighted pools, by a random number. Index into config->pools. */
unsigned router_pick_pool(const struct config_route *route, uint64_t random);

#endif
