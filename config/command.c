/* See command_internal.h. */
#include "config/command_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { COMMAND_MAX_WORDS = 256 };

struct split {
    const char *p; /* what is left of the text */
    char *word;    /* heap; has room for the whole text */
    size_t size;
    char last_plain; /* the word's last character, if nothing guards it; else NUL */
    const char *words[COMMAND_MAX_WORDS + 1];
    size_t count;
    struct arena *arena;
    char *why;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void split_add(struct split *s, char c)
{
    s->word[s->size++] = c;
}

static bool split_fail(struct split *s, char *why)
{
    s->why = why;
    return false;
}

/* ---- what is inside a word ---- */

static bool split_single(struct split *s)
{
    const char *end = strchr(s->p + 1, '\'');

    if (end == NULL)
        return split_fail(s, xstrdup("a ' is not closed; write another one behind its text"));
    for (s->p++; s->p < end; s->p++)
        split_add(s, *s->p);
    s->p++;
    return true;
}

static bool split_double(struct split *s)
{
    for (s->p++; *s->p != '\0' && *s->p != '"'; s->p++) {
        if (*s->p == '\\' && s->p[1] != '\0' && strchr("\"\\$`", s->p[1]) != NULL)
            s->p++;
        split_add(s, *s->p);
    }
    if (*s->p == '\0')
        return split_fail(s, xstrdup("a \" is not closed; write another one behind its text"));
    s->p++;
    return true;
}

static bool split_backslash(struct split *s)
{
    if (s->p[1] == '\0')
        return split_fail(s, xstrdup("a backslash at the end guards nothing; remove it"));
    split_add(s, s->p[1]);
    s->p += 2;
    return true;
}

static bool split_piece(struct split *s)
{
    s->last_plain = '\0';
    switch (*s->p) {
    case '\'':
        return split_single(s);
    case '"':
        return split_double(s);
    case '\\':
        return split_backslash(s);
    default:
        break;
    }
    /* Braces are what makes the runner fill it in; a shell would not need them. */
    if (strncmp(s->p, "$EG_", 4) == 0)
        return split_fail(s, xasprintf("\"%.*s\" is not filled in; write it with braces, ${EG_...}",
                                       (int)strcspn(s->p, " \t\r\n'\""), s->p));
    s->last_plain = *s->p;
    split_add(s, *s->p++);
    return true;
}

/* ---- words ---- */

/* "|", "2>&1", "$(date)": the beginnings of words that only a shell understands. */
static bool begins_like_shell(const char *word)
{
    const char *sign = word + strspn(word, "0123456789");

    if (*word == '\0')
        return false;
    return strchr("|&;<>(`", *word) != NULL || strncmp(word, "$(", 2) == 0 ||
           (sign > word && (*sign == '<' || *sign == '>'));
}

static bool split_shell(struct split *s, const char *word)
{
    return split_fail(s, xasprintf("\"%.*s\" is for a shell, and none runs the command; write sh "
                                   "-c '...' if you want one, or quotes around it",
                                   (int)strcspn(word, " \t\r\n"), word));
}

static bool split_word(struct split *s)
{
    const char *start = s->p;

    if (begins_like_shell(start))
        return split_shell(s, start);
    s->size = 0;
    while (*s->p != '\0' && !is_space(*s->p)) {
        if (!split_piece(s))
            return false;
    }
    if (s->last_plain == ';' || s->last_plain == '&')
        return split_shell(s, start);
    if (s->count == COMMAND_MAX_WORDS)
        return split_fail(
            s, xasprintf("it has more than %d words; write fewer, or a script", COMMAND_MAX_WORDS));
    s->words[s->count++] = arena_dup(s->arena, slice_from(s->word, s->size)).p;
    return true;
}

static bool split_all(struct split *s)
{
    for (;;) {
        while (is_space(*s->p))
            s->p++;
        if (*s->p == '\0')
            break;
        if (!split_word(s))
            return false;
    }
    if (s->count == 0 || s->words[0][0] == '\0')
        return split_fail(s, xstrdup("it names no program; write \"PROGRAM ARGUMENT ...\""));
    return true;
}

const char **config_command_split(const char *text, struct arena *arena, char **ret_why)
{
    struct split s = {.p = text, .arena = arena};
    const char **argv = NULL;

    *ret_why = NULL;
    if (text[0] == '\0')
        return NULL;
    s.word = xmalloc(strlen(text) + 1);
    if (split_all(&s)) {
        argv = arena_zalloc(arena, (s.count + 1) * sizeof(*argv));
        memcpy(argv, s.words, s.count * sizeof(*argv));
    }
    free(s.word);
    *ret_why = s.why;
    return argv;
}

/* ---- what is filled in ---- */

const char *const config_variable_names[CONFIG_VARIABLE_COUNT] = {
    [CONFIG_VARIABLE_POOL] = "EG_POOL",       [CONFIG_VARIABLE_ENDPOINT_ID] = "EG_ENDPOINT_ID",
    [CONFIG_VARIABLE_ADDRESS] = "EG_ADDRESS", [CONFIG_VARIABLE_HOST] = "EG_HOST",
    [CONFIG_VARIABLE_PORT] = "EG_PORT",       [CONFIG_VARIABLE_ATTEMPT] = "EG_ATTEMPT",
    [CONFIG_VARIABLE_STATUS] = "EG_STATUS",   [CONFIG_VARIABLE_REASON] = "EG_REASON",
    [CONFIG_VARIABLE_SINCE] = "EG_SINCE",
};

static bool command_has_variable(unsigned variables, struct slice name)
{
    for (unsigned i = 0; i < variables; i++) {
        if (slice_eq(slice_str(config_variable_names[i]), name))
            return true;
    }
    return false;
}

static char *command_list(unsigned variables)
{
    char *list = xstrdup(config_variable_names[0]);

    for (unsigned i = 1; i < variables; i++) {
        char *longer = xasprintf("%s, %s", list, config_variable_names[i]);

        free(list);
        list = longer;
    }
    return list;
}

static void command_check_variables(struct schema_walk *walk, const struct config_node *node,
                                    unsigned variables)
{
    for (const char *p = strstr(node->string, "${EG_"); p != NULL; p = strstr(p + 1, "${EG_")) {
        struct slice name = slice_from(p + 2, strcspn(p + 2, "}"));
        char *list;

        if (command_has_variable(variables, name))
            continue;
        list = command_list(variables);
        config_diag_add(walk->diag, node->line,
                        "command: ${%.*s} is not known here; write one of %s", SLICE_FMT(name),
                        list);
        free(list);
    }
}

/* ---- shells ---- */

static bool is_shell(const char *word)
{
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"};
    const char *slash = strrchr(word, '/'), *name = slash != NULL ? slash + 1 : word;

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(name, shells[i]) == 0)
            return true;
    }
    return false;
}

/* What is behind "-c" of a shell that starts at argv[0]; NULL when there is none. */
static const char *command_script(const char *const *argv)
{
    if (!is_shell(argv[0]))
        return NULL;
    for (argv++; *argv != NULL && **argv == '-'; argv++) {
        if (strchr(*argv, 'c') != NULL)
            return argv[1];
    }
    return NULL;
}

/* sh -c 'logger ${EG_REASON}' would run what an unhealthy backend said as a part of the script; in
 * the environment the same text is data. */
static void command_check_script(struct schema_walk *walk, const struct config_node *node,
                                 const char *const *argv)
{
    for (; *argv != NULL; argv++) {
        const char *script = command_script(argv);
        const char *reference = script != NULL ? strstr(script, "${EG_") : NULL;

        if (reference == NULL)
            continue;
        config_diag_add(walk->diag, node->line,
                        "command: ${%.*s} would become a part of the shell's script, whatever is "
                        "in it; write \"$%.*s\" there, without braces, which is in its environment",
                        (int)strcspn(reference + 2, "}"), reference + 2,
                        (int)strcspn(reference + 2, "}"), reference + 2);
        return;
    }
}

void config_command_read(struct schema_walk *walk, const struct config_node *node,
                         unsigned variables, struct config_command *out)
{
    const char *text = config_schema_string(walk, node, "a string", "\"PROGRAM ARGUMENT ...\"");
    char *why;

    if (text == NULL)
        return;
    command_check_variables(walk, node, variables);
    out->argv = config_command_split(text, walk->arena, &why);
    if (out->argv != NULL)
        command_check_script(walk, node, out->argv);
    if (why != NULL)
        config_diag_add(walk->diag, node->line, "command: %s", why);
    free(why);
}

/* ---- showing ---- */

static void command_show_word(FILE *out, const char *word)
{
    if (word[0] != '\0' && strpbrk(word, " \t\r\n'\"\\`;&|<>()*?#") == NULL) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    }
    fputc('\'', out);
}

json_t *config_command_show(const struct config_command *command)
{
    char *text = NULL;
    size_t size;
    json_t *shown;
    FILE *out;

    if (command->argv == NULL)
        return NULL;
    out = open_memstream(&text, &size);
    CHECK(out != NULL);
    for (const char *const *word = command->argv; *word != NULL; word++) {
        if (word != command->argv)
            fputc(' ', out);
        command_show_word(out, *word);
    }
    CHECK(fclose(out) == 0);
    shown = config_schema_text_json(text);
    free(text);
    return shown;
}
