/* `evergate plan`, `evergate reload` and `evergate pools revert`: what the file says, before and
 * after. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan_text.h"
#include "cli/remote.h"
#include "cli/table.h"

static bool would_change(const json_t *answer)
{
    return json_array_size(json_object_get(json_object_get(answer, "plan"), "changes")) > 0;
}

static int exit_code(const struct cli_options *options, const json_t *answer)
{
    return options->exit_code && would_change(answer) ? CLI_WOULD_CHANGE : CLI_GOOD;
}

static void print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
}

static int ask_plan(struct remote *remote, const struct cli_options *options, const char *path)
{
    json_t *body = json_pack("{s:s}", "file", path), *answer;
    int code;

    if (!body) {
        fprintf(stderr, "evergate plan: %s: the file's name is not UTF-8\n", options->config);
        return CLI_BAD;
    }
    code = remote_ask(remote, "POST", "/api/v1/plan", body, &answer);
    json_decref(body);
    if (code != CLI_GOOD)
        return code;
    if (options->json)
        print_json(answer);
    else
        plan_print(answer, NULL, stdout, cli_colours(stdout, options->colours));
    code = exit_code(options, answer);
    json_decref(answer);
    return code;
}

/* The instance has another working directory: it is given the whole path. */
int cli_plan(const struct cli_options *options)
{
    char *path = realpath(options->config, NULL);
    struct remote remote;
    int code;

    if (!path) {
        fprintf(stderr, "%s: error: %s\n", options->config, strerror(errno));
        return CLI_BAD;
    }
    code = remote_init(&remote, "plan", options);
    if (code == CLI_GOOD) {
        code = ask_plan(&remote, options, path);
        remote_fini(&remote);
    }
    free(path);
    return code;
}

/* What is asked for is done, and answered like a plan of it; `done` is the word for that. */
static int change(const char *command, const char *path, const char *done,
                  const struct cli_options *options)
{
    struct remote remote;
    json_t *answer;
    int code = remote_init(&remote, command, options);

    if (code != CLI_GOOD)
        return code;
    code = remote_ask(&remote, "POST", path, NULL, &answer);
    if (code == CLI_GOOD) {
        if (options->json)
            print_json(answer);
        else
            plan_print(answer, done, stdout, cli_colours(stdout, options->colours));
        json_decref(answer);
    }
    remote_fini(&remote);
    return code;
}

int cli_reload(const struct cli_options *options)
{
    return change("reload", "/api/v1/reload", "Reloaded", options);
}

int cli_revert(const struct cli_options *options)
{
    char *path = remote_pool_path(options->operands[0], "/revert");
    int code = change("pools revert", path, "Given back", options);

    free(path);
    return code;
}
