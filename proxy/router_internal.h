/* What a route asks of a request, one condition after the other: for choosing one (router.c) and
 * for telling why one was not chosen (router_explain.c). Pure. */
#ifndef EVERGATE_PROXY_ROUTER_INTERNAL_H
#define EVERGATE_PROXY_ROUTER_INTERNAL_H

#include "proxy/router.h"
#include "proxy/router_explain.h"

/* "Example.COM:8080" and "example.com." are the host example.com; "[::1]:80" is [::1]. */
struct slice router_host(struct slice authority);

/* `host` as router_host has it, `path` normalised. */
enum router_verdict router_judge(const struct config_route *route, const char *listener,
                                 const struct http_request_head *head, struct slice host,
                                 struct slice path, struct arena *arena);

/* The first that the route asks for and the request has not, or not with that value; NULL: none. */
const struct http_header_edit *router_missing_header(const struct config_route *route,
                                                     const struct http_fields *fields);

#endif
