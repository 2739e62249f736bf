#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_internal.h"

enum { MAX_ARGUMENTS = 16 };

/* Parses `line`, words separated by one space, for the command that is its first word and the verb
 * that is its second. */
static int parse(struct cli_options *ret, const char *line, char **ret_why)
{
    static char copy[256];
    char *argv[MAX_ARGUMENTS + 1] = {NULL}, *rest = copy;
    const struct cli_command *command, *verb = NULL;
    int argc = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    while (rest && argc < MAX_ARGUMENTS)
        argv[argc++] = strsep(&rest, " ");
    command = cli_command_find(argv[0]);
    if (argc > 1)
        verb = cli_verb_find(command, argv[1]);
    if (verb)
        return cli_options_parse(ret, verb, argc - 1, argv + 1, ret_why);
    return cli_options_parse(ret, command, argc, argv, ret_why);
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
    cr_assert_str_eq(options.operands[0], "api");
    cr_assert_str_eq(options.token_file, "/token");
    cr_assert(options.json);
    cr_assert_str_eq(accepted("endpoints -a :1 api").operands[0], "api");
    cr_assert_eq(accepted("endpoints").operand_count, 0u);
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
        for (const struct cli_command *v = c->verbs; v && v->name; v++) {
            snprintf(line, sizeof(line), "%s %s --help", c->name, v->name);
            cr_assert(accepted(line).help);
            cr_assert_str_eq(v->of, c->name);
            cr_assert_not_null(v->run);
        }
    }
}

Test(options, what_is_given_of_an_endpoint_is_kept_in_its_order)
{
    struct cli_options options =
        accepted("endpoints add api c 10.0.0.3:80 --weight 3 --tag blue --tag new --backup");

    cr_assert_eq(options.operand_count, 3u);
    cr_assert_str_eq(options.operands[2], "10.0.0.3:80");
    cr_assert_eq(options.given_count, 4u);
    cr_assert_str_eq(options.given[0].option->key, "weight");
    cr_assert_str_eq(options.given[2].text, "new");
    cr_assert_null(options.given[3].text);
}

Test(options, a_page_may_be_watched_as_often_as_wanted)
{
    cr_assert_eq(accepted("pools").watch_ms, 0u);
    cr_assert_eq(accepted("pools --watch").watch_ms, 1000u);
    cr_assert_eq(accepted("pools --watch 2").watch_ms, 2000u);
    cr_assert_eq(accepted("pools --watch=0.5").watch_ms, 500u);
    cr_assert_eq(accepted("pools -w --json").watch_ms, 1000u);
    cr_assert_str_eq(accepted("endpoints --watch api").operands[0], "api");
}

Test(options, the_same_letter_means_what_the_command_needs)
{
    cr_assert_str_eq(accepted("plan -c new.conf --exit-code").config, "new.conf");
    cr_assert(accepted("plan -c new.conf --exit-code").exit_code);
    cr_assert_str_eq(accepted("reload -c edge.conf").config, "edge.conf");
    cr_assert_eq(accepted("status --color always").colours, CLI_ALWAYS);
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
        {"endpoints drian api a", "endpoints: there is no \"drian\"; did you mean \"drain\"?"},
        {"endpoints drain", "endpoints drain: which POOL?"},
        {"endpoints drain api", "endpoints drain: which ID?"},
        {"endpoints drain api a b", "endpoints drain: unexpected argument \"b\""},
        {"endpoints add api c", "endpoints add: which ADDRESS?"},
        {"endpoints set api a --weight heavy", "endpoints set: \"heavy\" is no number"},
        {"endpoints set api a --metadata x", "endpoints set: \"x\" is no KEY=VALUE"},
        {"endpoints set api a --backup=yes", "endpoints set: \"yes\" is neither true nor false"},
        {"endpoints set api a --unset id",
         "endpoints set: \"id\" is no setting of an endpoint that could be unset"},
        {"endpoints drain api a --weight 3", "endpoints drain: unknown option \"--weight\""},
        {"explain / -H x", "explain: \"x\" is no header; write 'Name: value'"},
        {"explain", "explain: which URL?"},
        {"plan", "plan: which configuration? Give -c FILE"},
        {"pools --watch=0", "pools: \"0\" is no number of seconds from 0.1 to 86400"},
        {"status --color blue",
         "status: \"blue\" is no way to colour; write always, never or auto"},
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
    static const char *const names[] = {"run",    "demo",  "check",      "plan",    "reload",
                                        "status", "pools", "endpoints",  "events",  "explain",
                                        "drill",  "top",   "completion", "version", "help"};

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

Test(commands, operands_are_read_from_the_usage)
{
    struct cli_operand operand;

    cr_assert(cli_operand(cli_verb_find(cli_command_find("endpoints"), "add"), 1, &operand));
    cr_assert(slice_eq(operand.name, SLICE_LIT("ID")) && !operand.optional);
    cr_assert(cli_operand(cli_command_find("endpoints"), 0, &operand));
    cr_assert(slice_eq(operand.name, SLICE_LIT("POOL")) && operand.optional);
    cr_assert_not(cli_operand(cli_command_find("endpoints"), 1, &operand));
    cr_assert(cli_operand(cli_verb_find(cli_command_find("pools"), "policy"), 7, &operand));
    cr_assert(slice_eq(operand.name, SLICE_LIT("KEY=VALUE")) && operand.optional);
    cr_assert_not(cli_operand(cli_command_find("status"), 0, &operand));
}

static struct cli_scan scanned(const char *line)
{
    static char copy[256];
    char *words[MAX_ARGUMENTS] = {NULL}, *rest = copy;
    int count = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    while (rest && count < MAX_ARGUMENTS)
        words[count++] = strsep(&rest, " ");
    return cli_scan(cli_command_find(words[0]), count, words);
}

Test(scan, the_verb_is_found_behind_options)
{
    cr_assert_eq(scanned("endpoints drain api a").verb, 1);
    cr_assert_eq(scanned("endpoints -a :1 drain api").verb, 3);
    cr_assert_eq(scanned("endpoints -a:1 --json drain api").verb, 3);
    cr_assert_eq(scanned("endpoints --watch 2 list").verb, 3);
    cr_assert_eq(scanned("endpoints --watch list").verb, 2);
    cr_assert_eq(scanned("endpoints --admin drain").verb, 0);
    cr_assert_eq(scanned("endpoints api drain").verb, 0);
    cr_assert_eq(scanned("endpoints -- drain").verb, 2);
}

Test(scan, what_comes_next_is_known)
{
    cr_assert_eq(scanned("endpoints drain api").operands, 1u);
    cr_assert_str_eq(scanned("endpoints add api c --zone").expects->name, "zone");
    cr_assert_str_eq(scanned("endpoints -ja").expects->name, "admin");
    cr_assert_null(scanned("endpoints add api c --zone=a").expects);
    cr_assert_null(scanned("endpoints add api c --backup").expects);
    cr_assert_null(scanned("endpoints --zebra").expects);
    cr_assert_str_eq(scanned("endpoints -ja :1 x").admin, ":1");
    cr_assert_str_eq(scanned("status --config=e.conf -t token").config, "e.conf");
    cr_assert_str_eq(scanned("status --config=e.conf -t token").token_file, "token");
}
