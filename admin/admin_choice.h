/* Which endpoint of a pool a request would get, and why, as an object: what POST .../select answers
 * and POST /explain ends in. */
#ifndef EVERGATE_ADMIN_ADMIN_CHOICE_H
#define EVERGATE_ADMIN_ADMIN_CHOICE_H

#include "admin/admin_call.h"
#include "admin/admin_question.h"

/* {"endpoint","why","algorithm","hash_key","session","panicking","instead","candidates"}: a new
 * reference. The read lock is held. */
json_t *admin_choice_object(const struct server *server, const struct admin_target *pool,
                            const struct admin_question *question);

#endif
