/*
 * A request that somebody asks about, without sending it:
 *
 *   {"listener": "edge", "client_ip": "203.0.113.9", "method": "GET", "host": "api.example.com",
 *    "path": "/v1/things?x=1", "headers": {"x-canary": "1", "accept": ["text/html", "text/plain"]}}
 *
 * It is written out and judged by the same guard that real requests meet, so that the answer is
 * about what the proxy would see. Pure.
 */
#ifndef EVERGATE_ADMIN_ADMIN_QUESTION_H
#define EVERGATE_ADMIN_ADMIN_QUESTION_H

#include <jansson.h>

#include "base/arena.h"
#include "http/head.h"

struct admin_question {
    struct arena arena; /* owns all of it */
    struct http_request_head head;
    struct slice path;        /* normalised, for matching */
    struct slice client_host; /* as the proxy writes addresses; default "127.0.0.1" */
    const char *listener;     /* NULL: not said */
};

/* All keys may be missing: GET, "/", no host, no headers. `with_listener`: that key is known. 0 or
 * EG_E_INTERNAL with a sentence in *ret_why (heap); then there is nothing to fini. */
int admin_question_read(struct admin_question *question, const json_t *object, bool with_listener,
                        const struct http_limits *limits, char **ret_why) WARN_UNUSED;
void admin_question_fini(struct admin_question *question);

#endif
