/*
 * For the files of cli/ only: commands, their options, their help.
 *
 * Three tables say all there is: the commands and their verbs (commands.c), and the options
 * (option_table.c). What is parsed, what --help prints and what a shell completes are read from
 * them. To add a command: one entry in commands.c, one function here.
 */
#ifndef EVERGATE_CLI_CLI_INTERNAL_H
#define EVERGATE_CLI_CLI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* The contract's exit codes; CLI_WOULD_CHANGE is `plan --exit-code` alone. */
enum cli_exit {
    CLI_GOOD = 0,
    CLI_BAD = 1,
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_WOULD_CHANGE = 4,
};

enum cli_when { CLI_AUTO, CLI_ALWAYS, CLI_NEVER };

enum { CLI_OPERANDS_MAX = 64, CLI_GIVEN_MAX = 64 };

/* An option that may be given more than once, or that only one command makes something of. */
struct cli_given {
    const struct cli_option *option;
    const char *text; /* NULL: given without an argument */
};

/* Everything that any command can be given. Texts point into argv; NULL: not given. */
struct cli_options {
    bool help;
    const char *operands[CLI_OPERANDS_MAX]; /* arguments without a dash, a verb not among them */
    unsigned operand_count;
    const char *config;
    uint16_t port;
    const char *admin, *token_file; /* to talk to a running instance: see remote.h */
    bool json;
    enum cli_when colours;
    unsigned watch_ms; /* 0: once */
    uint64_t count;    /* 0: not given */
    bool has_since, follow, exit_code;
    uint64_t since;
    bool strict, no_system; /* of `doctor` */
    const char *why, *method, *client, *listener;
    struct cli_given given[CLI_GIVEN_MAX];
    unsigned given_count;
};

/* Which options a command takes. */
enum cli_option_bits {
    CLI_TAKES_CONFIG = 1 << 0,  /* the file to serve or to check: needed */
    CLI_TAKES_PLANNED = 1 << 1, /* the file to plan: needed */
    CLI_TAKES_REMOTE = 1 << 2,  /* talks to a running instance */
    CLI_TAKES_ADDRESS = 1 << 3, /* a file to take its address from */
    CLI_TAKES_WATCH = 1 << 4,
    CLI_TAKES_PORT = 1 << 5,
    CLI_TAKES_EVENTS = 1 << 6,
    CLI_TAKES_FIELDS = 1 << 7, /* an endpoint's settings */
    CLI_TAKES_UNSET = 1 << 8,
    CLI_TAKES_WHY = 1 << 9,
    CLI_TAKES_REQUEST = 1 << 10,
    CLI_TAKES_COUNT = 1 << 11,
    CLI_TAKES_ALL = 1 << 12, /* every command */
    CLI_TAKES_DOCTOR = 1 << 13,
    CLI_ASKS = CLI_TAKES_REMOTE | CLI_TAKES_ADDRESS,
};

enum cli_option_kind {
    CLI_OPTION_FLAG,
    CLI_OPTION_TEXT,
    CLI_OPTION_PORT,
    CLI_OPTION_NUMBER,
    CLI_OPTION_SINCE,      /* a number, and that it was given */
    CLI_OPTION_COLOURS,    /* always, never, auto */
    CLI_OPTION_SECONDS,    /* may stand without; then 1 */
    CLI_OPTION_HEADER,     /* "Name: value"; these and all below are given */
    CLI_OPTION_FIELD_TEXT, /* a member of an endpoint's object */
    CLI_OPTION_FIELD_NUMBER,
    CLI_OPTION_FIELD_BOOL, /* true when it stands without */
    CLI_OPTION_FIELD_LIST,
    CLI_OPTION_FIELD_PAIR, /* KEY=VALUE of an object */
    CLI_OPTION_FIELD_NULL, /* its argument names the member */
};

struct cli_option {
    const char *name;
    int letter;           /* 0: none */
    const char *argument; /* in the help; NULL: it takes none. "[...]": it may stand without */
    const char *help;     /* lines */
    unsigned takers;      /* enum cli_option_bits: commands with one of these take it */
    enum cli_option_kind kind;
    size_t offset;     /* of its member in struct cli_options, unless it is given */
    const char *words; /* what its argument may be, with spaces between; NULL: anything */
    const char *key;   /* the member of the API's object */
};

/* In the order of the help; ends with a NULL name. */
extern const struct cli_option cli_option_table[];

static inline bool cli_option_may_stand_alone(const struct cli_option *option)
{
    return option->argument && option->argument[0] == '[';
}

struct cli_command {
    const char *name;
    const char *summary;  /* one line of `evergate --help` */
    const char *operands; /* "POOL ID", "[POOL]", "POOL [KEY=VALUE]..."; NULL: none */
    const char *help;     /* what `evergate NAME --help` prints below the options; NULL: nothing */
    unsigned takes;       /* enum cli_option_bits */
    const char *of;       /* a verb's command; NULL: it is none */
    const struct cli_command *verbs; /* which its first argument may name; NULL: none */
    int (*run)(const struct cli_options *options); /* NULL: not built yet */
};

/* In the order of the help; ends with a NULL name. */
extern const struct cli_command cli_commands[];

/* NULL when there is none of that name. */
const struct cli_command *cli_command_find(const char *name);
const struct cli_command *cli_verb_find(const struct cli_command *command, const char *name);

/* The command's name nearest to a mistyped one; NULL when nothing is near. */
const char *cli_command_nearest(const char *name);

/* The n-th operand of `command`. False: it takes no more than n. */
struct cli_operand {
    struct slice name; /* "POOL", "KEY=VALUE" */
    bool optional;
};
bool cli_operand(const struct cli_command *command, unsigned n, struct cli_operand *ret_operand);

/* "2", "0.5". */
bool cli_is_number(const char *word);

/* What the words of a line amount to, wrong ones too: where the verb is, and what comes next. */
struct cli_scan {
    const struct cli_command *command;       /* or its verb */
    int verb;                                /* its place among the words; 0: none */
    unsigned operands;                       /* how many, the verb not among them */
    const struct cli_option *expects;        /* the option whose argument comes next; NULL: none */
    const char *admin, *token_file, *config; /* of the options */
};
/* words[0] is the command's name. Pure. */
struct cli_scan cli_scan(const struct cli_command *command, int count, char *const *words);

/* argv[0] is the command's name; the verb, if any, is not there any more. 0, or EG_E_INTERNAL with
 * a sentence in *ret_why (heap). Pure but for getopt's own state. */
int cli_options_parse(struct cli_options *ret_options, const struct cli_command *command, int argc,
                      char **argv, char **ret_why) WARN_UNUSED;

void cli_print_help(void);
void cli_print_command_help(const struct cli_command *command);

/* Serves until drained; the exit code. Takes the caller's reference: a reload may be the end of
 * that configuration. `on_start`, if given, is called when everything is bound and nothing is
 * served yet. */
struct config;
struct server;
struct admin;
int cli_serve(struct config **config,
              void (*on_start)(const struct server *server, const struct admin *admin));

int cli_run(const struct cli_options *options);
int cli_check(const struct cli_options *options);
int cli_doctor(const struct cli_options *options);
int cli_demo(const struct cli_options *options);
int cli_plan(const struct cli_options *options);
int cli_reload(const struct cli_options *options);
int cli_status(const struct cli_options *options);
int cli_pools(const struct cli_options *options);
int cli_policy(const struct cli_options *options);
int cli_revert(const struct cli_options *options);
int cli_endpoints(const struct cli_options *options);
int cli_endpoint_add(const struct cli_options *options);
int cli_endpoint_set(const struct cli_options *options);
int cli_endpoint_remove(const struct cli_options *options);
int cli_endpoint_drain(const struct cli_options *options);
int cli_endpoint_undrain(const struct cli_options *options);
int cli_endpoint_trip(const struct cli_options *options);
int cli_endpoint_reset(const struct cli_options *options);
int cli_endpoint_check(const struct cli_options *options);
int cli_providers(const struct cli_options *options);
int cli_events(const struct cli_options *options);
int cli_explain(const struct cli_options *options);
int cli_top(const struct cli_options *options);
int cli_completion(const struct cli_options *options);
/* `evergate __complete WORD...`, what the shells' scripts ask: see completion.c. */
#define CLI_COMPLETE "__complete"
int cli_complete(int count, char *const *words);
int cli_version(const struct cli_options *options);
int cli_help(const struct cli_options *options);

#endif
