/*
 * The text of a configuration: the file with its @include'd files put in their places. Insiders of
 * config/ only.
 *
 * Why libconfig's own @include is not used: it looks every file up in one directory however deeply
 * includes are nested, and reports a circle as "too deep". Here each is relative to the file that
 * includes it, a circle is named, and text that must not touch files (config_load_text) simply
 * has it off.
 *
 *   edge.conf   ─┐   ┌────────────┐
 *   pools.conf  ─┼─► │ text       │ one string for libconfig, comments blanked
 *                └─► │ origins[n] │ line n of the text ─► file and line
 *                    └────────────┘
 */
#ifndef EVERGATE_CONFIG_SOURCE_INTERNAL_H
#define EVERGATE_CONFIG_SOURCE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

struct config_diag;

enum {
    CONFIG_SOURCE_MAX_BYTES = 16 * 1024 * 1024, /* all files together */
    CONFIG_SOURCE_MAX_DEPTH = 10,               /* of includes */
    CONFIG_SCAN_MAX_DEPTH = 32,                 /* of brackets */
};

struct config_origin {
    const char *file;
    unsigned line;
};

struct config_source {
    const char *name; /* the outermost file */
    char *text;       /* NUL-terminated */
    size_t size, capacity;
    struct config_origin *origins;
    size_t line_count, line_capacity;
    struct arena arena; /* file names */
};

/* Both add what is wrong to `diag` and return false then. */
bool config_source_load(struct config_source *source, const char *path, struct config_diag *diag);
bool config_source_set_text(struct config_source *source, const char *name, const char *text,
                            struct config_diag *diag);
void config_source_fini(struct config_source *source);

/* `line` 0, or one past the end, is the outermost file as a whole. */
struct config_origin config_source_origin(const struct config_source *source, unsigned line);

/* `path` as seen from the file that holds `line`: absolute paths stay, others are relative to that
 * file's directory. */
const char *config_source_path(const struct config_source *source, unsigned line, const char *path,
                               struct arena *arena);

/*
 * The scanner: goes over one line at a time, before libconfig sees it. It blanks comments, and
 * reports what libconfig would misread or report at the wrong place: quotes and brackets that are
 * not closed, and integers that libconfig would silently cut to 32 bits.
 */
struct config_scan {
    bool in_comment; /* a block comment is open */
    unsigned comment_line;
    unsigned shown_line; /* of the line being scanned, in its own file: for messages */
    unsigned depth;
    struct config_scan_bracket {
        char opened;
        unsigned line, shown_line;
    } brackets[CONFIG_SCAN_MAX_DEPTH];
};

/* `p[0..n)` without its newline is changed in place. False: a mistake was added; scanning on would
 * only add ones that follow from it. */
bool config_scan_line(struct config_scan *scan, char *p, size_t n, unsigned line,
                      struct config_diag *diag);
/* At the end of a file: a comment must have been closed in it. */
bool config_scan_file_end(struct config_scan *scan, struct config_diag *diag);
/* At the end of everything. */
bool config_scan_end(struct config_scan *scan, struct config_diag *diag);

#endif
