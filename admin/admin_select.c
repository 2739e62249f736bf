/* POST /api/v1/pools/{pool}/select: which endpoint a request would get. Asks; sends nothing. */
#include <stdlib.h>

#include "admin/admin_body.h"
#include "admin/admin_choice.h"
#include "admin/admin_internal.h"

enum { SELECT_HEAD_BYTES = 32 * 1024, SELECT_FIELDS = 100 }; /* a listener's defaults */

void admin_select(struct admin_call *call)
{
    static const struct http_limits limits = {SELECT_HEAD_BYTES, SELECT_FIELDS};
    struct admin_question question;
    struct admin_target pool;
    char *why = NULL;
    json_t *body, *object;

    if (!admin_call_pool(call, &pool) || !admin_body_optional(call, &body))
        return;
    if (admin_question_read(&question, body, false, &limits, &why) == EG_OK) {
        object = admin_choice_object(call->server, &pool, &question);
        admin_json_set_text(object, "pool", pool.config->name);
        admin_reply_json(call->request, 200, object);
        admin_question_fini(&question);
    } else {
        admin_reply_error(call->request, 422, "validation", "%s", why);
    }
    json_decref(body);
    free(why);
}
