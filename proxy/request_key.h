/*
 * What of a request decides where it belongs: the key that a pool hashes, the cookie of a session.
 * Pure; slices point into the request or into `client_host`.
 */
#ifndef EVERGATE_PROXY_REQUEST_KEY_H
#define EVERGATE_PROXY_REQUEST_KEY_H

#include "config/config.h"
#include "http/head.h"

/* Does the pool's algorithm hash at all? */
bool request_key_matters(const struct config_pool *pool);

/* What the hashing algorithms hash. A request without the header or cookie falls back to the
 * client's address: better a stable choice by address than all such requests on one endpoint. */
struct slice request_key_of(const struct config_pool *pool, const struct http_request_head *head,
                            struct slice client_host);

/* The value of one cookie; empty when it is not there. */
struct slice request_cookie(const struct http_fields *fields, struct slice name);

#endif
