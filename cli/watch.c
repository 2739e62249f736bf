/* Pages again and again: see watch.h. */
#include "cli/watch.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/screen.h"
#include "cli/table.h"

enum { SCREEN_TIMEOUT_MS = 2000 }; /* Ctrl-C is not to wait for long */

static void wait_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

/* One page as text (heap): what `show` writes, or why it could not. */
static char *page(struct remote *remote, const struct cli_options *options, cli_show_cb show,
                  int *ret_code)
{
    bool colours = cli_colours(stdout, options->colours);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return xstrdup("");
    *ret_code = show(remote, options, out, colours);
    if (*ret_code != CLI_GOOD)
        fprintf(out, "evergate %s: %s\n\nTrying again; q ends this.\n", remote->command,
                remote->why ? remote->why : "no answer");
    fclose(out);
    return text;
}

/* The first page comes before the screen is taken: when it fails, the shell is told as usual. */
static int watch_screen(struct remote *remote, const struct cli_options *options,
                        unsigned interval_ms, uint64_t count, cli_show_cb show)
{
    struct screen screen;
    int code = CLI_GOOD;
    char *text = page(remote, options, show, &code);

    if (code != CLI_GOOD) {
        free(text);
        return code;
    }
    remote->quiet = true;
    remote->timeout_ms = SCREEN_TIMEOUT_MS;
    screen_start(&screen);
    screen_draw(&screen, text);
    while (--count != 0 && screen_wait(&screen, interval_ms)) {
        free(text);
        text = page(remote, options, show, &code);
        screen_draw(&screen, text);
    }
    screen_stop(&screen);
    free(text);
    if (code != CLI_GOOD)
        fprintf(stderr, "evergate %s: %s\n", remote->command, remote->why ? remote->why : "");
    return code;
}

static int watch_pipe(struct remote *remote, const struct cli_options *options,
                      unsigned interval_ms, uint64_t count, cli_show_cb show)
{
    for (;;) {
        int code = show(remote, options, stdout, cli_colours(stdout, options->colours));

        if (code != CLI_GOOD || --count == 0)
            return code;
        if (!options->json)
            putchar('\n');
        fflush(stdout);
        wait_ms(interval_ms);
    }
}

int cli_watch(struct remote *remote, const struct cli_options *options, unsigned interval_ms,
              uint64_t count, cli_show_cb show)
{
    if (screen_is_there() && !options->json)
        return watch_screen(remote, options, interval_ms, count, show);
    return watch_pipe(remote, options, interval_ms, count, show);
}

int cli_show(const char *command, const struct cli_options *options, cli_show_cb show)
{
    struct remote remote;
    int code = remote_init(&remote, command, options);

    if (code != CLI_GOOD)
        return code;
    if (options->watch_ms > 0)
        code = cli_watch(&remote, options, options->watch_ms, 0, show);
    else
        code = show(&remote, options, stdout, cli_colours(stdout, options->colours));
    remote_fini(&remote);
    return code;
}
