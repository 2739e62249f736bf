/* GET /api/v1/providers: the sources of endpoints, an object each. */
#include "admin/admin_internal.h"
#include "discovery/discovery.h"

void admin_providers(struct admin_call *call)
{
    struct discovery *discovery = call->server->discovery;

    admin_reply_json(call->request, 200,
                     discovery != NULL ? discovery_json(discovery) : json_array());
}
