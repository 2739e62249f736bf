/*
 * The second opinion: llhttp reads the very same head and must come to the same framing, method,
 * persistence and length. Where it does not, the message is one that some parser would read
 * differently, and it is refused (EG_E_HEAD_SECOND_OPINION).
 */
#ifndef EVERGATE_HTTP_SECOND_OPINION_H
#define EVERGATE_HTTP_SECOND_OPINION_H

#include "http/head.h"

/* p[0..size) is the head that `head` was parsed from. 0 or EG_E_HEAD_SECOND_OPINION. Methods llhttp
 * does not know are shown to it as POST: RFC 9110 lets any token be a method. */
int http_request_second_opinion(const struct http_request_head *head, const char *p,
                                size_t size) WARN_UNUSED;
int http_response_second_opinion(const struct http_response_head *head, const char *p, size_t size,
                                 enum http_method request_method) WARN_UNUSED;

#endif
