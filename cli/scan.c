/* Words of a command line, as far as they go: see cli_scan in cli_internal.h. Both who runs a
 * command and who completes one ask here, so that the two agree on what a word is. */
#include <string.h>

#include "cli/cli_internal.h"

bool cli_is_number(const char *word)
{
    return *word && strspn(word, "0123456789.") == strlen(word);
}

bool cli_operand(const struct cli_command *command, unsigned n, struct cli_operand *ret_operand)
{
    const char *word = command->operands ? command->operands : "";
    struct cli_operand operand;
    size_t size;

    for (;; word += size, word += strspn(word, " "), n--) {
        bool repeats;

        size = strcspn(word, " ");
        repeats = size > 3 && memcmp(word + size - 3, "...", 3) == 0;
        if (size == 0)
            return false;
        if (n > 0 && !repeats)
            continue;
        operand.name = slice_from(word, repeats ? size - 3 : size);
        operand.optional = word[0] == '[';
        if (operand.optional)
            operand.name = slice_from(word + 1, operand.name.n - 2);
        *ret_operand = operand;
        return true;
    }
}

/* As the command's own, or of one of its verbs: where the verb is not known yet, any of them may be
 * meant. */
static bool takes(const struct cli_command *command, const struct cli_option *option)
{
    if (option->takers & (command->takes | CLI_TAKES_ALL))
        return true;
    for (const struct cli_command *v = command->verbs; v && v->name; v++)
        if (option->takers & v->takes)
            return true;
    return false;
}

/* Of `size` characters, or by letter where there is no name. */
static const struct cli_option *find_option(const struct cli_command *command, const char *name,
                                            size_t size, int letter)
{
    for (const struct cli_option *o = cli_option_table; o->name; o++) {
        bool named = name ? strlen(o->name) == size && memcmp(o->name, name, size) == 0
                          : o->letter == letter;

        if (named && takes(command, o))
            return o;
    }
    return NULL;
}

/* The option that a word names: "--weight", "--weight=3", "-a", "-aADDR", "-jw"; of several letters
 * the last. *ret_value: what is in the word itself; NULL: nothing. */
static const struct cli_option *option_of(const struct cli_command *command, const char *word,
                                          const char **ret_value)
{
    const struct cli_option *option = NULL;
    size_t size;

    *ret_value = NULL;
    if (word[1] == '-') {
        size = strcspn(word + 2, "=");
        *ret_value = word[2 + size] ? word + 2 + size + 1 : NULL;
        return find_option(command, word + 2, size, 0);
    }
    for (word++; *word; word++) {
        option = find_option(command, NULL, 0, *word);
        if (!option || option->argument)
            break;
    }
    *ret_value = *word && word[1] ? word + 1 : NULL;
    return option;
}

static void scan_value(struct cli_scan *scan, const struct cli_option *option, const char *value)
{
    if (strcmp(option->name, "admin") == 0)
        scan->admin = value;
    else if (strcmp(option->name, "token-file") == 0)
        scan->token_file = value;
    else if (strcmp(option->name, "config") == 0)
        scan->config = value;
}

/* What may stand alone takes the next word only when that is a number: "--watch 2". */
static bool is_argument(const struct cli_option *option, const char *word)
{
    return !cli_option_may_stand_alone(option) || cli_is_number(word);
}

static void scan_option(struct cli_scan *scan, const char *word)
{
    const char *value = NULL;
    const struct cli_option *option = option_of(scan->command, word, &value);

    if (!option || !option->argument)
        return;
    if (value)
        scan_value(scan, option, value);
    else if (!cli_option_may_stand_alone(option) || option->kind == CLI_OPTION_SECONDS)
        scan->expects = option;
}

static void scan_operand(struct cli_scan *scan, const char *word, int place)
{
    const struct cli_command *verb = NULL;

    if (scan->verb == 0 && scan->operands == 0)
        verb = cli_verb_find(scan->command, word);
    if (verb) {
        scan->command = verb;
        scan->verb = place;
    } else {
        scan->operands++;
    }
}

struct cli_scan cli_scan(const struct cli_command *command, int count, char *const *words)
{
    struct cli_scan scan = {.command = command};
    bool only_operands = false;

    for (int i = 1; i < count; i++) {
        const char *word = words[i];

        if (scan.expects && is_argument(scan.expects, word)) {
            scan_value(&scan, scan.expects, word);
            scan.expects = NULL;
            continue;
        }
        scan.expects = NULL;
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && word[0] == '-' && word[1] != '\0') {
            scan_option(&scan, word);
        } else {
            scan_operand(&scan, word, i);
        }
    }
    return scan;
}
