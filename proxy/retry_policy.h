/*
 * May a failed attempt be repeated, and when? Pure code: facts in, a verdict out. The caller asks
 * the budget where the verdict costs it, picks the endpoint and keeps the timer.
 *
 *   failed before a byte was sent  at once elsewhere, whatever the method (RFC 9110 section 9.2.2:
 *                                  the backend cannot have seen it); up to RETRY_UNSENT_MAX times;
 *                                  neither counted as an attempt nor charged to the budget
 *   failed after that              idempotent only (or retry.non_idempotent), body kept whole,
 *                                  attempts left; after a backoff with full jitter; charged
 *   a byte of an answer went out   never
 *
 * "Sent" means that the backend may have seen a byte of it, not that it did.
 */
#ifndef EVERGATE_PROXY_RETRY_POLICY_H
#define EVERGATE_PROXY_RETRY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct config_retry;

/* Bounds the walk through a large pool of which nothing listens any more. */
enum { RETRY_UNSENT_MAX = 16 };

struct retry_question {
    const struct config_retry *policy;
    int error;       /* EG_E_*; 0: the backend answered, with `status` */
    int status;      /* 0 with an error */
    bool sent;       /* a byte may have reached the backend; an answer implies it */
    bool idempotent; /* http_request_is_idempotent */
    bool head_sent;  /* the client has a part of an answer */
    bool replayable; /* no byte of the body is lost: none came, or all that came is kept */
    unsigned attempts_sent, attempts_unsent; /* so far, this one included */
    uint64_t elapsed_ms, deadline_ms; /* since the request came; the route's limit, 0: none */
    int64_t retry_after_s;            /* of a 503 or 429, see retry_after_parse; -1: none */
    uint64_t random;
};

enum retry_what { RETRY_NO, RETRY_NOW, RETRY_AFTER };

struct retry_answer {
    enum retry_what what;
    uint64_t after_ms;   /* RETRY_AFTER: at least 1 */
    const char *why_not; /* RETRY_NO: static text for the log, else NULL */
    bool costs_budget;
};

/* On another endpoint. Its Retry-After speaks for the endpoint that sent it only, so it does not
 * matter here. */
struct retry_answer retry_elsewhere(const struct retry_question *q);

/* On the endpoint that just failed, because there is no other. It is given the backoff even where
 * nothing was sent, such a repetition counts and costs like any other, and Retry-After is obeyed:
 * longer than max_backoff means no. Only for what may be over soon: a refused connection, a reset,
 * a status; not for a time limit, a wrong certificate or garbage. */
struct retry_answer retry_same_endpoint(const struct retry_question *q);

/* Retry-After, RFC 9110 section 10.2.3: seconds or a date. True and the seconds from now on, at
 * least 0 and at most INT32_MAX; else untouched. */
bool retry_after_parse(struct slice value, int64_t wall_s, int64_t *ret_delay_s);

#endif
