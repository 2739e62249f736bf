/*
 * Who an endpoint must prove to be, as its connections hold it.
 *
 *   connection ─┐
 *   connection ─┼─► identity: server name, ticket
 *   endpoint ───┘
 *
 * A ticket is only as good as the TLS context that verified it, and a session that is resumed is
 * not verified again (net/tls.h). So a change of TLS gives the endpoint another identity, and what
 * a connection from before receives still goes to the one that it was made with, which is never
 * used for a new connection. That the two differ tells such a connection from the others, too.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "upstream/backend.h"
#include "upstream/upstream_internal.h"

struct upstream_identity *upstream_identity_new(const struct config_pool *config,
                                                const struct upstream_endpoint *endpoint)
{
    const struct config_backend backend = {.host = endpoint->host, .address = endpoint->address};
    struct upstream_identity *identity = xcalloc(1, sizeof(*identity));

    identity->refs = 1;
    identity->server_name = upstream_backend_server_name(config, &backend);
    return identity;
}

struct upstream_identity *upstream_identity_ref(struct upstream_identity *identity)
{
    identity->refs++;
    return identity;
}

void upstream_identity_unref(struct upstream_identity *identity)
{
    if (--identity->refs > 0)
        return;
    tls_resume_slot_clear(&identity->resume_slot);
    free(identity->server_name);
    free(identity);
}
