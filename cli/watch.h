/* Pages of a running instance: shown once, or again and again (--watch). */
#ifndef EVERGATE_CLI_WATCH_H
#define EVERGATE_CLI_WATCH_H

#include <stdio.h>

#include "cli/remote.h"

/* Asks what it needs and writes one page. An exit code, as remote_ask's. */
typedef int (*cli_show_cb)(struct remote *remote, const struct cli_options *options, FILE *out,
                           bool colours);

/*
 * One page; with --watch, one every so often. On a terminal each takes the place of the one before,
 * and an instance that does not answer is asked again: it may be just restarting. Into a pipe they
 * follow each other, until the instance does not answer. An exit code.
 */
int cli_show(const char *command, const struct cli_options *options, cli_show_cb show);

/* Page after page on a terminal until the user has seen enough, or `count` of them (0: no end). */
int cli_watch(struct remote *remote, const struct cli_options *options, unsigned interval_ms,
              uint64_t count, cli_show_cb show);

#endif
