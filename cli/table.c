/* Tables for people: see table.h. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

struct cell {
    char *text;
    enum cli_colour colour;
};

struct table {
    const char *const *headings;
    unsigned columns;
    struct cell *cells; /* row by row */
    size_t count, capacity;
};

bool cli_colours(FILE *out, enum cli_when when)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (when != CLI_AUTO)
        return when == CLI_ALWAYS;
    return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

char *cli_printable(const char *text)
{
    char *copy = xstrdup(text && *text ? text : "-");

    for (unsigned char *p = (unsigned char *)copy; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        /* U+0080 to U+009F are controls too (ECMA-48's C1) */
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
    }
    return copy;
}

void cli_print_in(FILE *out, bool colours, enum cli_colour colour, const char *text)
{
    static const char *const codes[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m"};

    if (colours && colour != CLI_PLAIN)
        fprintf(out, "%s%s\x1b[0m", codes[colour], text);
    else
        fputs(text, out);
}

struct table *table_new(const char *const *headings)
{
    struct table *table = xcalloc(1, sizeof(*table));

    table->headings = headings;
    while (headings[table->columns])
        table->columns++;
    return table;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

void table_add(struct table *table, const char *text, enum cli_colour colour)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->cells = xrealloc(table->cells, table->capacity * sizeof(*table->cells));
    }
    table->cells[table->count++] = (struct cell){cli_printable(text), colour};
}

void table_addf(struct table *table, enum cli_colour colour, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    table_add(table, text, colour);
    free(text);
}

/* In characters: bytes that do not continue a UTF-8 sequence. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_right(const struct table *table, unsigned column)
{
    return table->headings[column][0] == '>';
}

static const char *heading(const struct table *table, unsigned column)
{
    return table->headings[column] + is_right(table, column);
}

static size_t *widths_of(const struct table *table)
{
    size_t *widths = xcalloc(table->columns, sizeof(*widths));

    CHECK(table->columns > 0);
    for (unsigned c = 0; c < table->columns; c++)
        widths[c] = width_of(heading(table, c));
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i].text);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    return widths;
}

static void pad(FILE *out, size_t n)
{
    while (n-- > 0)
        fputc(' ', out);
}

static void print_cell(const struct table *table, const size_t *widths, FILE *out, bool colours,
                       unsigned column, const char *text, enum cli_colour colour)
{
    size_t missing = widths[column] - width_of(text);
    bool last = column + 1 == table->columns;

    if (is_right(table, column))
        pad(out, missing);
    cli_print_in(out, colours, colour, text);
    if (!is_right(table, column) && !last)
        pad(out, missing);
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out, bool colours)
{
    size_t *widths = widths_of(table);

    CHECK(table->columns > 0);
    for (unsigned c = 0; c < table->columns; c++)
        print_cell(table, widths, out, colours, c, heading(table, c), CLI_DIM);
    for (size_t i = 0; i < table->count; i++)
        print_cell(table, widths, out, colours, (unsigned)(i % table->columns),
                   table->cells[i].text, table->cells[i].colour);
    free(widths);
}
