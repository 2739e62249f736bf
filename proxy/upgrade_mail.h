/*
 * How the letter and the descriptors travel: over a pair of packet sockets, of which the new
 * process finds one end under the number that EVERGATE_HANDOVER names. Nothing else is inherited by
 * number, so that no other descriptor of the elder can slip in; the sockets come as messages
 * (unix(7), SCM_RIGHTS), the letter as a sealed memory file among them.
 *
 *   packet 1      "evergate N"   with the letter's file; N descriptors follow
 *   packets 2-    "+"            with up to 250 of them each
 *
 * Then single words both ways: UPGRADE_READY from the heir, UPGRADE_YOURS from the elder.
 */
#ifndef EVERGATE_PROXY_UPGRADE_MAIL_H
#define EVERGATE_PROXY_UPGRADE_MAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define UPGRADE_VARIABLE "EVERGATE_HANDOVER"
#define UPGRADE_READY    "ready"
#define UPGRADE_YOURS    "yours"

/* [0] is ours and does not block, [1] the heir's; both are closed by exec. 0, or an errno. */
int upgrade_mail_pair(int ret_sockets[2]);

/* All of it at once, before there is a reader: it waits in the socket. 0, or an errno. */
int upgrade_mail_send(int socket, const char *letter, const int *fds, size_t count);

/* Waits for nothing: all of it is there. The letter and the descriptors are the caller's (heap).
 * 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int upgrade_mail_receive(int socket, char **ret_letter, size_t *ret_size, int **ret_fds,
                         size_t *ret_count, char **ret_why) WARN_UNUSED;

/* False when the other side is gone; the word then is of no use to anybody. */
bool upgrade_mail_say(int socket, const char *word);

enum upgrade_heard {
    UPGRADE_HEARD_NOTHING, /* yet */
    UPGRADE_HEARD_WORD,    /* the expected one */
    UPGRADE_HEARD_END,     /* the other side is gone, or does not speak as we do */
};
enum upgrade_heard upgrade_mail_hear(int socket, const char *word);

#endif
