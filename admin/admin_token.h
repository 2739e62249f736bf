/* The token of management, as its file holds it: read by the instance and by the command line. */
#ifndef EVERGATE_ADMIN_ADMIN_TOKEN_H
#define EVERGATE_ADMIN_ADMIN_TOKEN_H

#include "base/error.h"

/* The file's one line, without white space around it. `key` names in the message where the path was
 * given. 0 or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int admin_token_load(char **ret_token, const char *key, const char *path,
                     char **ret_why) WARN_UNUSED;

#endif
