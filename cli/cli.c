/* The command line's entry: finds the command and its verb, parses the options, runs it. See cli.h.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_json.h"
#include "cli/cli_internal.h"

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static int not_built(const struct cli_command *command)
{
    fprintf(stderr, "evergate: \"%s\" is not built yet (%s); see \"evergate --help\"\n",
            command->name, command->summary);
    return CLI_USAGE;
}

int cli_version(const struct cli_options *options)
{
    printf("evergate %s\n", EVERGATE_VERSION);
    return CLI_GOOD;
}

static int unknown_command(const char *name)
{
    const char *nearest = cli_command_nearest(name);

    if (name[0] == '-')
        fprintf(stderr, "evergate: unknown option \"%s\"", name);
    else
        fprintf(stderr, "evergate: unknown command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\nTry \"evergate --help\".\n");
    return CLI_USAGE;
}

int cli_help(const struct cli_options *options)
{
    const struct cli_command *command, *verb = NULL;

    if (options->operand_count == 0) {
        cli_print_help();
        return CLI_GOOD;
    }
    command = cli_command_find(options->operands[0]);
    if (!command)
        return unknown_command(options->operands[0]);
    if (options->operand_count == 2)
        verb = cli_verb_find(command, options->operands[1]);
    cli_print_command_help(verb ? verb : command);
    return CLI_GOOD;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli_options options;
    char *why = NULL;

    if (cli_options_parse(&options, command, argc, argv, &why) != EG_OK) {
        fprintf(stderr, "evergate %s\nTry \"evergate %s%s%s --help\".\n", why,
                command->of ? command->of : "", command->of ? " " : "", command->name);
        free(why);
        return CLI_USAGE;
    }
    if (options.help) {
        cli_print_command_help(command);
        return CLI_GOOD;
    }
    return command->run(&options);
}

/* Every subcommand has --help: of one that is not built yet it says just that. */
static int run(const struct cli_command *command, int argc, char **argv)
{
    struct cli_scan scan;

    if (!command->run && argc > 1 && is_help(argv[1])) {
        cli_print_command_help(command);
        return CLI_GOOD;
    }
    if (!command->run)
        return not_built(command);
    scan = cli_scan(command, argc, argv);
    if (scan.verb > 0) {
        memmove(&argv[scan.verb], &argv[scan.verb + 1],
                (size_t)(argc - scan.verb) * sizeof(*argv)); /* the NULL behind them too */
        argc--;
    }
    return run_command(scan.command, argc, argv);
}

static int dispatch(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2) {
        fprintf(stderr, "evergate: which command? Try \"evergate --help\".\n");
        return CLI_USAGE;
    }
    if (is_help(argv[1])) {
        cli_print_help();
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cli_version(NULL);
    if (strcmp(argv[1], CLI_COMPLETE) == 0)
        return cli_complete(argc - 2, argv + 2);
    command = cli_command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    return run(command, argc - 1, argv + 1);
}

/* What was asked for has not been told, on a full disk, say: no script may take that for good. */
static int end(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "evergate: the output cannot be written: %s\n", strerror(errno));
    return code == CLI_GOOD ? CLI_BAD : code;
}

int cli_main(int argc, char **argv)
{
    admin_json_init();
    return end(dispatch(argc, argv));
}
