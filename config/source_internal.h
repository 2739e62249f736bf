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

/* `line` 0 is the outermost file as a whole. */
struct config_origin config_source_origin(const struct config_source *source, unsigned line);

/* `path` as seen from the file that holds `line`: absolute paths stay, others are relative to that
 * file's directory. */
const char *config_source_path(const struct config_source *source, unsigned line, const char *path,
                               struct arena *arena);

/*
 * The scanner: goes over one line at a time, before libconfig sees it. It blanks comments, splits
 * the rest into tokens and holds them against libconfig's grammar, so that libconfig only ever gets
 * text it accepts. Three reasons: libconfig reports an unclosed bracket at the end of the file
 * instead of where it stands; it cuts integers to 32 bits without a word; and it leaks memory
 * (1.5: the pending string) at a syntax error, which a long-lived process that reloads cannot have.
 */
enum config_token {
    CONFIG_TOKEN_NAME,
    CONFIG_TOKEN_INTEGER,
    CONFIG_TOKEN_FLOAT,
    CONFIG_TOKEN_BOOL,
    CONFIG_TOKEN_STRING,
    CONFIG_TOKEN_EQUALS,    /* = or : */
    CONFIG_TOKEN_COMMA,     /* separates elements, may end a setting */
    CONFIG_TOKEN_SEMICOLON, /* may end a setting */
    CONFIG_TOKEN_OPEN,      /* ( [ { */
    CONFIG_TOKEN_CLOSE,
};

/* What may come next. */
enum config_grammar_state {
    CONFIG_GRAMMAR_START, /* of the file, a group or a list: a key or an element, or the end */
    CONFIG_GRAMMAR_KEY,   /* behind ";": a key, or the end */
    CONFIG_GRAMMAR_EQUALS,
    CONFIG_GRAMMAR_VALUE,   /* behind "=" or ",": nothing else */
    CONFIG_GRAMMAR_AFTER,   /* a value: a separator, the end, and in a group the next key */
    CONFIG_GRAMMAR_STRINGS, /* the same behind a string: another string continues it */
};

struct config_scan {
    bool in_comment; /* a block comment is open */
    unsigned comment_line;
    unsigned line;       /* being scanned: flattened */
    unsigned shown_line; /* and in its own file, for messages */
    enum config_grammar_state state;
    unsigned key_line; /* of the key whose "=" or value is awaited */
    unsigned depth;
    struct config_scan_bracket {
        char opened;
        unsigned line, shown_line;
        bool has_element;                /* of [ ]: */
        enum config_token element_token; /* the type that all others must have */
    } brackets[CONFIG_SCAN_MAX_DEPTH];
    struct config_diag *diag;
};

/* One token. False: a mistake was added (grammar.c). */
bool config_grammar_token(struct config_scan *scan, enum config_token token, struct slice text);
/* At the end of everything. */
bool config_grammar_end(struct config_scan *scan);

/* `p[0..n)` without its newline is changed in place. False: a mistake was added; scanning on would
 * only add ones that follow from it. */
bool config_scan_line(struct config_scan *scan, char *p, size_t n);
/* At the end of a file: a comment must have been closed in it. */
bool config_scan_file_end(struct config_scan *scan);

#endif
