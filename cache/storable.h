/* Whether an answer may be stored: RFC 9111 section 3, and what we add to it. Insiders only. */
#ifndef EVERGATE_CACHE_STORABLE_H
#define EVERGATE_CACHE_STORABLE_H

#include "cache/freshness.h"

struct cache_store_question {
    const struct http_request_head *request;
    const struct http_response_head *response;
    const struct cache_control *asked, *control; /* of the request, of the answer */
    const struct cache_freshness *freshness;
    struct slice own_cookie; /* one that the backend does not make answers by; may be empty */
};

/* Why it may not be stored, as static text; NULL: it may. */
const char *cache_storable_objection(const struct cache_store_question *q);

#endif
