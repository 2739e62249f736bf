/*
 * Who a backend must prove to be: what TLS to it needs, for the traffic (cluster.c) and for the
 * active checks (checks/) alike. A check that trusted another certificate than the traffic does
 * would call an endpoint healthy that cannot serve, or the reverse.
 */
#ifndef EVERGATE_UPSTREAM_BACKEND_H
#define EVERGATE_UPSTREAM_BACKEND_H

#include "config/config.h"
#include "net/tls.h"

/* The client context of a `tls` section; *ret_context stays NULL where there is none (NULL). `alpn`
 * is NULL-terminated, or NULL: none. 0 or an error with a sentence in *ret_why (heap). */
int upstream_backend_tls_new(struct tls_context **ret_context, const struct config_pool_tls *tls,
                             const char *const *alpn, char **ret_why) WARN_UNUSED;

/* The name to send and verify (of `backend` only host and address are looked at): the configured
 * one, else the one the backend was found by, be that a name or a numeric address. NULL where there
 * is none: without TLS, and for a Unix socket. Heap. */
char *upstream_backend_server_name(const struct config_pool *config,
                                   const struct config_backend *backend);

#endif
