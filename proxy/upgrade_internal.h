/* For upgrade.c, the elder's side, and upgrade_heir.c only. */
#ifndef EVERGATE_PROXY_UPGRADE_INTERNAL_H
#define EVERGATE_PROXY_UPGRADE_INTERNAL_H

#include "proxy/upgrade.h"

/* What an elder left, if there is one. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int upgrade_receive(char **ret_why) WARN_UNUSED;

/* Which process we still take over from: it has been told that we serve, and has not let go. 0:
 * none. */
int upgrade_elder(void);

/* With the loop still there. */
void upgrade_heir_fini(void);

#endif
