/* The table of commands: what `evergate` can do, and what it will be able to. */
#include <string.h>

#include "base/nearest.h"
#include "cli/cli_internal.h"

#define CONFIG_HELP "  -c, --config FILE   the configuration file (required)\n"
#define COMMON_HELP "  -h, --help          this text\n"
#define ADMIN_HELP                                                                                 \
    "  -a, --admin ADDR    where management is: host:port or unix:/path (default: what -c says,\n" \
    "                      else unix:/run/evergate/admin.sock, else 127.0.0.1:9900)\n"             \
    "  -c, --config FILE   take address and token file from this configuration\n"                  \
    "  -t, --token-file FILE   the token that management asks for\n"                               \
    "  -j, --json          the API's own JSON\n" COMMON_HELP

const struct cli_command cli_commands[] = {
    {.name = "run",
     .summary = "serve in the foreground",
     .arguments = "-c FILE",
     .help = CONFIG_HELP COMMON_HELP
     "\nSignals:\n"
     "  SIGTERM, SIGINT     drain and exit 0; a second one exits at once\n"
     "  SIGUSR1             reopen the access log\n"
     "\nThe operator's log goes to standard error, the access log where `log.access` says.\n",
     .takes = CLI_TAKES_CONFIG,
     .run = cli_run},
    {.name = "demo",
     .summary = "three built-in backends and a proxy in front of them",
     .arguments = "[--port PORT]",
     .help =
         "  -p, --port PORT     where the proxy listens on 127.0.0.1 (default 8080)\n" COMMON_HELP
         "\nNeeds no file. Prints what to open and which curl lines to try.\n",
     .takes = CLI_TAKES_PORT,
     .run = cli_demo},
    {.name = "check",
     .summary = "validate a configuration file, without serving",
     .arguments = "-c FILE",
     .help = CONFIG_HELP COMMON_HELP
     "\nPrints every mistake at once, one per line, as FILE:LINE: error: what is wrong; what to\n"
     "write instead. Exit code 0 when there is none, else 1.\n",
     .takes = CLI_TAKES_CONFIG,
     .run = cli_check},
    {.name = "plan", .summary = "what a reload of a file would change"},
    {.name = "reload", .summary = "apply the configuration file to the running instance"},
    {.name = "status",
     .summary = "the running instance in one page",
     .arguments = "[--admin ADDR]",
     .help = ADMIN_HELP,
     .takes = CLI_TAKES_ADMIN,
     .run = cli_status},
    {.name = "pools",
     .summary = "pools of the running instance",
     .arguments = "[--admin ADDR]",
     .help = ADMIN_HELP,
     .takes = CLI_TAKES_ADMIN,
     .run = cli_pools},
    {.name = "endpoints",
     .summary = "endpoints of the running instance",
     .arguments = "[POOL] [--admin ADDR]",
     .help = ADMIN_HELP
     "\nBelow the table, a sentence for each endpoint that does not serve as it should: what\n"
     "failed, why, since when, and what comes next.\n",
     .takes = CLI_TAKES_ADMIN | CLI_TAKES_POOL,
     .run = cli_endpoints},
    {.name = "events",
     .summary = "what happened: health, breakers, failover, reloads",
     .arguments = "[--since ID] [--follow] [--admin ADDR]",
     .help = "  -s, --since ID      all that came after that event (default: the latest 100)\n"
             "  -f, --follow        go on, until interrupted\n" ADMIN_HELP,
     .takes = CLI_TAKES_ADMIN | CLI_TAKES_EVENTS,
     .run = cli_events},
    {.name = "explain", .summary = "where a request would go, and why"},
    {.name = "drill", .summary = "rehearse a failure and measure the failover"},
    {.name = "top", .summary = "live view of the running instance"},
    {.name = "version",
     .summary = "print the version",
     .arguments = "",
     .help = COMMON_HELP,
     .run = cli_version},
    {.name = "help",
     .summary = "this text, or a command's: help COMMAND",
     .arguments = "[COMMAND]",
     .help = COMMON_HELP,
     .run = cli_help},
    {.name = NULL},
};

enum { COMMAND_COUNT = sizeof(cli_commands) / sizeof(cli_commands[0]) - 1 };

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const char *cli_command_nearest(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = cli_commands[i].name;
    return nearest_word(name, names, COMMAND_COUNT);
}
