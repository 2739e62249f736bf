/*
 * A configuration as whoever serves it reads it: the file, and then what only opening shows. A key
 * can be parsed and still be too weak for OpenSSL; a command's program may not be there.
 *
 *   config_load ─► rehearsal: contexts as workers make them, programs as checks look for them
 *                    all mistakes at once ◄─┴─► a snapshot that can be prepared
 *
 * `run`, a reload, a plan and `evergate check` all read it here, so that what one of them refuses
 * the others refuse as well, in the same words. What remains for the preparing to find out is what
 * no file says: whether an address can be bound, a process or a thread be had.
 */
#ifndef EVERGATE_PROXY_SERVER_CONFIG_H
#define EVERGATE_PROXY_SERVER_CONFIG_H

#include "config/config.h"
#include "config/overlay.h"

/* As config_load. Sends nothing, starts nothing, leaves nothing open. */
int server_config_load(struct config **ret_config, const char *path,
                       struct config_errors *ret_errors) WARN_UNUSED;

/* What was said over the API, laid over a file that may be another than it was said to, and what
 * was found (NULL: nothing). 0 and a snapshot with one reference, or EG_E_INTERNAL with a sentence
 * in *ret_why (heap). */
int server_config_lay(struct config **ret_config, struct config_overlay *overlay,
                      struct config *base, struct config_discovered *discovered,
                      char **ret_why) WARN_UNUSED;

/* Would a start find its state_file good? Nothing is kept of it. 0, or EG_E_INTERNAL with a
 * sentence in *ret_why (heap). */
int server_config_try_state(struct config *config, char **ret_why) WARN_UNUSED;

#endif
