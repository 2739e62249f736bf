/* Options of commands: see cli_internal.h. */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "base/slice.h"
#include "cli/cli_internal.h"

/* Beside each option, which commands take it; 0: all. */
static const struct option all_options[] = {
    {"config", required_argument, NULL, 'c'}, {"port", required_argument, NULL, 'p'},
    {"admin", required_argument, NULL, 'a'},  {"token-file", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},         {"since", required_argument, NULL, 's'},
    {"follow", no_argument, NULL, 'f'},       {"help", no_argument, NULL, 'h'},
};
static const unsigned option_bits[] = {
    CLI_TAKES_CONFIG | CLI_TAKES_ADMIN,
    CLI_TAKES_PORT,
    CLI_TAKES_ADMIN,
    CLI_TAKES_ADMIN,
    CLI_TAKES_ADMIN,
    CLI_TAKES_EVENTS,
    CLI_TAKES_EVENTS,
    0,
};

enum { OPTION_COUNT = sizeof(all_options) / sizeof(all_options[0]) };

/* Fills `options` with those that the command takes, ended by a zeroed one, and `letters` for
 * getopt. The leading ':' makes getopt tell a missing argument from an unknown option. */
static void options_of(const struct cli_command *command, struct option options[OPTION_COUNT + 1],
                       char letters[2 * OPTION_COUNT + 2])
{
    size_t count = 0;

    *letters++ = ':';
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_bits[i] != 0 && !(command->takes & option_bits[i]))
            continue;
        options[count++] = all_options[i];
        *letters++ = (char)all_options[i].val;
        if (all_options[i].has_arg == required_argument)
            *letters++ = ':';
    }
    options[count] = (struct option){0};
    *letters = '\0';
}

/* `given` is the word as it stands on the command line, for a long option. */
static char *unknown_long_option(const struct cli_command *command, const struct option *options,
                                 const char *given)
{
    const char *names[OPTION_COUNT] = {NULL}, *nearest;
    char *name = xstrndup(given + 2, strcspn(given + 2, "="));
    char *text;

    for (size_t i = 0; options[i].name; i++)
        names[i] = options[i].name;
    nearest = nearest_word(name, names, OPTION_COUNT);
    text = nearest ? xasprintf("%s: unknown option \"--%s\"; did you mean \"--%s\"?", command->name,
                               name, nearest)
                   : xasprintf("%s: unknown option \"--%s\"", command->name, name);
    free(name);
    return text;
}

static const char *name_of_letter(const struct option *options, int letter)
{
    for (; options->name; options++)
        if (options->val == letter)
            return options->name;
    return NULL;
}

/* getopt tells a long option that it does not know by optopt 0, a short one by its letter, and an
 * argument that an option cannot have by that option's letter. */
static char *refused_option(const struct cli_command *command, const struct option *options,
                            char **argv)
{
    const char *name = optopt ? name_of_letter(options, optopt) : NULL;

    if (optopt == 0)
        return unknown_long_option(command, options, argv[optind - 1]);
    if (name)
        return xasprintf("%s: \"--%s\" takes no argument", command->name, name);
    return xasprintf("%s: unknown option \"-%c\"", command->name, optopt);
}

static char *parse_port(uint16_t *ret_port, const struct cli_command *command, const char *text)
{
    unsigned long long value;

    if (!slice_to_u64(slice_str(text), &value) || value > UINT16_MAX)
        return xasprintf("%s: \"%s\" is not a port; give a number from 0 to 65535", command->name,
                         text);
    *ret_port = (uint16_t)value;
    return NULL;
}

static char *parse_since(struct cli_options *options, const struct cli_command *command,
                         const char *text)
{
    unsigned long long id;

    if (!slice_to_u64(slice_str(text), &id))
        return xasprintf("%s: \"%s\" is no event's id; give a number", command->name, text);
    options->since = id;
    options->has_since = true;
    return NULL;
}

static char *take_option(struct cli_options *options, const struct cli_command *command, int letter,
                         const char *argument)
{
    switch (letter) {
    case 'c':
        options->config = argument;
        return NULL;
    case 'p':
        return parse_port(&options->port, command, argument);
    case 'a':
        options->admin = argument;
        return NULL;
    case 't':
        options->token_file = argument;
        return NULL;
    case 'j':
        options->json = true;
        return NULL;
    case 's':
        return parse_since(options, command, argument);
    case 'f':
        options->follow = true;
        return NULL;
    default:
        options->help = true;
        return NULL;
    }
}

static char *parse(struct cli_options *ret, const struct cli_command *command, int argc,
                   char **argv)
{
    struct option options[OPTION_COUNT + 1];
    char letters[2 * OPTION_COUNT + 2], *why = NULL;
    int letter;

    options_of(command, options, letters);
    optind = 0; /* glibc: forget what was parsed before */
    opterr = 0;
    while (!why && (letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (letter == ':')
            why = xasprintf("%s: \"%s\" needs an argument", command->name, argv[optind - 1]);
        else if (letter == '?')
            why = refused_option(command, options, argv);
        else
            why = take_option(ret, command, letter, optarg);
    }
    if (why || ret->help)
        return why;
    if ((command->takes & CLI_TAKES_POOL) && optind < argc)
        ret->pool = argv[optind++];
    if (optind < argc)
        return xasprintf("%s: unexpected argument \"%s\"", command->name, argv[optind]);
    if ((command->takes & CLI_TAKES_CONFIG) && !ret->config)
        return xasprintf("%s: which configuration? Give -c FILE", command->name);
    return NULL;
}

int cli_options_parse(struct cli_options *ret_options, const struct cli_command *command, int argc,
                      char **argv, char **ret_why)
{
    struct cli_options options = {.port = 8080};
    char *why = parse(&options, command, argc, argv);

    if (why) {
        *ret_why = why;
        return EG_E_INTERNAL;
    }
    *ret_options = options;
    return EG_OK;
}
