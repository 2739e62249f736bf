/*
 * The scanner in front of libconfig. An unclosed quote or bracket is reported where it stands, not
 * where libconfig gives up; nesting is bounded before a recursive parser sees it.
 */
#include <stdlib.h>
#include <string.h>

#include "config/diag_internal.h"
#include "config/source_internal.h"

static char scan_closing(char opened)
{
    return opened == '(' ? ')' : opened == '[' ? ']' : '}';
}

static bool scan_open(struct config_scan *scan, char c, unsigned line, struct config_diag *diag)
{
    if (scan->depth == CONFIG_SCAN_MAX_DEPTH) {
        config_diag_add(diag, line, "more than %d brackets inside each other; remove some",
                        CONFIG_SCAN_MAX_DEPTH);
        return false;
    }
    scan->brackets[scan->depth++] = (struct config_scan_bracket){c, line, scan->shown_line};
    return true;
}

static bool scan_close(struct config_scan *scan, char c, unsigned line, struct config_diag *diag)
{
    struct config_scan_bracket *top;

    if (scan->depth == 0) {
        config_diag_add(diag, line, "\"%c\" closes nothing; remove it, or write what it closes", c);
        return false;
    }
    top = &scan->brackets[--scan->depth];
    if (scan_closing(top->opened) == c)
        return true;
    config_diag_add(diag, line,
                    "\"%c\" cannot close the \"%c\" of line %u; write \"%c\" before or instead", c,
                    top->opened, top->shown_line, scan_closing(top->opened));
    return false;
}

/* The index behind the closing quote, or 0 when there is none on this line. */
static size_t scan_string(const char *p, size_t n, size_t i)
{
    for (i++; i < n; i++) {
        if (p[i] == '\\')
            i++;
        else if (p[i] == '"')
            return i + 1;
    }
    return 0;
}

static bool scan_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '*' || c == '.' || c == '+';
}

/*
 * libconfig 1.5 reads 99999999999 as 1215752191: it converts through int without a look at
 * overflow. No key of ours needs more than 31 bits, so anything larger is refused here.
 */
static bool scan_number_fits(const char *p, size_t n)
{
    bool hex = n > 2 && p[0] == '0' && (p[1] | 0x20) == 'x';
    size_t i = hex ? 2 : p[0] == '-' || p[0] == '+' ? 1 : 0;
    unsigned long long value = 0;

    for (; i < n; i++) {
        char c = ascii_lower(p[i]);
        int digit = c >= '0' && c <= '9'          ? c - '0'
                    : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                  : -1;

        if (digit < 0)
            return c == 'l' || !hex; /* a suffix, or a float or garbage that libconfig judges */
        value = value * (hex ? 16 : 10) + (unsigned)digit;
        if (value > 2147483647)
            return memchr(p, '.', n) != NULL;
    }
    return true;
}

static bool scan_word(const char *p, size_t n, unsigned line, struct config_diag *diag)
{
    bool number = (p[0] >= '0' && p[0] <= '9') ||
                  (n > 1 && (p[0] == '-' || p[0] == '+') && p[1] >= '0' && p[1] <= '9');

    if (!number || scan_number_fits(p, n))
        return true;
    config_diag_add(diag, line, "%.*s is out of range; write a number up to 2147483647",
                    (int)(n < 64 ? n : 64), p);
    return false;
}

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

static bool scan_starts_comment(const char *p, size_t n, size_t i)
{
    return p[i] == '#' || (p[i] == '/' && i + 1 < n && p[i + 1] == '/');
}

/* Deals with the token at *i and moves *i behind it. */
static bool scan_token(struct config_scan *scan, char *p, size_t n, size_t *i, unsigned line,
                       struct config_diag *diag)
{
    size_t start = *i;
    char c = p[start];

    if (c == '/' && start + 1 < n && p[start + 1] == '*') {
        scan->in_comment = true;
        scan->comment_line = line;
        p[start] = p[start + 1] = ' ';
        *i = start + 2;
        return true;
    }
    if (c == '"') {
        *i = scan_string(p, n, start);
        if (*i > 0)
            return true;
        config_diag_add(diag, line, "a string is not closed on its line; write the closing \"");
        return false;
    }
    if (scan_is_word(c)) {
        while (*i < n && scan_is_word(p[*i]))
            (*i)++;
        return scan_word(p + start, *i - start, line, diag);
    }
    (*i)++;
    if (c == '(' || c == '[' || c == '{')
        return scan_open(scan, c, line, diag);
    if (c == ')' || c == ']' || c == '}')
        return scan_close(scan, c, line, diag);
    return true;
}

bool config_scan_line(struct config_scan *scan, char *p, size_t n, unsigned line,
                      struct config_diag *diag)
{
    for (size_t i = 0; i < n;) {
        if (scan->in_comment) {
            i = scan_comment(scan, p, n, i);
            continue;
        }
        if (scan_starts_comment(p, n, i)) {
            memset(p + i, ' ', n - i);
            return true;
        }
        if (!scan_token(scan, p, n, &i, line, diag))
            return false;
    }
    return true;
}

bool config_scan_file_end(struct config_scan *scan, struct config_diag *diag)
{
    if (!scan->in_comment)
        return true;
    config_diag_add(diag, scan->comment_line, "this comment is not closed; write */");
    return false;
}

bool config_scan_end(struct config_scan *scan, struct config_diag *diag)
{
    struct config_scan_bracket *top;

    if (scan->depth == 0)
        return true;
    top = &scan->brackets[scan->depth - 1];
    config_diag_add(diag, top->line, "\"%c\" is not closed; write \"%c\"", top->opened,
                    scan_closing(top->opened));
    return false;
}
