/*
 * What a shell completes: `evergate __complete WORD... CURRENT`, asked by the scripts in
 * completions/ each time somebody presses Tab. It answers from the tables that parse the command
 * line, and asks the running instance for names, so that no script can go stale.
 *
 * A line per candidate: the word, and behind a tab, for shells that show it, what it is. A line
 * ":files" stands for the names of files. When there is nothing to be said, or nobody to be asked,
 * nothing is printed: a prompt is no place for complaints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli_internal.h"
#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/table.h"

enum { TIMEOUT_MS = 1000 };

/* One question of a shell. */
struct completion {
    struct cli_scan scan;
    char *const *words;  /* from the command's name on */
    int count;           /* with the current one, the last */
    const char *current; /* what is there of the word already */
};

/* Names are of files and of the API: none may make a line of its own. */
static void offer(const char *current, const char *word, const char *what)
{
    char *printable;

    if (!*word || strncmp(word, current, strlen(current)) != 0)
        return;
    printable = cli_printable(word);
    if (strcmp(printable, word) == 0)
        printf("%s%s%.*s\n", word, *what ? "\t" : "", (int)strcspn(what, "\n"), what);
    free(printable);
}

static void offer_words(const char *current, const char *words, char separator)
{
    const char separators[] = {separator, '\0'};

    while (*words) {
        size_t n = strcspn(words, separators);
        char *word = xstrndup(words, n);

        offer(current, word, "");
        free(word);
        words += n + (words[n] == separator);
    }
}

static void offer_commands(const char *current, const struct cli_command *commands)
{
    for (const struct cli_command *c = commands; c && c->name; c++)
        if (c->run)
            offer(current, c->name, c->summary);
}

static json_t *ask(const struct completion *completion, const char *path)
{
    const struct cli_options options = {.admin = completion->scan.admin,
                                        .token_file = completion->scan.token_file,
                                        .config = completion->scan.config};
    struct remote remote;
    json_t *answer = NULL;

    if (remote_init(&remote, "completion", &options) != CLI_GOOD)
        return NULL;
    remote.quiet = true;
    remote.timeout_ms = TIMEOUT_MS;
    if (remote_get(&remote, path, &answer) != CLI_GOOD)
        answer = NULL;
    remote_fini(&remote);
    return answer;
}

static void offer_members(const char *current, const json_t *array, const char *key,
                          const char *what_key)
{
    const json_t *element;
    size_t i;

    json_array_foreach(array, i, element)
        offer(current, remote_text(element, key), remote_text(element, what_key));
}

static void offer_pools(const struct completion *completion, const char *current)
{
    json_t *answer = ask(completion, "/api/v1/pools?endpoints=false");

    offer_members(current, json_object_get(answer, "pools"), "name", "summary");
    json_decref(answer);
}

static void offer_listeners(const struct completion *completion, const char *current)
{
    json_t *answer = ask(completion, "/api/v1/status");

    offer_members(current, json_object_get(answer, "listeners"), "name", "address");
    json_decref(answer);
}

/* The first operand: the pool that the others are of. */
static const char *pool_of(const struct completion *completion)
{
    const struct cli_command *command = cli_command_find(completion->words[0]);

    for (int i = 1; i < completion->count - 1; i++) {
        struct cli_scan before = cli_scan(command, i, completion->words);
        struct cli_scan after = cli_scan(command, i + 1, completion->words);

        if (after.operands == 1 && before.operands == 0)
            return completion->words[i];
    }
    return "";
}

static void offer_endpoints(const struct completion *completion, const char *current)
{
    char *path = remote_pool_path(pool_of(completion), "/endpoints");
    json_t *answer = ask(completion, path);

    offer_members(current, json_object_get(answer, "endpoints"), "id", "address");
    json_decref(answer);
    free(path);
}

static void offer_key(void *arg, const char *key, const json_t *value)
{
    char *word = xasprintf("%s=", key), *now = fields_value_text(value);

    offer(arg, word, now);
    free(word);
    free(now);
}

static void offer_policy(const struct completion *completion, const char *current)
{
    char *path = remote_pool_path(pool_of(completion), "/policy");
    json_t *answer = ask(completion, path);

    fields_each(answer, offer_key, (void *)current);
    json_decref(answer);
    free(path);
}

static void offer_verbs_of(const struct completion *completion, const char *current)
{
    const struct cli_command *command =
        completion->count > 1 ? cli_command_find(completion->words[completion->count - 2]) : NULL;

    offer_commands(current, command ? command->verbs : NULL);
}

static void offer_all_commands(const struct completion *completion, const char *current)
{
    offer_commands(current, cli_commands);
}

/* What stands for a kind of word in the tables: an operand's name, or an option's argument. */
static void offer_named(const struct completion *completion, struct slice name, const char *current)
{
    static const struct {
        const char *name;
        void (*offer)(const struct completion *completion, const char *current);
    } kinds[] = {{"POOL", offer_pools},           {"ID", offer_endpoints},
                 {"NAME", offer_listeners},       {"KEY=VALUE", offer_policy},
                 {"COMMAND", offer_all_commands}, {"VERB", offer_verbs_of}};
    char *words;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (slice_eq(name, slice_str(kinds[i].name)))
            kinds[i].offer(completion, current);
    if (slice_eq(name, SLICE_LIT("FILE")))
        printf(":files\n");
    words = xstrndup(name.p, name.n);
    if (strchr(words, '|'))
        offer_words(current, words, '|');
    free(words);
}

static void offer_argument(const struct completion *completion, const struct cli_option *option,
                           const char *current)
{
    /* An endpoint's --metadata KEY=VALUE is no policy's. */
    if (option->words)
        offer_words(current, option->words, ' ');
    else if (option->kind == CLI_OPTION_TEXT)
        offer_named(completion, slice_str(option->argument), current);
}

static void offer_options(const struct completion *completion)
{
    unsigned takes = completion->scan.command->takes | CLI_TAKES_ALL;

    for (const struct cli_option *o = cli_option_table; o->name; o++) {
        char *word = xasprintf("--%s", o->name);

        if (o->takers & takes)
            offer(completion->current, word, o->help);
        free(word);
    }
}

static void offer_operand(const struct completion *completion)
{
    const struct cli_command *command = completion->scan.command;
    unsigned n = completion->scan.operands;
    struct cli_operand operand;

    if (n == 0 && completion->scan.verb == 0)
        offer_commands(completion->current, command->verbs);
    if (cli_operand(command, n, &operand))
        offer_named(completion, operand.name, completion->current);
}

/* "--color=al": the option whose argument is begun in the same word, and what is there of it. */
static const struct cli_option *joined_option(const struct completion *completion,
                                              const char **ret_begun)
{
    unsigned takes = completion->scan.command->takes | CLI_TAKES_ALL;
    const char *word = completion->current;
    size_t n = strcspn(word, "=");

    if (strncmp(word, "--", 2) != 0 || word[n] == '\0')
        return NULL;
    for (const struct cli_option *o = cli_option_table; o->name; o++) {
        if (!(o->takers & takes) || !o->argument || strlen(o->name) != n - 2 ||
            strncmp(o->name, word + 2, n - 2) != 0)
            continue;
        *ret_begun = word + n + 1;
        return o;
    }
    return NULL;
}

/* The scripts take what is behind the last '=' for the word, as their shells do. */
static void complete(const struct completion *completion)
{
    const char *begun = NULL;
    const struct cli_option *joined = joined_option(completion, &begun);

    if (completion->scan.expects && !cli_option_may_stand_alone(completion->scan.expects))
        offer_argument(completion, completion->scan.expects, completion->current);
    else if (joined)
        offer_argument(completion, joined, begun);
    else if (completion->current[0] == '-')
        offer_options(completion);
    else
        offer_operand(completion);
}

int cli_complete(int count, char *const *words)
{
    const struct cli_command *command;

    if (count < 1 || !freopen("/dev/null", "w", stderr))
        return CLI_USAGE;
    if (count == 1) {
        offer_commands(words[0], cli_commands);
        offer_words(words[0], "--help --version", ' ');
        return CLI_GOOD;
    }
    command = cli_command_find(words[0]);
    if (command && command->run) {
        struct completion completion = {.scan = cli_scan(command, count - 1, words),
                                        .words = words,
                                        .count = count,
                                        .current = words[count - 1]};

        complete(&completion);
    }
    return CLI_GOOD;
}
