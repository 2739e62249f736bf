/* The terminal as a live view: see screen.h. The sequences are those of ECMA-48 that every terminal
 * of today knows, so that no terminal library is needed. */
#include "cli/screen.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define TAKE   "\x1b[?1049h\x1b[?25l" /* the alternate screen, no cursor */
#define GIVE   "\x1b[?25h\x1b[?1049l"
#define HOME   "\x1b[H"
#define REST   "\x1b[J" /* clear below */
#define FILL   "\x1b[K" /* clear to the end of the line */
#define NORMAL "\x1b[0m"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static struct sigaction actions_before[SIGNALS];
static volatile sig_atomic_t ended, resized, stopped;

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        stopped = 1;
    else
        ended = 1;
}

bool screen_is_there(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void take_terminal(struct screen *screen)
{
    struct termios raw = screen->before;

    if (screen->keys) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* keys as they come; signals stay */
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    fputs(TAKE, stdout);
    fflush(stdout);
}

static void give_terminal(struct screen *screen)
{
    fputs(GIVE, stdout);
    fflush(stdout);
    if (screen->keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->before);
}

/* A process in the background must not touch the terminal's settings: it would be stopped. */
static bool has_keys(struct screen *screen)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
           tcgetattr(STDIN_FILENO, &screen->before) == 0;
}

void screen_start(struct screen *screen)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask;

    *screen = (struct screen){0};
    ended = resized = stopped = 0;
    sigemptyset(&mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&mask, signals[i]);
    sigprocmask(SIG_BLOCK, &mask, &screen->mask_before);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &actions_before[i]);
    screen->keys = has_keys(screen);
    take_terminal(screen);
}

void screen_stop(struct screen *screen)
{
    give_terminal(screen);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &actions_before[i], NULL);
    sigprocmask(SIG_SETMASK, &screen->mask_before, NULL);
}

/* Writes a line's first `columns` characters; returns where its end is. */
static const char *write_line(FILE *out, const char *line, unsigned columns)
{
    unsigned column = 0;

    for (; *line && *line != '\n'; line++) {
        if (line[0] == '\x1b' && line[1] == '[') {
            size_t n = 2 + strspn(line + 2, "0123456789;");

            fwrite(line, 1, n + (line[n] != '\0'), out);
            line += line[n] ? n : n - 1;
            continue;
        }
        column += ((unsigned char)*line & 0xc0) != 0x80; /* UTF-8: the first byte of a character */
        if (column <= columns)
            fputc(*line, out);
    }
    fputs(NORMAL FILL, out);
    return line;
}

static unsigned lines_of(const char *page)
{
    unsigned lines = 0;

    for (; *page; page++)
        lines += *page == '\n' || page[1] == '\0';
    return lines;
}

void screen_write_page(FILE *out, const char *page, unsigned rows, unsigned columns)
{
    unsigned lines = lines_of(page), shown = lines > rows ? rows - 1 : lines;

    fputs(HOME, out);
    for (unsigned i = 0; i < shown; i++) {
        page = write_line(out, page, columns);
        page += *page == '\n';
        if (i + 1 < rows)
            fputc('\n', out);
    }
    if (lines > rows)
        fprintf(out, "... %u more lines" FILL, lines - shown);
    else if (shown < rows)
        fputs(REST, out);
}

void screen_draw(struct screen *screen, const char *page)
{
    struct winsize size = {0};
    unsigned rows = 24, columns = 80;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        rows = size.ws_row;
        columns = size.ws_col;
    }
    screen->page = page;
    screen_write_page(stdout, page, rows, columns);
    fflush(stdout);
}

static void stop_for_a_while(struct screen *screen)
{
    stopped = 0;
    give_terminal(screen);
    raise(SIGSTOP);
    screen->keys = has_keys(screen);
    take_terminal(screen);
    screen_draw(screen, screen->page);
}

static bool read_key(struct screen *screen)
{
    char key;
    ssize_t n = read(STDIN_FILENO, &key, 1);

    if (n <= 0)
        screen->keys = false; /* the terminal is gone; SIGHUP says the rest */
    return !(n == 1 && (key == 'q' || key == 'Q' || key == '\x04'));
}

bool screen_wait(struct screen *screen, unsigned ms)
{
    uint64_t end_us = clock_monotonic_us() + (uint64_t)ms * 1000;

    for (;;) {
        struct pollfd input = {.fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN};
        uint64_t now_us = clock_monotonic_us(), left_us = end_us > now_us ? end_us - now_us : 0;
        const struct timespec left = {.tv_sec = (time_t)(left_us / 1000000),
                                      .tv_nsec = (long)(left_us % 1000000) * 1000};
        int n = ppoll(&input, 1, &left, &screen->mask_before);

        if (ended || (n > 0 && !read_key(screen)))
            return false;
        if (stopped)
            stop_for_a_while(screen);
        if (resized)
            screen_draw(screen, screen->page);
        resized = 0;
        if (n == 0)
            return true;
    }
}
