/*
 * libconfig's grammar as a small automaton: one state, and a stack of open brackets. It exists to
 * say what is wrong where it is wrong (see source_internal.h); libconfig still builds the tree.
 *
 *   file, group:  key = value [; or ,]  ...
 *   list, array:  value , value , ...          (no comma behind the last)
 */
#include "config/diag_internal.h"
#include "config/source_internal.h"

static char closing_of(char opened)
{
    return opened == '(' ? ')' : opened == '[' ? ']' : '}';
}

static struct config_scan_bracket *top_of(struct config_scan *scan)
{
    return scan->depth > 0 ? &scan->brackets[scan->depth - 1] : NULL;
}

/* In the file itself or in a group, where keys are. */
static bool in_group(const struct config_scan *scan)
{
    return scan->depth == 0 || scan->brackets[scan->depth - 1].opened == '{';
}

static struct slice shown(struct slice text)
{
    return slice_from(text.p, text.n < 64 ? text.n : 64);
}

/* ---- mistakes ---- */

static bool grammar_unexpected_name(struct config_scan *scan, struct slice text)
{
    if (scan->state == CONFIG_GRAMMAR_VALUE || !in_group(scan))
        config_diag_add(scan->diag, scan->line, "%.*s is not a value; write \"%.*s\" in quotes",
                        SLICE_FMT(shown(text)), SLICE_FMT(shown(text)));
    else
        config_diag_add(scan->diag, scan->line, "syntax error: no \"=\" before %.*s; write it",
                        SLICE_FMT(shown(text)));
    return false;
}

static bool grammar_unexpected(struct config_scan *scan, enum config_token token, struct slice text)
{
    const char *wanted = "a key", *write = "KEY = VALUE;";

    if (token == CONFIG_TOKEN_NAME)
        return grammar_unexpected_name(scan, text);
    if (scan->state == CONFIG_GRAMMAR_EQUALS) {
        wanted = "\"=\"";
        write = "KEY = VALUE;";
    } else if (scan->state == CONFIG_GRAMMAR_VALUE && in_group(scan)) {
        wanted = "a value";
    } else if (scan->state == CONFIG_GRAMMAR_AFTER || scan->state == CONFIG_GRAMMAR_STRINGS) {
        wanted = in_group(scan) ? "\";\" or a key" : "\",\" or the closing bracket";
        write = in_group(scan) ? "KEY = VALUE;" : "VALUE, VALUE";
    } else if (!in_group(scan)) {
        wanted = "a value";
        write = "VALUE, VALUE without a comma behind the last";
    }
    config_diag_add(scan->diag, scan->line, "syntax error: %s expected, not %.*s; write %s", wanted,
                    SLICE_FMT(shown(text)), write);
    return false;
}

/* ---- brackets ---- */

static bool grammar_open(struct config_scan *scan, char c)
{
    if (scan->depth == CONFIG_SCAN_MAX_DEPTH) {
        config_diag_add(scan->diag, scan->line,
                        "more than %d brackets inside each other; remove some",
                        CONFIG_SCAN_MAX_DEPTH);
        return false;
    }
    if (scan->depth > 0 && top_of(scan)->opened == '[') {
        config_diag_add(scan->diag, scan->line,
                        "\"%c\" cannot stand between [ ]; write ( ) around it instead", c);
        return false;
    }
    scan->brackets[scan->depth++] = (struct config_scan_bracket){
        .opened = c, .line = scan->line, .shown_line = scan->shown_line};
    scan->state = CONFIG_GRAMMAR_START;
    return true;
}

static bool grammar_close(struct config_scan *scan, char c, struct slice text)
{
    struct config_scan_bracket *top = top_of(scan);

    if (top == NULL) {
        config_diag_add(scan->diag, scan->line,
                        "\"%c\" closes nothing; remove it, or write what it closes", c);
        return false;
    }
    if (closing_of(top->opened) != c) {
        config_diag_add(scan->diag, scan->line,
                        "\"%c\" cannot close the \"%c\" of line %u; write \"%c\" before or instead",
                        c, top->opened, top->shown_line, closing_of(top->opened));
        return false;
    }
    if (scan->state == CONFIG_GRAMMAR_EQUALS || scan->state == CONFIG_GRAMMAR_VALUE)
        return grammar_unexpected(scan, CONFIG_TOKEN_CLOSE, text);
    scan->depth--;
    scan->state = CONFIG_GRAMMAR_AFTER;
    return true;
}

/* ---- values and separators ---- */

/* All elements of [ ] are of one type. */
static bool grammar_array_element(struct config_scan *scan, enum config_token token)
{
    struct config_scan_bracket *top = top_of(scan);

    if (top == NULL || top->opened != '[')
        return true;
    if (top->has_element && top->element_token != token) {
        config_diag_add(scan->diag, scan->line,
                        "the values between [ ] are of different types; write all of one type");
        return false;
    }
    top->has_element = true;
    top->element_token = token;
    return true;
}

static bool grammar_value(struct config_scan *scan, enum config_token token, struct slice text)
{
    bool awaited = scan->state == CONFIG_GRAMMAR_VALUE ||
                   (scan->state == CONFIG_GRAMMAR_START && !in_group(scan));

    if (token == CONFIG_TOKEN_STRING && scan->state == CONFIG_GRAMMAR_STRINGS)
        return true;
    if (!awaited)
        return grammar_unexpected(scan, token, text);
    if (token == CONFIG_TOKEN_OPEN)
        return grammar_open(scan, text.p[0]);
    scan->state = token == CONFIG_TOKEN_STRING ? CONFIG_GRAMMAR_STRINGS : CONFIG_GRAMMAR_AFTER;
    return grammar_array_element(scan, token);
}

/* Most often the closing bracket was forgotten. */
static bool grammar_semicolon_in_list(struct config_scan *scan)
{
    const struct config_scan_bracket *top = top_of(scan);

    config_diag_add(scan->diag, scan->line,
                    "\";\" cannot stand in the \"%c\" of line %u; write \"%c\" before it, or \",\" "
                    "between elements",
                    top->opened, top->shown_line, closing_of(top->opened));
    return false;
}

static bool grammar_separator(struct config_scan *scan, enum config_token token, struct slice text)
{
    if (scan->state != CONFIG_GRAMMAR_AFTER && scan->state != CONFIG_GRAMMAR_STRINGS)
        return grammar_unexpected(scan, token, text);
    if (in_group(scan))
        scan->state = CONFIG_GRAMMAR_KEY;
    else if (token == CONFIG_TOKEN_COMMA)
        scan->state = CONFIG_GRAMMAR_VALUE;
    else
        return grammar_semicolon_in_list(scan);
    return true;
}

static bool grammar_name(struct config_scan *scan, struct slice text)
{
    if (!in_group(scan) || scan->state == CONFIG_GRAMMAR_EQUALS ||
        scan->state == CONFIG_GRAMMAR_VALUE)
        return grammar_unexpected(scan, CONFIG_TOKEN_NAME, text);
    scan->state = CONFIG_GRAMMAR_EQUALS;
    scan->key_line = scan->line;
    return true;
}

static bool grammar_equals(struct config_scan *scan, struct slice text)
{
    if (scan->state != CONFIG_GRAMMAR_EQUALS)
        return grammar_unexpected(scan, CONFIG_TOKEN_EQUALS, text);
    scan->state = CONFIG_GRAMMAR_VALUE;
    return true;
}

bool config_grammar_token(struct config_scan *scan, enum config_token token, struct slice text)
{
    switch (token) {
    case CONFIG_TOKEN_NAME:
        return grammar_name(scan, text);
    case CONFIG_TOKEN_EQUALS:
        return grammar_equals(scan, text);
    case CONFIG_TOKEN_COMMA:
    case CONFIG_TOKEN_SEMICOLON:
        return grammar_separator(scan, token, text);
    case CONFIG_TOKEN_CLOSE:
        return grammar_close(scan, text.p[0], text);
    default:
        return grammar_value(scan, token, text);
    }
}

bool config_grammar_end(struct config_scan *scan)
{
    struct config_scan_bracket *top = top_of(scan);

    if (scan->state == CONFIG_GRAMMAR_EQUALS ||
        (scan->state == CONFIG_GRAMMAR_VALUE && in_group(scan)))
        config_diag_add(scan->diag, scan->key_line,
                        "the file ends before this key has a value; write KEY = VALUE;");
    else if (top != NULL)
        config_diag_add(scan->diag, top->line, "\"%c\" is not closed; write \"%c\"", top->opened,
                        closing_of(top->opened));
    else
        return true;
    return false;
}
