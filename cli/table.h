/*
 * Tables for people: columns as wide as they need to be, colour on a terminal only.
 *
 * What is shown comes from peers and files; what could steer a terminal is replaced.
 */
#ifndef EVERGATE_CLI_TABLE_H
#define EVERGATE_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/cli_internal.h"

enum cli_colour { CLI_PLAIN, CLI_GREEN, CLI_YELLOW, CLI_RED, CLI_DIM };

/* With CLI_AUTO: is `out` a terminal that wants colours (NO_COLOR, TERM)? */
bool cli_colours(FILE *out, enum cli_when when);

/* `text` without control characters, each of which becomes '?'. Heap. NULL: "-". */
char *cli_printable(const char *text);

/* Prints it in that colour if `colours`. */
void cli_print_in(FILE *out, bool colours, enum cli_colour colour, const char *text);

struct table;

/* `headings` ends with NULL and must outlive the table. One that begins with '>' is of a column
 * that is aligned to the right. */
struct table *table_new(const char *const *headings);
void table_free(struct table *table);

/* The next cell, row by row; copied, made printable. */
void table_add(struct table *table, const char *text, enum cli_colour colour);
void table_addf(struct table *table, enum cli_colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Nothing but the headings when it is empty. */
void table_print(const struct table *table, FILE *out, bool colours);

#endif
