#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_internal.h"

enum { MAX_ARGUMENTS = 8 };

/* Parses `line`, words separated by one space, for the command that is its first word. */
static int parse(struct cli_options *ret, const char *line, char **ret_why)
{
    static char copy[256];
    char *argv[MAX_ARGUMENTS + 1] = {NULL}, *rest = copy;
    int argc = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    while (rest && argc < MAX_ARGUMENTS)
        argv[argc++] = strsep(&rest, " ");
    return cli_options_parse(ret, cli_command_find(argv[0]), argc, argv, ret_why);
}

static struct cli_options accepted(const char *line)
{
    struct cli_options options;
    char *why = NULL;

    cr_assert_eq(parse(&options, line, &why), EG_OK, "%s: %s", line, why);
    return options;
}

Test(options, the_configuration_is_named_short_or_long)
{
    cr_assert_str_eq(accepted("run -c edge.conf").config, "edge.conf");
    cr_assert_str_eq(accepted("run -cedge.conf").config, "edge.conf");
    cr_assert_str_eq(accepted("check --config edge.conf").config, "edge.conf");
    cr_assert_str_eq(accepted("check --config=edge.conf").config, "edge.conf");
}

Test(options, the_demos_port_has_a_default)
{
    cr_assert_eq(accepted("demo").port, 8080);
    cr_assert_eq(accepted("demo --port 9000").port, 9000);
    cr_assert_eq(accepted("demo -p 0").port, 0);
}

Test(options, a_running_instance_is_named_by_its_management)
{
    struct cli_options options = accepted("endpoints api --admin unix:/a.sock --json -t /token");

    cr_assert_str_eq(options.admin, "unix:/a.sock");
    cr_assert_str_eq(options.pool, "api");
    cr_assert_str_eq(options.token_file, "/token");
    cr_assert(options.json);
    cr_assert_str_eq(accepted("endpoints -a :1 api").pool, "api");
    cr_assert_null(accepted("endpoints").pool);
    cr_assert_str_eq(accepted("status -c edge.conf").config, "edge.conf");
    cr_assert_null(accepted("status").config);
}

Test(options, events_may_be_followed_from_somewhere_on)
{
    struct cli_options options = accepted("events --since 17 --follow");

    cr_assert(options.follow && options.has_since);
    cr_assert_eq(options.since, 17u);
    cr_assert_not(accepted("events").has_since);
    cr_assert(accepted("events -s 0").has_since);
}

Test(options, every_command_has_help_even_when_more_would_be_needed)
{
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char line[64];

        if (!c->run)
            continue;
        snprintf(line, sizeof(line), "%s --help", c->name);
        cr_assert(accepted(line).help);
        snprintf(line, sizeof(line), "%s -h", c->name);
        cr_assert(accepted(line).help);
        cr_assert_not_null(c->help);
        cr_assert_not_null(c->arguments);
    }
}

Test(options, mistakes_are_told_with_what_was_meant)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"run", "run: which configuration? Give -c FILE"},
        {"run -c", "run: \"-c\" needs an argument"},
        {"run --config", "run: \"--config\" needs an argument"},
        {"run --confg x", "run: unknown option \"--confg\"; did you mean \"--config\"?"},
        {"run --confg=x", "run: unknown option \"--confg\"; did you mean \"--config\"?"},
        {"run --zebra", "run: unknown option \"--zebra\""},
        {"run -x", "run: unknown option \"-x\""},
        {"run --help=me", "run: \"--help\" takes no argument"},
        {"run -c a b", "run: unexpected argument \"b\""},
        {"run -c a --port 1", "run: unknown option \"--port\""},
        {"demo -c a", "demo: unknown option \"-c\""},
        {"demo --port 65536", "demo: \"65536\" is not a port; give a number from 0 to 65535"},
        {"demo --port http", "demo: \"http\" is not a port; give a number from 0 to 65535"},
        {"pools api", "pools: unexpected argument \"api\""},
        {"endpoints api more", "endpoints: unexpected argument \"more\""},
        {"events --since yesterday", "events: \"yesterday\" is no event's id; give a number"},
        {"events --follow=yes", "events: \"--follow\" takes no argument"},
        {"status --follow", "status: unknown option \"--follow\""},
        {"run --admin x", "run: unknown option \"--admin\""},
        {"version please", "version: unexpected argument \"please\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_options options;
        char *why = NULL;

        cr_assert_neq(parse(&options, cases[i].line, &why), EG_OK, "%s", cases[i].line);
        cr_assert_str_eq(why, cases[i].want);
        free(why);
    }
}

Test(commands, the_contracts_commands_are_all_there)
{
    static const char *const names[] = {"run",    "demo",  "check",     "plan",   "reload",
                                        "status", "pools", "endpoints", "events", "explain",
                                        "drill",  "top",   "version",   "help"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_assert_not_null(cli_command_find(names[i]), "%s", names[i]);
    cr_assert_null(cli_command_find("serve"));
    cr_assert_null(cli_command_find(""));
}

Test(commands, a_mistyped_command_is_recognised)
{
    cr_assert_str_eq(cli_command_nearest("chek"), "check");
    cr_assert_str_eq(cli_command_nearest("rnu"), "run");
    cr_assert_str_eq(cli_command_nearest("endpoint"), "endpoints");
    cr_assert_null(cli_command_nearest("xyzzy"));
}
