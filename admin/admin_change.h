/*
 * Changes that management asks the server for, and how what became of them is answered. The
 * management thread waits until every worker serves the change; it holds no lock meanwhile.
 */
#ifndef EVERGATE_ADMIN_ADMIN_CHANGE_H
#define EVERGATE_ADMIN_ADMIN_CHANGE_H

#include "admin/admin_call.h"
#include "proxy/server_change.h"

/*
 * Answers a change that was not made: `status`, if given, with its one reason; 422 with all
 * mistakes; 503 while the server stops. True when it was made.
 *
 *   {"error":{"type","message","details":[{"file","line","message"},...]}}
 */
bool admin_change_made(struct admin_call *call, const struct server_outcome *outcome, int status);

/* The pool of that name in what is served; NULL: there is none. */
const struct config_pool *admin_config_pool(const struct config *config, const char *name);

/* Why no more can be said over the API (heap): a 409. */
char *admin_change_limit(void);

/* As part of the answer to a change that was made: why it will not survive a restart, if so. */
void admin_change_note(json_t *object, const struct server_outcome *outcome);

/* {"generation","changed","plan","kept","risk","closing","draining"}: a new reference. */
json_t *admin_change_object(const struct server_outcome *outcome);

#endif
