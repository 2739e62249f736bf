/* Options of commands, read by the table in option_table.c: see cli_internal.h. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "cli/cli_internal.h"

enum { OPTIONS_MAX = 64, NO_LETTER = 256 };

/* A command line while it is read. */
struct parse {
    const struct cli_command *command;
    const char *label; /* what messages call it: "endpoints add" */
    struct cli_options *options;
    const struct cli_option *taken[OPTIONS_MAX + 1]; /* by this command; NULL-terminated */
    struct option list[OPTIONS_MAX + 1];             /* the same for getopt */
    char letters[3 * OPTIONS_MAX + 2];
};

static int has_argument(const struct cli_option *option)
{
    if (!option->argument)
        return no_argument;
    return cli_option_may_stand_alone(option) ? optional_argument : required_argument;
}

/* The leading ':' makes getopt tell a missing argument from an unknown option. */
static void parse_init(struct parse *parse, const struct cli_command *command)
{
    unsigned takes = command->takes | CLI_TAKES_ALL;
    char *letters = parse->letters;
    size_t n = 0;

    *letters++ = ':';
    for (const struct cli_option *o = cli_option_table; o->name && n < OPTIONS_MAX; o++) {
        int argument = has_argument(o);

        if (!(o->takers & takes))
            continue;
        parse->list[n] =
            (struct option){o->name, argument, NULL, o->letter ? o->letter : NO_LETTER + (int)n};
        parse->taken[n++] = o;
        if (!o->letter)
            continue;
        *letters++ = (char)o->letter;
        for (; argument > 0; argument--)
            *letters++ = ':';
    }
}

static const struct cli_option *taken_by_value(const struct parse *parse, int value)
{
    for (size_t i = 0; parse->taken[i]; i++)
        if (parse->list[i].val == value)
            return parse->taken[i];
    return NULL;
}

/* `given` is the word as it stands on the command line, for a long option. */
static char *unknown_long_option(const struct parse *parse, const char *given)
{
    const char *names[OPTIONS_MAX] = {NULL}, *nearest;
    char *name = xstrndup(given + 2, strcspn(given + 2, "="));
    char *text;

    for (size_t i = 0; parse->taken[i]; i++)
        names[i] = parse->taken[i]->name;
    nearest = nearest_word(name, names, OPTIONS_MAX);
    text = nearest ? xasprintf("%s: unknown option \"--%s\"; did you mean \"--%s\"?", parse->label,
                               name, nearest)
                   : xasprintf("%s: unknown option \"--%s\"", parse->label, name);
    free(name);
    return text;
}

/* getopt tells a long option that it does not know by optopt 0, a short one by its letter, and an
 * argument that an option cannot have by that option's value. */
static char *refused_option(const struct parse *parse, char **argv)
{
    const struct cli_option *option = optopt ? taken_by_value(parse, optopt) : NULL;

    if (optopt == 0)
        return unknown_long_option(parse, argv[optind - 1]);
    if (option)
        return xasprintf("%s: \"--%s\" takes no argument", parse->label, option->name);
    return xasprintf("%s: unknown option \"-%c\"", parse->label, optopt);
}

static bool is_one_of(const char *words, const char *text)
{
    size_t n = strlen(text);

    for (; *words; words += strcspn(words, " "), words += strspn(words, " "))
        if (strcspn(words, " ") == n && memcmp(words, text, n) == 0)
            return true;
    return false;
}

static char *wrong(const struct parse *parse, const char *text, const char *what)
{
    return xasprintf("%s: \"%s\" %s", parse->label, text, what);
}

static char *take_number(const struct parse *parse, const char *text, uint64_t *ret_number,
                         const char *what)
{
    unsigned long long value;

    if (!slice_to_u64(slice_str(text), &value))
        return wrong(parse, text, what);
    *ret_number = value;
    return NULL;
}

static char *take_port(const struct parse *parse, const char *text, uint16_t *ret_port)
{
    static const char what[] = "is not a port; give a number from 0 to 65535";
    uint64_t port = 0;
    char *why = take_number(parse, text, &port, what);

    if (!why && port > UINT16_MAX)
        why = wrong(parse, text, what);
    *ret_port = (uint16_t)port;
    return why;
}

static char *take_seconds(const struct parse *parse, const char *text, unsigned *ret_ms)
{
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : 1;

    if (text &&
        (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0.1 || seconds > 86400))
        return wrong(parse, text, "is no number of seconds from 0.1 to 86400");
    *ret_ms = (unsigned)lround(seconds * 1000);
    return NULL;
}

static char *take_colours(const struct parse *parse, const char *text, enum cli_when *ret_when)
{
    if (strcmp(text, "always") == 0)
        *ret_when = CLI_ALWAYS;
    else if (strcmp(text, "never") == 0)
        *ret_when = CLI_NEVER;
    else if (strcmp(text, "auto") == 0)
        *ret_when = CLI_AUTO;
    else
        return wrong(parse, text, "is no way to colour; write always, never or auto");
    return NULL;
}

/* What a given option's argument must look like, so that a slip is told before anything is sent. */
static char *judge_given(const struct parse *parse, const struct cli_option *option,
                         const char *text)
{
    uint64_t number;

    if (option->kind == CLI_OPTION_HEADER && (!strchr(text, ':') || text[0] == ':'))
        return wrong(parse, text, "is no header; write 'Name: value'");
    if (option->kind == CLI_OPTION_FIELD_PAIR && (!strchr(text, '=') || text[0] == '='))
        return wrong(parse, text, "is no KEY=VALUE");
    if (option->kind == CLI_OPTION_FIELD_NUMBER)
        return take_number(parse, text, &number, "is no number");
    if (option->kind == CLI_OPTION_FIELD_BOOL && text && !is_one_of(option->words, text))
        return wrong(parse, text, "is neither true nor false");
    if (option->kind == CLI_OPTION_FIELD_NULL && !is_one_of(option->words, text))
        return wrong(parse, text, "is no setting of an endpoint that could be unset");
    return NULL;
}

static char *take_given(const struct parse *parse, const struct cli_option *option,
                        const char *text)
{
    struct cli_options *options = parse->options;
    char *why = judge_given(parse, option, text);

    if (why)
        return why;
    if (options->given_count == CLI_GIVEN_MAX)
        return xasprintf("%s: more than %d options", parse->label, CLI_GIVEN_MAX);
    options->given[options->given_count++] = (struct cli_given){option, text};
    return NULL;
}

static char *take_option(const struct parse *parse, const struct cli_option *option,
                         const char *text)
{
    void *member = (char *)parse->options + option->offset;

    switch (option->kind) {
    case CLI_OPTION_FLAG:
        *(bool *)member = true;
        return NULL;
    case CLI_OPTION_TEXT:
        *(const char **)member = text;
        return NULL;
    case CLI_OPTION_PORT:
        return take_port(parse, text, member);
    case CLI_OPTION_NUMBER:
        return take_number(parse, text, member, "is no number");
    case CLI_OPTION_SINCE:
        parse->options->has_since = true;
        return take_number(parse, text, member, "is no event's id; give a number");
    case CLI_OPTION_COLOURS:
        return take_colours(parse, text, member);
    case CLI_OPTION_SECONDS:
        return take_seconds(parse, text, member);
    default:
        return take_given(parse, option, text);
    }
}

/* "--watch 2": getopt would have "--watch=2" only. What is not a number is an operand. */
static const char *argument_of(const struct cli_option *option, int argc, char **argv)
{
    if (optarg || option->kind != CLI_OPTION_SECONDS || optind >= argc ||
        !cli_is_number(argv[optind]))
        return optarg;
    return argv[optind++];
}

static char *unexpected_argument(const struct parse *parse, const char *argument)
{
    const char *names[OPTIONS_MAX] = {NULL}, *nearest = NULL;
    const struct cli_command *verbs = parse->command->verbs;
    const char *first = parse->options->operand_count > 0 ? parse->options->operands[0] : argument;

    for (size_t i = 0; verbs && verbs[i].name && i < OPTIONS_MAX; i++)
        names[i] = verbs[i].name;
    if (verbs)
        nearest = nearest_word(first, names, OPTIONS_MAX);
    if (nearest)
        return xasprintf("%s: there is no \"%s\"; did you mean \"%s\"?", parse->label, first,
                         nearest);
    return xasprintf("%s: unexpected argument \"%s\"", parse->label, argument);
}

static char *take_operands(const struct parse *parse, int argc, char **argv)
{
    const struct cli_command *command = parse->command;
    struct cli_options *options = parse->options;
    struct cli_operand operand;

    for (; optind < argc; optind++) {
        if (!cli_operand(command, options->operand_count, &operand) ||
            options->operand_count == CLI_OPERANDS_MAX)
            return unexpected_argument(parse, argv[optind]);
        options->operands[options->operand_count++] = argv[optind];
    }
    if (cli_operand(command, options->operand_count, &operand) && !operand.optional)
        return xasprintf("%s: which %.*s?", parse->label, SLICE_FMT(operand.name));
    if ((command->takes & (CLI_TAKES_CONFIG | CLI_TAKES_PLANNED)) && !options->config)
        return xasprintf("%s: which configuration? Give -c FILE", parse->label);
    return NULL;
}

/* NULL, or why not (heap). */
static char *parse_line(struct parse *parse, int argc, char **argv)
{
    char *why = NULL;
    int value;

    optind = 0; /* glibc: forget what was parsed before */
    opterr = 0;
    while (!why && (value = getopt_long(argc, argv, parse->letters, parse->list, NULL)) != -1) {
        const struct cli_option *option = taken_by_value(parse, value);

        if (value == ':')
            why = xasprintf("%s: \"%s\" needs an argument", parse->label, argv[optind - 1]);
        else if (value == '?' || !option)
            why = refused_option(parse, argv);
        else
            why = take_option(parse, option, argument_of(option, argc, argv));
    }
    return why || parse->options->help ? why : take_operands(parse, argc, argv);
}

int cli_options_parse(struct cli_options *ret_options, const struct cli_command *command, int argc,
                      char **argv, char **ret_why)
{
    struct cli_options options = {.port = 8080};
    struct parse parse = {.command = command, .options = &options};
    char *label =
        command->of ? xasprintf("%s %s", command->of, command->name) : xstrdup(command->name);
    char *why;

    parse.label = label;
    parse_init(&parse, command);
    why = parse_line(&parse, argc, argv);
    free(label);
    if (why) {
        *ret_why = why;
        return EG_E_INTERNAL;
    }
    *ret_options = options;
    return EG_OK;
}
