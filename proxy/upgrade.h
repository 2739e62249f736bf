/*
 * Replacing the binary while it serves. Control thread.
 *
 *   SIGUSR2 ─► the file it was started from is started again, as a child
 *
 *     this process (the elder)                      the new one (the heir)
 *     letter and every listening socket ──────────► upgrade_begin: reads them
 *     serves                                        loads its configuration, takes the sockets
 * over, .                                           resolves names, asks the backends once . ◄──
 * "ready" ─ serves drains, exits with 0            ─── "yours" ► serves alone
 *
 * Both hold the same sockets: a connection that waits in one is accepted by whoever is there. When
 * the heir ends, or is not ready in time, before it has said "ready", nothing has changed: it is
 * killed and the elder goes on.
 *
 * The two talk over a socket pair (upgrade_mail.h). The letter (upgrade_letter.h) carries what must
 * survive beyond sockets: the key of sticky sessions, those of TLS tickets, what was changed over
 * the API, what discovery found.
 */
#ifndef EVERGATE_PROXY_UPGRADE_H
#define EVERGATE_PROXY_UPGRADE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct server;

enum {
    UPGRADE_VERDICTS_MS = 3000, /* how long an heir waits for the first checks of its backends */
};

/* ---- Of the process ---- */

/* Once, before anything is bound: remembers what this process was started as, and reads what a
 * process before it left. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap): the elder speaks
 * another form. Without this call SIGUSR2 is refused. */
int upgrade_begin(char **ret_why) WARN_UNUSED;

/* Were we started by an elder that still serves? From upgrade_begin until upgrade_serving. */
bool upgrade_is_heir(void);

/* ---- The heir: what it inherited ---- */

/* False, and untouched: nothing inherited. */
bool upgrade_inherit_secret(unsigned char *secret, size_t size);
/* The keys are imported; *ret_rotate_ms: when the newest is due to be replaced. */
bool upgrade_inherit_tickets(uint64_t *ret_rotate_ms);
/* What was changed over the API, as the elder's overlay source gave it. Borrowed; NULL: nothing. */
const json_t *upgrade_inherited_overlay(void);

/* What it had found, for config_discovered_parse; likewise. */
const json_t *upgrade_inherited_discovered(void);

/* Calls `then` when every checked endpoint has its first verdict, or UPGRADE_VERDICTS_MS have
 * passed, so that a backend that is known to be down is not asked again; at once for others than
 * heirs. Within a turn of the loop; `then` may be called from within. */
void upgrade_await_verdicts(struct server *server, void (*then)(struct server *server));

/* The server serves now: told to the elder, and to the service manager. */
void upgrade_serving(struct server *server);

/* ---- The elder ---- */

/* What `overlay` of the letter is made by; the caller's reference, NULL for nothing. */
typedef json_t *(*upgrade_overlay_cb)(const struct server *server);
void upgrade_set_overlay_source(upgrade_overlay_cb overlay);

/* SIGUSR2. What is wrong is logged. */
void upgrade_start(struct server *server, const char *cause);

/* The server is told to end: an heir that does not serve yet ends too. */
void upgrade_abandon(struct server *server, const char *cause);

/* Has a successor been started that does not serve yet? Nothing is changed while it has. */
bool upgrade_under_way(const struct server *server);

/* Has a successor taken over? */
bool upgrade_done(const struct server *server);

/* With the loop still there. Kills an heir that is not ready. */
void upgrade_free(struct server *server);

#endif
