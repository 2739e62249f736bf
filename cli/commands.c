/* The table of commands: what `evergate` can do, and what it will be able to. */
#include <string.h>

#include "base/nearest.h"
#include "cli/cli_internal.h"

#define ONE "POOL ID"

static const struct cli_command pool_verbs[] = {
    {.name = "list",
     .of = "pools",
     .summary = "the same as \"evergate pools\"",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .run = cli_pools},
    {.name = "policy",
     .of = "pools",
     .summary = "show a pool's policy, or change it at once in all workers",
     .operands = "POOL [KEY=VALUE]...",
     .help =
         "Without KEY=VALUE it prints every key. A key is written with dots (retry.attempts=3),\n"
         "a list with commas (retry.on=connect,reset); KEY= with nothing behind it gives the\n"
         "key back to the file. The change is checked as a whole, survives a reload, and takes\n"
         "effect before this returns.\n",
     .takes = CLI_ASKS,
     .run = cli_policy},
    {.name = "revert",
     .of = "pools",
     .summary = "give a pool back to its file",
     .operands = "POOL",
     .help = "Forgets everything that was said of it over the API, by hand or by a program:\n"
             "endpoints registered, changed and removed, and its policy. Prints what changed.\n",
     .takes = CLI_ASKS,
     .run = cli_revert},
    {.name = NULL},
};

static const struct cli_command endpoint_verbs[] = {
    {.name = "list",
     .of = "endpoints",
     .summary = "the same as \"evergate endpoints\"; for a pool that is called like a verb",
     .operands = "[POOL]",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .run = cli_endpoints},
    {.name = "add",
     .of = "endpoints",
     .summary = "register an endpoint",
     .operands = "POOL ID ADDRESS",
     .help = "It is checked first if the pool has health checks. It survives a reload.\n",
     .takes = CLI_ASKS | CLI_TAKES_FIELDS,
     .run = cli_endpoint_add},
    {.name = "set",
     .of = "endpoints",
     .summary = "change what is given of an endpoint, leave the rest",
     .operands = ONE,
     .help = "The change survives a reload; --unset gives a key back to the file.\n",
     .takes = CLI_ASKS | CLI_TAKES_FIELDS | CLI_TAKES_UNSET,
     .run = cli_endpoint_set},
    {.name = "remove",
     .of = "endpoints",
     .summary = "deregister an endpoint; what it holds is finished",
     .operands = ONE,
     .takes = CLI_ASKS,
     .run = cli_endpoint_remove},
    {.name = "drain",
     .of = "endpoints",
     .summary = "no new requests; those in flight go on",
     .operands = ONE,
     .takes = CLI_ASKS | CLI_TAKES_WHY,
     .run = cli_endpoint_drain},
    {.name = "undrain",
     .of = "endpoints",
     .summary = "back to work",
     .operands = ONE,
     .takes = CLI_ASKS | CLI_TAKES_WHY,
     .run = cli_endpoint_undrain},
    {.name = "trip",
     .of = "endpoints",
     .summary = "open its breaker, until it is reset",
     .operands = ONE,
     .takes = CLI_ASKS | CLI_TAKES_WHY,
     .run = cli_endpoint_trip},
    {.name = "reset",
     .of = "endpoints",
     .summary = "close its breaker, forget failures, ejection and stall",
     .operands = ONE,
     .takes = CLI_ASKS | CLI_TAKES_WHY,
     .run = cli_endpoint_reset},
    {.name = "check",
     .of = "endpoints",
     .summary = "check its health now; the verdict comes as an event",
     .operands = ONE,
     .takes = CLI_ASKS | CLI_TAKES_WHY,
     .run = cli_endpoint_check},
    {.name = NULL},
};

const struct cli_command cli_commands[] = {
    {.name = "run",
     .summary = "serve in the foreground",
     .help = "Signals:\n"
             "  SIGTERM, SIGINT     drain and exit 0; a second one exits at once\n"
             "  SIGHUP              reload the file\n"
             "  SIGUSR1             reopen the access log\n"
             "  SIGUSR2             start a new binary on the same sockets, then drain\n"
             "\nThe operator's log goes to standard error, the access log where `log.access` "
             "says.\n",
     .takes = CLI_TAKES_CONFIG,
     .run = cli_run},
    {.name = "demo",
     .summary = "three built-in backends and a proxy in front of them",
     .help = "Needs no file. Prints what to open and which curl lines to try.\n",
     .takes = CLI_TAKES_PORT,
     .run = cli_demo},
    {.name = "check",
     .summary = "validate a configuration file, without serving",
     .help = "Prints every mistake at once, one per line, as FILE:LINE: error: what is wrong; what "
             "to\nwrite instead. Exit code 0 when there is none, else 1.\n",
     .takes = CLI_TAKES_CONFIG,
     .run = cli_check},
    {.name = "doctor",
     .summary = "what is risky in a valid file, and on this machine",
     .help =
         "Prints errors, warnings and hints, each with why it matters and the line to write.\n"
         "Sends nothing, changes nothing, and needs no running instance. Exit code 0 when\n"
         "there are at most hints, else 1; a file with mistakes is as for \"evergate check\".\n",
     .takes = CLI_TAKES_CONFIG | CLI_TAKES_DOCTOR,
     .run = cli_doctor},
    {.name = "plan",
     .summary = "what a reload of a file would change",
     .help = "Changes nothing. + is added, - is removed, ~ is changed; below them what is kept,\n"
             "what would close, and the risk in one word. Exit code 0, also when something would\n"
             "change (see --exit-code); 1 when the file has mistakes, which are printed as by\n"
             "\"evergate check\".\n",
     .takes = CLI_TAKES_REMOTE | CLI_TAKES_PLANNED,
     .run = cli_plan},
    {.name = "reload",
     .summary = "apply the configuration file to the running instance",
     .help = "Returns when every worker serves from the new file, and prints what changed. A file\n"
             "with mistakes changes nothing: they are printed and the exit code is 1.\n",
     .takes = CLI_ASKS,
     .run = cli_reload},
    {.name = "status",
     .summary = "the running instance in one page",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .run = cli_status},
    {.name = "pools",
     .summary = "pools of the running instance and their policies",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .verbs = pool_verbs,
     .run = cli_pools},
    {.name = "endpoints",
     .summary = "endpoints of the running instance; add, change, drain them",
     .operands = "[POOL]",
     .help =
         "Below the table, a sentence for each endpoint that does not serve as it should: what\n"
         "failed, why, since when, and what comes next.\n",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .verbs = endpoint_verbs,
     .run = cli_endpoints},
    {.name = "providers",
     .summary = "where pools find their endpoints, and how that goes",
     .help = "A line per source of discovery; below the table, a sentence for each that does not\n"
             "answer, or whose answer had endpoints that were left out.\n",
     .takes = CLI_ASKS | CLI_TAKES_WATCH,
     .run = cli_providers},
    {.name = "events",
     .summary = "what happened: health, breakers, failover, reloads",
     .takes = CLI_ASKS | CLI_TAKES_EVENTS,
     .run = cli_events},
    {.name = "explain",
     .summary = "where a request would go, and why",
     .operands = "URL",
     .help =
         "URL is http://host/path or /path. Nothing is sent to a backend, nothing is counted.\n",
     .takes = CLI_ASKS | CLI_TAKES_REQUEST,
     .run = cli_explain},
    {.name = "drill", .summary = "rehearse a failure and measure the failover"},
    {.name = "top",
     .summary = "live view of the running instance",
     .help =
         "Pools and endpoints with their rates, redrawn each second; q or Ctrl-C ends it. What\n"
         "does not serve as it should stands first. Into a pipe: one snapshot, over a second.\n"
         "With --json: a line of JSON each second, rates as members of pools and endpoints.\n",
     .takes = CLI_ASKS | CLI_TAKES_COUNT,
     .run = cli_top},
    {.name = "completion",
     .summary = "what makes bash, zsh or fish complete evergate's words",
     .operands = "bash|zsh|fish",
     .help = "bash:  source <(evergate completion bash)\n"
             "zsh:   source <(evergate completion zsh), after compinit\n"
             "fish:  evergate completion fish | source\n"
             "\nPools and endpoints are asked of the running instance.\n",
     .run = cli_completion},
    {.name = "version", .summary = "print the version", .run = cli_version},
    {.name = "help",
     .summary = "this text, or a command's: help COMMAND",
     .operands = "[COMMAND] [VERB]",
     .run = cli_help},
    {.name = NULL},
};

enum { COMMAND_COUNT = sizeof(cli_commands) / sizeof(cli_commands[0]) - 1 };

static const struct cli_command *find(const struct cli_command *commands, const char *name)
{
    for (const struct cli_command *c = commands; c && c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const struct cli_command *cli_command_find(const char *name)
{
    return find(cli_commands, name);
}

const struct cli_command *cli_verb_find(const struct cli_command *command, const char *name)
{
    return find(command->verbs, name);
}

const char *cli_command_nearest(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = cli_commands[i].name;
    return nearest_word(name, names, COMMAND_COUNT);
}
