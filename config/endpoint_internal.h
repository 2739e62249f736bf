/* A backend as the management API writes it. Insiders of config/ only. */
#ifndef EVERGATE_CONFIG_ENDPOINT_INTERNAL_H
#define EVERGATE_CONFIG_ENDPOINT_INTERNAL_H

#include "config/backend_internal.h"

/* What was said of an endpoint; only the members whose keys stand in its JSON mean anything. */
struct config_endpoint {
    struct config_backend backend; /* first: the shared keys' place */
    const char *id;                /* NULL: not said */
    const char *address;           /* as written, with or without a port */
    unsigned port;                 /* 0: not said */
};

/* Reads what `fields` says, into `arena`; no defaults. False after adding mistakes to `diag`. */
bool config_endpoint_read(struct config_endpoint *ret_said, const json_t *fields,
                          struct arena *arena, struct config_diag *diag);

/* A backend of which nothing was said: all defaults, and no address. */
void config_endpoint_defaults(struct config_backend *ret_backend, struct arena *arena);

/* Lays what was said over a backend; strings are shared with both. False after adding mistakes that
 * only the two together show. */
bool config_endpoint_lay(struct config_backend *backend, const struct config_endpoint *said,
                         const json_t *fields, struct arena *arena, struct config_diag *diag);

/* Before `patch` is merged into `target`: of an address and a port that were said one after the
 * other, the later one stands. */
void config_endpoint_settle_port(json_t *target, const json_t *patch);

/* Keys that the API shows and does not take: a client may send back what it got. */
bool config_endpoint_is_read_only(const char *key);

#endif
