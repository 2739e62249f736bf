/* For upgrade*.c only: upgrade.c is the elder's side. */
#ifndef EVERGATE_PROXY_UPGRADE_INTERNAL_H
#define EVERGATE_PROXY_UPGRADE_INTERNAL_H

#include "proxy/upgrade.h"

/* What an elder left, if there is one. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int upgrade_receive(char **ret_why) WARN_UNUSED;

/* Which process we still take over from: it has been told that we serve, and has not let go. 0:
 * none. */
int upgrade_elder(void);

/* Would the container that we are in end with this process? Then in which words (heap), else NULL.
 * To be asked at the start: an heir is somebody else's child when its elder has ended. */
char *upgrade_container_objection(void);

/* With the loop still there. */
void upgrade_heir_fini(void);

#endif
