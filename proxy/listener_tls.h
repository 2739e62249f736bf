/* The TLS of a listener, as each worker has it and as a rehearsal tries it (server_config.h). */
#ifndef EVERGATE_PROXY_LISTENER_TLS_H
#define EVERGATE_PROXY_LISTENER_TLS_H

#include "config/config.h"
#include "net/tls.h"

/* Reads the certificates. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap) that names the
 * file. Any thread. */
int listener_tls_new(struct tls_context **ret_context, const struct config_listener_tls *config,
                     char **ret_why) WARN_UNUSED;

#endif
