/*
 * Answers that evergate gives by itself: errors (the contract's section 3), a route's redirect and
 * respond. They go through the exchange's sink like any other answer.
 */
#ifndef EVERGATE_PROXY_OWN_ANSWER_H
#define EVERGATE_PROXY_OWN_ANSWER_H

#include "base/slice.h"

struct exchange;
struct config_fallback;
struct config_route;

/* Each calls the sink's head, data and nothing more: the caller ends the exchange. */

/* The error of the table with its status, X-Evergate-Error and a body in JSON where the client
 * accepts that, else plain text. */
void own_answer_error(struct exchange *x, int code);
/* The fallback's file, marked as what it is: X-Evergate-Error and Retry-After as for `code`. */
void own_answer_file(struct exchange *x, const struct config_fallback *fallback, int code);
void own_answer_redirect(struct exchange *x, const struct config_route *route);
void own_answer_respond(struct exchange *x, const struct config_route *route);

#endif
