/*
 * The configuration reloads itself (`reload_on_change`): the files of its last reading are watched,
 * and when one of them is not what was read any more, a reload is asked for as SIGHUP does.
 *
 *   a reading ──► files, and what they were then ──► file_watch each
 *        ▲                                               │ changes
 *        └──── a reload ◄── quiet for a moment ◄── another than was read?
 *
 * What is compared is what was read, and not what was seen last: nothing that changes while a
 * process starts or reloads is missed, a SIGHUP that was faster leaves nothing to do, and a file
 * that was refused is not tried again before it changes.
 *
 * The control thread's.
 */
#ifndef EVERGATE_PROXY_SERVER_WATCH_H
#define EVERGATE_PROXY_SERVER_WATCH_H

struct config;
struct config_errors;
struct server;

enum {
    /* Longer than between the writes of an editor, of `git pull` or of whoever copies several files
     * one after the other: a reload in between would find half of it. */
    SERVER_WATCH_QUIET_MS = 250,
    SERVER_WATCH_LATEST_MS = 2000, /* after the first change of a row that does not end */
};

/* When the server begins to serve what server->base says. */
void server_watch_start(struct server *server);

/* A reload has read `read`, or failed with `errors` (`read` is NULL then); server->base is what is
 * served now. */
void server_watch_follow(struct server *server, const struct config *read,
                         const struct config_errors *errors);

/* A reload may be what it could not be until now: what has changed meanwhile is looked for. */
void server_watch_again(struct server *server);

void server_watch_free(struct server *server);

#endif
