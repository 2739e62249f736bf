/*
 * For the files of cli/ only: commands, their options, their help.
 *
 * To add a command: one entry in commands.c, one function here.
 */
#ifndef EVERGATE_CLI_CLI_INTERNAL_H
#define EVERGATE_CLI_CLI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The contract's exit codes. */
enum cli_exit { CLI_GOOD = 0, CLI_BAD = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3 };

/* Everything that any command can be given. */
struct cli_options {
    const char *config; /* NULL: not given; points into argv */
    uint16_t port;
    bool help;
    /* To talk to a running instance: see remote.h. */
    const char *admin, *token_file; /* NULL: not given */
    bool json;
    const char *pool; /* NULL: all */
    bool has_since, follow;
    uint64_t since;
};

enum cli_option_bits {
    CLI_TAKES_CONFIG = 1, /* and needs it */
    CLI_TAKES_PORT = 2,
    CLI_TAKES_ADMIN = 4, /* talks to a running instance */
    CLI_TAKES_EVENTS = 8,
    CLI_TAKES_POOL = 16, /* an argument without a letter */
};

struct cli_command {
    const char *name;
    const char *summary;   /* one line of `evergate --help` */
    const char *arguments; /* behind the name in its usage line */
    const char *help;      /* what `evergate NAME --help` prints below the usage line */
    unsigned takes;        /* enum cli_option_bits */
    int (*run)(const struct cli_options *options); /* NULL: not built yet */
};

/* NULL when there is none of that name. */
const struct cli_command *cli_command_find(const char *name);

/* In the order of the help; ends with a NULL name. */
extern const struct cli_command cli_commands[];

/* The command's name nearest to a mistyped one; NULL when nothing is near. */
const char *cli_command_nearest(const char *name);

/* argv[0] is the command's name. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). Pure but
 * for getopt's own state. */
int cli_options_parse(struct cli_options *ret_options, const struct cli_command *command, int argc,
                      char **argv, char **ret_why) WARN_UNUSED;

void cli_print_help(void);
void cli_print_command_help(const struct cli_command *command);

/* Serves until drained; the exit code. `config` stays the caller's. `on_start`, if given, is called
 * when everything is bound and nothing is served yet. */
struct config;
struct server;
struct admin;
int cli_serve(struct config *config,
              void (*on_start)(const struct server *server, const struct admin *admin));

int cli_run(const struct cli_options *options);
int cli_check(const struct cli_options *options);
int cli_demo(const struct cli_options *options);
int cli_status(const struct cli_options *options);
int cli_pools(const struct cli_options *options);
int cli_endpoints(const struct cli_options *options);
int cli_events(const struct cli_options *options);
int cli_version(const struct cli_options *options);
int cli_help(const struct cli_options *options);

#endif
