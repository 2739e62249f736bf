/* The word splitter: what a shell would split is split alike, and what only a shell understands is
 * refused. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/command_internal.h"
#include "support.h"

/* The words with a "|" behind each (heap), or "why: " and the mistake. */
static char *split(const char *text)
{
    struct arena arena;
    const char **argv;
    char *why, *all;

    arena_init(&arena);
    argv = config_command_split(text, &arena, &why);
    cr_assert(argv == NULL || why == NULL);
    all = why != NULL ? xasprintf("why: %s", why) : xstrdup(argv == NULL ? "none" : "");
    for (; argv != NULL && *argv != NULL; argv++) {
        char *longer = xasprintf("%s%s|", all, *argv);

        free(all);
        all = longer;
    }
    free(why);
    arena_fini(&arena);
    return all;
}

static void check_split(const char *text, const char *expected)
{
    char *words = split(text);

    cr_expect_str_eq(words, expected, "%s: %s instead of %s", text, words, expected);
    free(words);
}

static void check_refused(const char *text, const char *says)
{
    char *words = split(text);

    cr_expect(strncmp(words, "why: ", 5) == 0 && strstr(words, says) != NULL, "%s: %s without %s",
              text, words, says);
    free(words);
}

Test(command, words_are_what_white_space_separates)
{
    check_split("", "none");
    check_split("a", "a|");
    check_split("  a  ", "a|");
    check_split("a b", "a|b|");
    check_split("\ta\t\n b\r\n", "a|b|");
    check_split("/usr/bin/systemctl restart app@1.service",
                "/usr/bin/systemctl|restart|app@1.service|");
}

Test(command, single_quotes_hold_everything_as_it_is)
{
    check_split("sh -c 'a | b; c $X `d` \"e\" \\'", "sh|-c|a | b; c $X `d` \"e\" \\|");
    check_split("a ''", "a||");
    check_split("a'b c'd", "ab cd|");
    check_split("'a''b'", "ab|");
    check_split("a '\n'", "a|\n|");
    check_split("a '#' '*' '~'", "a|#|*|~|");
}

Test(command, double_quotes_let_a_backslash_guard_four_characters)
{
    check_split("a \"b c\"", "a|b c|");
    check_split("a \"\"", "a||");
    check_split("a\"b\"'c'd", "abcd|");
    check_split("a \"'\"", "a|'|");
    check_split("a \"\\\"\\\\\\$\\`\"", "a|\"\\$`|");
    check_split("a \"\\n\\x\\'\"", "a|\\n\\x\\'|");
    check_split("a \"|\" \"$(b)\" \"c;\"", "a|||$(b)|c;|");
}

Test(command, a_backslash_elsewhere_guards_any_character)
{
    check_split("a b\\ c", "a|b c|");
    check_split("a \\'b\\'", "a|'b'|");
    check_split("a \\\"", "a|\"|");
    check_split("a \\\\", "a|\\|");
    check_split("a \\| \\& \\; \\< \\> \\( \\` \\$(x)", "a|||&|;|<|>|(|`|$(x)|");
    check_split("find . -exec rm {} \\;", "find|.|-exec|rm|{}|;|");
    check_split("a \\n", "a|n|");
}

Test(command, signs_inside_a_word_are_plain)
{
    check_split("curl http://a/?b=1&c=2;d", "curl|http://a/?b=1&c=2;d|");
    check_split("a b|c d<e f>g h(i) j`k`", "a|b|c|d<e|f>g|h(i)|j`k`|");
    check_split("a x$(b) *.txt ~/c # [d] {e} !f =g", "a|x$(b)|*.txt|~/c|#|[d]|{e}|!f|=g|");
    check_split("a 2 22x 3=4", "a|2|22x|3=4|");
    check_split("a $ $b ${EG_POOL} $$", "a|$|$b|${EG_POOL}|$$|");
}

Test(command, what_only_a_shell_understands_is_refused)
{
    static const char *const signs[] = {
        "|",  "||", "&",  "&&", ";",  "<",    ">",        ">>",   "<<x", "(b)", "`b`", "$(b)", "|b",
        "&b", ";b", "<b", ">b", "2>", "2>&1", "2>/dev/x", "10<b", "b;",  "b&",  "b;;", "'b';"};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        char *text = xasprintf("a %s c", signs[i]);
        char *says = xasprintf("\"%s\" is for a shell, and none runs the command; write sh -c "
                               "'...' if you want one, or quotes around it",
                               signs[i]);

        check_refused(text, says);
        free(text);
        free(says);
    }
    check_refused("(a)", "\"(a)\" is for a shell");
    check_refused("`which a` b", "\"`which\" is for a shell");
}

Test(command, what_is_not_closed_is_refused)
{
    check_refused("a 'b", "a ' is not closed");
    check_refused("a \"b", "a \" is not closed");
    check_refused("a \"b\\", "a \" is not closed");
    check_refused("a \"b\\\"", "a \" is not closed");
    check_refused("a '", "a ' is not closed");
    check_refused("a b\\", "a backslash at the end guards nothing");
}

Test(command, without_a_program_is_refused)
{
    check_refused(" ", "it names no program");
    check_refused("\t\n", "it names no program");
    check_refused("'' a", "it names no program");
    check_refused("\"\"", "it names no program");
}

Test(command, references_without_braces_are_refused_where_nobody_would_fill_them_in)
{
    check_refused("restart $EG_ENDPOINT_ID now",
                  "\"$EG_ENDPOINT_ID\" is not filled in; write it with braces, ${EG_...}");
    check_refused("restart app@$EG_POOL", "\"$EG_POOL\" is not filled in");
    check_split("sh -c 'echo $EG_POOL'", "sh|-c|echo $EG_POOL|");
    check_split("sh -c \"echo $EG_POOL\"", "sh|-c|echo $EG_POOL|");
    check_split("a \\$EG_POOL", "a|$EG_POOL|");
}

static char *repeat_words(size_t count)
{
    char *text = xmalloc(2 * count + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(text + 2 * i, "a ", 2);
    text[2 * count] = '\0';
    return text;
}

Test(command, has_a_limit_of_words)
{
    char *most = repeat_words(256), *more = repeat_words(257), *words = split(most);

    cr_expect_eq(strlen(words), 512);
    check_refused(more, "it has more than 256 words");
    free(words);
    free(most);
    free(more);
}

/* ---- as keys ---- */

Test(command, of_a_recovery_is_words_with_its_references_kept)
{
    struct config *c;
    const char **argv;

    setenv("EG_POOL", "not this one", 1);
    setenv("UNIT_TEST_DIR", "/opt/a b", 1);
    c = support_load(
        IN_POOL("health = { }; recovery = { command = \"'${UNIT_TEST_DIR}/fix' ${EG_POOL} "
                "x-${EG_ENDPOINT_ID}:${EG_ATTEMPT} $$5\"; };"));
    argv = c->pools[0].recovery->command.argv;
    cr_expect_str_eq(argv[0], "/opt/a b/fix");
    cr_expect_str_eq(argv[1], "${EG_POOL}");
    cr_expect_str_eq(argv[2], "x-${EG_ENDPOINT_ID}:${EG_ATTEMPT}");
    cr_expect_str_eq(argv[3], "$5");
    cr_expect_null(argv[4]);
    config_unref(&c);
}

Test(command, of_a_check_is_words_with_its_references_kept)
{
    struct config *c = support_load(
        LISTENER "pools = ( { backends = ( { address = \"a:80\"; } ); health = { type = \"exec\"; "
                 "command = \"/usr/lib/check -H ${EG_HOST} -p ${EG_PORT}\"; }; } );\n");
    const char **argv = c->pools[0].health->command.argv;

    cr_expect_eq(c->pools[0].health->type, CONFIG_HEALTH_EXEC);
    cr_expect_str_eq(argv[2], "${EG_HOST}");
    cr_expect_str_eq(argv[4], "${EG_PORT}");
    cr_expect_null(argv[5]);
    config_unref(&c);
}

Test(command, shells_may_be_given_values_outside_of_their_script)
{
    static const char *const good[] = {
        "sh -c 'logger \\\"$EG_REASON\\\"'",
        "sh -c 'logger \\\"$1\\\"' sh ${EG_REASON}",
        "sh /opt/fix.sh ${EG_REASON}",
        "sh -x /opt/fix.sh ${EG_REASON}",
        "/opt/sh.py -c ${EG_REASON}",
        "sh -c",
        "sh",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *text = xasprintf(IN_POOL("health = { }; recovery = { command = \"%s\"; };"), good[i]);
        struct config *c = support_load(text);

        config_unref(&c);
        free(text);
    }
}

Test(command, references_elsewhere_are_the_environments)
{
    struct config *c;

    setenv("EG_UNIT_TEST", "7.7.7.7", 1);
    c = support_load(LISTENER "pools = ( { backends = ( { address = \"${EG_UNIT_TEST}:80\"; "
                              "metadata = { command = \"${EG_UNIT_TEST}\"; }; } ); } );\n");
    cr_expect_str_eq(c->pools[0].backends[0].address, "7.7.7.7:80");
    cr_expect_str_eq(c->pools[0].backends[0].metadata[0].value, "7.7.7.7");
    config_unref(&c);
}

Test(command, mistakes_in_it_are_told_with_their_line)
{
    static const struct support_mistake table[] = {
        {IN_POOL("health = { }; recovery = { command = \"a | b\"; };"), 3,
         "pool \"app\": recovery: command: \"|\" is for a shell, and none runs the command"},
        {IN_POOL("health = { }; recovery = { command = \"a 'b\"; };"), 3,
         "recovery: command: a ' is not closed"},
        {IN_POOL("health = { }; recovery = { command = 1; };"), 3,
         "command must be a string, not an integer; write command = \"PROGRAM ARGUMENT ...\""},
        {IN_POOL("health = { }; recovery = { command = [ \"a\" ]; };"), 3,
         "command must be a string, not a list"},
        {IN_POOL("health = { type = \"exec\"; command = \"  \"; };"), 3,
         "health: command: it names no program; write \"PROGRAM ARGUMENT ...\""},
        {IN_POOL("health = { }; recovery = { command = \"a ${EG_ENDPOINT}\"; };"), 3,
         "command: ${EG_ENDPOINT} is not known here; write one of EG_POOL, EG_ENDPOINT_ID, "
         "EG_ADDRESS, EG_HOST, EG_PORT, EG_ATTEMPT, EG_STATUS, EG_REASON, EG_SINCE"},
        {IN_POOL("health = { type = \"exec\"; command = \"a ${EG_ATTEMPT}\"; };"), 3,
         "command: ${EG_ATTEMPT} is not known here; write one of EG_POOL, EG_ENDPOINT_ID, "
         "EG_ADDRESS, EG_HOST, EG_PORT"},
        {IN_POOL("health = { }; recovery = { command = \"a ${EG_POOL:-b}\"; };"), 3,
         "${EG_POOL} is filled in when the command is run and takes no default; write it without"},
        {IN_POOL("health = { }; recovery = { command = \"sh -c 'logger ${EG_REASON}'\"; };"), 3,
         "command: ${EG_REASON} would become a part of the shell's script, whatever is in it; "
         "write \"$EG_REASON\" there, without braces, which is in its environment"},
        {IN_POOL("health = { }; recovery = { command = \"sudo /bin/bash -e -uc ${EG_POOL} x\"; };"),
         3, "${EG_POOL} would become a part of the shell's script"},
        {IN_POOL("health = { }; recovery = { command = \"a ${NOT_SET_ANYWHERE}\"; };"), 3,
         "environment variable NOT_SET_ANYWHERE is not set"},
        {IN_POOL("health = { }; recovery = { webhook = \"http://${EG_HOST}:80/\"; };"), 3,
         "environment variable EG_HOST is not set"},
    };

    unsetenv("EG_HOST");
    SUPPORT_CHECK_ALL(table);
}
