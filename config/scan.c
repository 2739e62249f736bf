/* The scanner in front of libconfig: comments, and lines into tokens. What may follow what is
 * grammar.c's. */
#include <string.h>
#include <strings.h>

#include "config/diag_internal.h"
#include "config/source_internal.h"

enum { SCAN_SHOWN_BYTES = 64 }; /* of a bad token in a message */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    char lower = ascii_lower(c);

    return lower >= 'a' && lower <= 'z';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || strchr("_-*.+", c) != NULL;
}

static struct slice shown(struct slice text)
{
    return slice_from(text.p, text.n < SCAN_SHOWN_BYTES ? text.n : SCAN_SHOWN_BYTES);
}

/* ---- words: names, numbers, bools ---- */

static size_t count_digits(struct slice s, size_t i)
{
    size_t start = i;

    while (i < s.n && is_digit(s.p[i]))
        i++;
    return i - start;
}

static bool is_integer_suffix(struct slice s, size_t i)
{
    return i == s.n || (s.p[i] == 'L' && (i + 1 == s.n || (s.p[i + 1] == 'L' && i + 2 == s.n)));
}

static bool is_hex(struct slice s)
{
    size_t i = 2;

    if (s.n < 3 || s.p[0] != '0' || ascii_lower(s.p[1]) != 'x')
        return false;
    while (i < s.n &&
           (is_digit(s.p[i]) || (ascii_lower(s.p[i]) >= 'a' && ascii_lower(s.p[i]) <= 'f')))
        i++;
    return i > 2 && is_integer_suffix(s, i);
}

static bool is_integer(struct slice s)
{
    size_t sign = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    size_t digits = count_digits(s, sign);

    return digits > 0 && is_integer_suffix(s, sign + digits);
}

/* No key takes one; they are recognised so that the type can be called wrong rather than the
 * syntax. */
static bool is_float(struct slice s)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'), digits = count_digits(s, i);

    i += digits;
    if (digits == 0 || i == s.n || s.p[i] != '.')
        return false;
    i++;
    i += count_digits(s, i);
    return i == s.n;
}

/* libconfig 1.5 reads 99999999999 as 1215752191. No key needs more than 31 bits. */
static bool integer_fits(struct slice s)
{
    bool hex = is_hex(s);
    unsigned base = hex ? 16 : 10;
    unsigned long value = 0;

    for (size_t i = hex ? 2 : !is_digit(s.p[0]); i < s.n && s.p[i] != 'L'; i++) {
        char c = ascii_lower(s.p[i]);

        value = value * base + (unsigned)(is_digit(c) ? c - '0' : c - 'a' + 10);
        if (value > INT32_MAX)
            return false;
    }
    return true;
}

static bool is_name(struct slice s)
{
    if (!is_letter(s.p[0]) && s.p[0] != '*')
        return false;
    return memchr(s.p, '.', s.n) == NULL && memchr(s.p, '+', s.n) == NULL;
}

static bool scan_word(struct config_scan *scan, struct slice s)
{
    if (slice_ieq(s, SLICE_LIT("true")) || slice_ieq(s, SLICE_LIT("false")))
        return config_grammar_token(scan, CONFIG_TOKEN_BOOL, s);
    if (is_name(s))
        return config_grammar_token(scan, CONFIG_TOKEN_NAME, s);
    if (is_float(s))
        return config_grammar_token(scan, CONFIG_TOKEN_FLOAT, s);
    if (!is_integer(s) && !is_hex(s)) {
        config_diag_add(scan->diag, scan->line, "%.*s is not a number; write \"%.*s\" in quotes",
                        SLICE_FMT(shown(s)), SLICE_FMT(shown(s)));
        return false;
    }
    if (!integer_fits(s)) {
        config_diag_add(scan->diag, scan->line,
                        "%.*s is out of range; write a number up to 2147483647",
                        SLICE_FMT(shown(s)));
        return false;
    }
    return config_grammar_token(scan, CONFIG_TOKEN_INTEGER, s);
}

/* ---- strings ---- */

/* The index behind the closing quote at or after i, or 0 when there is none on this line. */
static size_t string_end(const char *p, size_t n, size_t i)
{
    for (; i < n; i++) {
        if (p[i] == '\\')
            i++;
        else if (p[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t scan_string(struct config_scan *scan, const char *p, size_t n, size_t i)
{
    size_t end = string_end(p, n, i + 1);

    if (end == 0) {
        config_diag_add(scan->diag, scan->line,
                        "a string is not closed on its line; write the closing \"");
        return 0;
    }
    /* libconfig would end the string there, and drop the rest without a word. */
    if (memmem(p + i, end - i, "\\x00", 4) != NULL) {
        config_diag_add(scan->diag, scan->line, "a string cannot hold \\x00; remove it");
        return 0;
    }
    return config_grammar_token(scan, CONFIG_TOKEN_STRING, slice_from(p + i, end - i)) ? end : 0;
}

/* ---- comments ---- */

/* Blanks the part of a block comment on this line; returns the index behind it. */
static size_t scan_comment(struct config_scan *scan, char *p, size_t n, size_t i)
{
    for (; i < n; i++) {
        if (i + 1 < n && p[i] == '*' && p[i + 1] == '/') {
            p[i] = p[i + 1] = ' ';
            scan->in_comment = false;
            return i + 2;
        }
        p[i] = ' ';
    }
    return n;
}

/* At a comment's beginning: blanks it and returns the index behind what is known to belong to it;
 * else returns i. */
static size_t scan_comment_start(struct config_scan *scan, char *p, size_t n, size_t i)
{
    char next = i + 1 < n ? p[i + 1] : '\0';

    if (p[i] == '#' || (p[i] == '/' && next == '/')) {
        memset(p + i, ' ', n - i);
        return n;
    }
    if (p[i] != '/' || next != '*')
        return i;
    scan->in_comment = true;
    scan->comment_line = scan->line;
    p[i] = p[i + 1] = ' ';
    return i + 2;
}

/* ---- lines ---- */

static bool scan_mark(struct config_scan *scan, const char *p)
{
    static const struct {
        const char *marks;
        enum config_token token;
    } table[] = {
        {"=:", CONFIG_TOKEN_EQUALS}, {",", CONFIG_TOKEN_COMMA},   {";", CONFIG_TOKEN_SEMICOLON},
        {"([{", CONFIG_TOKEN_OPEN},  {")]}", CONFIG_TOKEN_CLOSE},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strchr(table[i].marks, *p) != NULL)
            return config_grammar_token(scan, table[i].token, slice_from(p, 1));
    }
    if ((unsigned char)*p < 0x80)
        config_diag_add(scan->diag, scan->line,
                        "\"%c\" has no meaning here; remove it, or write it in quotes", *p);
    else
        config_diag_add(scan->diag, scan->line,
                        "characters beyond ASCII have no meaning here; write them in quotes");
    return false;
}

/* The index behind the token at i; 0 after a mistake. */
static size_t scan_token(struct config_scan *scan, const char *p, size_t n, size_t i)
{
    size_t end = i;

    if (p[i] == '"')
        return scan_string(scan, p, n, i);
    while (end < n && is_word(p[end]))
        end++;
    if (end > i)
        return scan_word(scan, slice_from(p + i, end - i)) ? end : 0;
    return scan_mark(scan, p + i) ? i + 1 : 0;
}

bool config_scan_line(struct config_scan *scan, char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t behind =
            scan->in_comment ? scan_comment(scan, p, n, i) : scan_comment_start(scan, p, n, i);

        if (behind > i) {
            i = behind;
        } else if (p[i] == ' ' || p[i] == '\t') {
            i++;
        } else {
            i = scan_token(scan, p, n, i);
            if (i == 0)
                return false;
        }
    }
    return true;
}

bool config_scan_file_end(struct config_scan *scan)
{
    if (!scan->in_comment)
        return true;
    config_diag_add(scan->diag, scan->comment_line, "this comment is not closed; write */");
    return false;
}
