/*
 * JSON bodies of requests: one value, as strictly read as it can be, for what two readers could
 * understand differently (a key that is there twice) had better be said again.
 */
#ifndef EVERGATE_ADMIN_ADMIN_BODY_H
#define EVERGATE_ADMIN_ADMIN_BODY_H

#include <jansson.h>

#include "admin/admin_call.h"

enum { ADMIN_BODY_DEPTH = 16 }; /* of objects and lists in each other; what we read needs 4 */

/* Pure. The text's one value, the caller's reference; NULL with a sentence in *ret_why (heap). */
json_t *admin_body_parse(const char *text, size_t n, char **ret_why);

/* Pure. NULL when `object` has no key but `known` (NULL-terminated), else such a key. */
const char *admin_body_unknown(const json_t *object, const char *const *known);

/* These answer the request themselves when they return NULL or false: 400 no JSON, 413, 422 no
 * object. */

/* The body, an object. */
json_t *admin_body_object(struct admin_call *call);
/* The body, an object, or NULL in *ret_object where there is none. */
bool admin_body_optional(struct admin_call *call, json_t **ret_object);
/* The object has no other keys: 422. */
bool admin_body_known(struct admin_call *call, const json_t *object, const char *const *known);
/* There is no body, or one without a key. */
bool admin_body_says_nothing(struct admin_call *call);

#endif
