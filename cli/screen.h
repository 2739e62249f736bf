/*
 * A terminal that is taken for a live view, and given back as it was, however it ends: q, Ctrl-C,
 * SIGTERM, SIGHUP. Ctrl-Z gives it back for as long as the process is stopped.
 *
 * One at a time; its signals are handled between screen_start and screen_stop, and taken only
 * within screen_wait.
 */
#ifndef EVERGATE_CLI_SCREEN_H
#define EVERGATE_CLI_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

struct screen {
    bool keys; /* standard input is a terminal, too */
    struct termios before;
    sigset_t mask_before;
    const char *page; /* drawn last; the caller's */
};

/* Is standard output a terminal that can be drawn on? TERM=dumb cannot. */
bool screen_is_there(void);

void screen_start(struct screen *screen);
void screen_stop(struct screen *screen);

/* Replaces what is shown. `page` must live until the next one, for it is drawn again when the
 * window's size changes. */
void screen_draw(struct screen *screen, const char *page);

/* False: the user has seen enough. */
bool screen_wait(struct screen *screen, unsigned ms);

/* The page's first `rows` lines, each cut to `columns` characters; sequences that colour count for
 * nothing. Each line clears what it does not fill. */
void screen_write_page(FILE *out, const char *page, unsigned rows, unsigned columns);

#endif
