/* The command line's entry: finds the command, parses its options, runs it. See cli.h. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_json.h"
#include "cli/cli_internal.h"

void cli_print_help(void)
{
    printf("evergate %s: HTTP reverse proxy and load balancer\n"
           "\n"
           "usage: evergate COMMAND [OPTIONS]\n"
           "\n",
           EVERGATE_VERSION);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("  %-10s %s%s\n", c->name, c->summary, c->run ? "" : " (not built yet)");
    printf("\n\"evergate COMMAND --help\" tells a command's options.\n"
           "Exit codes: 0 good, 1 the thing asked about is not good, 2 wrong usage, 3 cannot reach "
           "the instance.\n");
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Every subcommand has --help: of one that is not built yet it says just that. */
static int not_built_help(const struct cli_command *command)
{
    printf("evergate %s: %s.\n\nNot built yet in this version.\n", command->name, command->summary);
    return CLI_GOOD;
}

static int not_built(const struct cli_command *command)
{
    fprintf(stderr, "evergate: \"%s\" is not built yet (%s); see \"evergate --help\"\n",
            command->name, command->summary);
    return CLI_USAGE;
}

void cli_print_command_help(const struct cli_command *command)
{
    printf("usage: evergate %s %s\n\n%s.\n\n%s", command->name, command->arguments,
           command->summary, command->help);
}

int cli_version(const struct cli_options *options)
{
    printf("evergate %s\n", EVERGATE_VERSION);
    return CLI_GOOD;
}

int cli_help(const struct cli_options *options)
{
    cli_print_help();
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

/* `evergate help COMMAND`; true when that is what was asked, with the exit code. */
static bool help_for(int argc, char **argv, int *ret_code)
{
    const struct cli_command *command;

    if (argc != 3 || strcmp(argv[1], "help") != 0 || argv[2][0] == '-')
        return false;
    command = cli_command_find(argv[2]);
    if (!command) {
        *ret_code = unknown_command(argv[2]);
    } else if (!command->run) {
        *ret_code = not_built_help(command);
    } else {
        cli_print_command_help(command);
        *ret_code = CLI_GOOD;
    }
    return true;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli_options options;
    char *why = NULL;

    if (!command->run)
        return argc > 1 && is_help(argv[1]) ? not_built_help(command) : not_built(command);
    if (cli_options_parse(&options, command, argc, argv, &why) != EG_OK) {
        fprintf(stderr, "evergate %s\nTry \"evergate %s --help\".\n", why, command->name);
        free(why);
        return CLI_USAGE;
    }
    if (options.help) {
        cli_print_command_help(command);
        return CLI_GOOD;
    }
    return command->run(&options);
}

int cli_main(int argc, char **argv)
{
    const struct cli_command *command;
    int code;

    admin_json_init();
    if (argc < 2) {
        fprintf(stderr, "evergate: which command? Try \"evergate --help\".\n");
        return CLI_USAGE;
    }
    if (is_help(argv[1]))
        return cli_help(NULL);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cli_version(NULL);
    if (help_for(argc, argv, &code))
        return code;
    command = cli_command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    return run_command(command, argc - 1, argv + 1);
}
