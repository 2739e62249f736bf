/*
 * Why a route takes a request or leaves it to the next one: for people. Asks what router_match
 * asks. Pure.
 */
#ifndef EVERGATE_PROXY_ROUTER_EXPLAIN_H
#define EVERGATE_PROXY_ROUTER_EXPLAIN_H

#include "base/arena.h"
#include "config/config.h"
#include "http/head.h"

/* In the order in which a route's conditions are looked at: the first that fails counts. */
enum router_verdict {
    ROUTER_TAKES_IT,
    ROUTER_OTHER_LISTENER,
    ROUTER_OTHER_HOST,
    ROUTER_OTHER_PATH,
    ROUTER_OTHER_HEADER,
    ROUTER_OTHER_METHOD, /* all else fits: without a later route that takes it, 405 */
};
const char *
router_verdict_name(enum router_verdict verdict); /* "matches", "listener", "host", ... */

struct router_explanation {
    enum router_verdict verdict;
    struct slice why; /* "the path "/x" does not begin with "/v1""; in `arena`, with a NUL */
};

/* `listener` and `path` as for router_match. */
struct router_explanation router_explain(const struct config_route *route, const char *listener,
                                         const struct http_request_head *head, struct slice path,
                                         struct arena *arena);

#endif
