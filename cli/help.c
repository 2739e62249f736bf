/* What --help prints, read from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_internal.h"

enum { OPTION_COLUMN = 26 };

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

/* Indented lines, the first of which begins where the cursor is. */
static void print_lines(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        printf("%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
        if (*text)
            printf("%*s", OPTION_COLUMN, "");
    }
}

/* "  -c, --config FILE     the configuration file" */
static void print_option(const struct cli_option *option)
{
    const char *argument = option->argument ? option->argument : "";
    const char *space = option->argument && argument[0] != '[' ? " " : "";
    int n;

    if (option->letter)
        n = printf("  -%c, --%s%s", option->letter, option->name, space);
    else
        n = printf("      --%s%s", option->name, space);
    if (argument[0] == '[')
        n += printf("[=%s", argument + 1);
    else
        n += printf("%s", argument);
    if (n > OPTION_COLUMN - 2)
        printf("\n%*s", OPTION_COLUMN, "");
    else
        printf("%*s", OPTION_COLUMN - n, "");
    print_lines(option->help);
}

static void print_usage(const char *before, const struct cli_command *command)
{
    printf("%s evergate %s%s%s%s%s%s [OPTIONS]\n", before, command->of ? command->of : "",
           command->of ? " " : "", command->name, command->operands ? " " : "",
           command->operands ? command->operands : "",
           command->takes & (CLI_TAKES_CONFIG | CLI_TAKES_PLANNED) ? " -c FILE" : "");
}

static void print_options(const struct cli_command *command)
{
    printf("\nOptions:\n");
    for (const struct cli_option *o = cli_option_table; o->name; o++)
        if (o->takers & (command->takes | CLI_TAKES_ALL))
            print_option(o);
}

void cli_print_command_help(const struct cli_command *command)
{
    if (!command->run) {
        printf("evergate %s: %s.\n\nNot built yet in this version.\n", command->name,
               command->summary);
        return;
    }
    print_usage("usage:", command);
    for (const struct cli_command *v = command->verbs; v && v->name; v++)
        print_usage("      ", v);
    printf("\n%s.\n", command->summary);
    if (command->verbs)
        printf("\nVerbs:\n");
    for (const struct cli_command *v = command->verbs; v && v->name; v++)
        printf("  %-10s %s\n", v->name, v->summary);
    print_options(command);
    if (command->help)
        printf("\n%s", command->help);
    if (command->verbs)
        printf("\n\"evergate %s VERB --help\" tells a verb's options.\n", command->name);
}
