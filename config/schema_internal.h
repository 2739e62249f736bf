/*
 * The schema: each section of the file as a table of its keys, and one engine that walks it.
 * Insiders of config/ only.
 *
 * To add a key: one line in its section's table (listener.c, route.c, ...), one field in config.h,
 * one line in docs/config.md. Type, unit, range, default and the unknown-key hint follow from
 * the table, and so do the key as JSON and the words for what a reload changes in it; only what
 * concerns several keys at once is written as code, in the section's check.
 *
 * The engine goes through a table in its own order, not the file's, so a section may rely on what
 * stands above it (routes find the pools already read).
 */
#ifndef EVERGATE_CONFIG_SCHEMA_INTERNAL_H
#define EVERGATE_CONFIG_SCHEMA_INTERNAL_H

#include <jansson.h>
#include <stdio.h>

#include "config/config.h"
#include "config/diag_internal.h"
#include "config/reader_internal.h"

enum schema_type {
    SCHEMA_STRING,   /* const char *; */
    SCHEMA_NAME,     /* const char *; something that stands in logs, labels and URLs */
    SCHEMA_PATH,     /* const char *; a file, relative to the file that names it; "" is NULL */
    SCHEMA_SLICE,    /* struct slice */
    SCHEMA_BOOL,     /* bool */
    SCHEMA_INTEGER,  /* any unsigned type, min to max */
    SCHEMA_DURATION, /* uint64_t milliseconds, min to max */
    SCHEMA_SIZE,     /* uint64_t or size_t bytes, min to max */
    SCHEMA_PERCENT,  /* unsigned; written "10%", min to max */
    SCHEMA_STATUSES, /* struct config_statuses; "200-299, 304", or one integer */
    SCHEMA_CHOICE,   /* an enum or bool: the index of the word in `choices` */
    SCHEMA_STRINGS,  /* const char **, NULL-terminated, never NULL itself */
    SCHEMA_SLICES,   /* const struct slice * and a count */
    SCHEMA_GROUP,    /* the section's struct in place; offset 0: the same struct */
    SCHEMA_OPTIONAL, /* pointer to the section's struct, NULL when the group is absent */
    SCHEMA_LIST,     /* pointer to an array of the section's struct, and a count */
    SCHEMA_CUSTOM,   /* `read` does it all; given the fallback as a string when the key is absent */
};

struct schema_walk {
    struct config *config; /* what is being made */
    struct arena *arena;   /* the snapshot's */
    struct config_diag *diag;
    const struct config_source *source;
    bool partial; /* only what stands there is read: no defaults, and nothing is missing */
    const char *where_file; /* the last one of config_schema_where, which shares it */
};

struct schema_section;

struct schema_key {
    const char *name;
    enum schema_type type;
    const char *fallback; /* the default as one would write it; NULL: NULL, empty or zero */
    size_t offset, width; /* where it lands in the section's struct */
    size_t count_offset;  /* size_t, for SLICES and LIST */
    uint64_t min, max;    /* LIST: of elements */
    const char *const *choices;
    const struct schema_section *section;
    void (*read)(struct schema_walk *walk, const struct config_node *node, void *out);
    /* The opposite, for every type: the value as the file would write it, NULL for nothing. Where
     * there is none, a CUSTOM key is neither shown nor compared. `config` is what `in` is of. */
    json_t *(*show)(const struct config *config, const void *in);
    /* Of a value that may be a secret: then it is not shown in what differs. NULL: never. */
    bool (*is_secret)(const void *in);
    size_t digest_offset;       /* struct config_digest of the PATH's content; 0: none */
    enum config_pool_part part; /* of a pool's keys */
    bool at_start; /* read once, when a process starts: a change waits for the next one */
    bool required;
    const char *example; /* what to write where it is missing or of the wrong type */
};

/* The designated initialisers for `offset`, `width` and `count_offset`. */
#define SCHEMA_AT(type, field)     .offset = offsetof(type, field), .width = sizeof(((type *)0)->field)
#define SCHEMA_COUNT(type, field)  .count_offset = offsetof(type, field)
#define SCHEMA_DIGEST(type, field) .digest_offset = offsetof(type, field)

struct schema_section {
    const char *title;       /* its heading in docs/config.md */
    const char *label;       /* in messages: pool "api": */
    const char *identity[2]; /* the keys that name an element of a list in messages; may be NULL */
    size_t struct_bytes;
    const struct schema_key *keys;
    size_t key_count;
    /* After all keys: what concerns several of them, and values' inner syntax. `out` holds
     * defaults where keys were wrong. May be NULL. */
    void (*check)(struct schema_walk *walk, const struct config_node *group, void *out);
};

#define SCHEMA_KEYS(table) .keys = (table), .key_count = sizeof(table) / sizeof((table)[0])

/* Fills `out` with the defaults, then with what stands in `group`; adds every mistake. */
void config_schema_read(struct schema_walk *walk, const struct schema_section *section,
                        const struct config_node *group, void *out);

/* NULL: the section has no such key. */
const struct schema_key *config_schema_find_key(const struct schema_section *section,
                                                const char *name);

/* Adds "KEY must be WANTED, not KIND; write KEY = EXAMPLE". */
void config_schema_wrong_type(struct schema_walk *walk, const struct config_node *node,
                              const char *wanted, const char *example);

/* The node's string; NULL after adding a mistake when it is of another type. */
const char *config_schema_string(struct schema_walk *walk, const struct config_node *node,
                                 const char *wanted, const char *example);

/* A copy that lives as long as the snapshot. */
const char *config_schema_dup(struct schema_walk *walk, const char *text);
const char *config_schema_format(struct schema_walk *walk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where a line of the flattened text is, for the snapshot to remember. */
struct config_where config_schema_where(struct schema_walk *walk, unsigned line);

/* Adds a mistake for each name that stands before; names[i] was written at lines[i]. `what` is the
 * kind of thing and the key to change: "pool", "name". */
void config_schema_check_unique(struct schema_walk *walk, const char *const *names,
                                const unsigned *lines, size_t count, const char *what,
                                const char *key);

/* Scalars and lists of them (schema_values.c). `place` is where key->offset points to. */
void config_schema_value_read(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out);
void config_schema_value_default(struct schema_walk *walk, const struct schema_key *key, void *out);

/* Keys of the contract that this version does not have: the table of not_built.c. */
enum config_not_built {
    CONFIG_NOT_BUILT_UNKNOWN,  /* not in the table */
    CONFIG_NOT_BUILT_ACCEPTED, /* has the one value that asks for nothing */
    CONFIG_NOT_BUILT_REFUSED,  /* a mistake was added */
};
enum config_not_built config_not_built_check(struct config_diag *diag,
                                             const struct schema_section *section,
                                             const struct config_node *node);

/* The same for one value of a key that is otherwise built: alpn's "h2". True when refused. */
bool config_not_built_value(struct config_diag *diag, unsigned line, const char *key,
                            const char *value);

/* The table's keys of a section, for hints: fills names[0..max) and returns how many. */
size_t config_not_built_names(const struct schema_section *section, const char **names, size_t max);

/* ---- showing (schema_show.c) ---- */

/* A string of the file, whatever bytes are in it. */
json_t *config_schema_text_json(const char *text);

/* One key of `in`, as the file would write it; NULL for nothing. */
json_t *config_schema_value_json(const struct config *config, const struct schema_key *key,
                                 const void *in);

/* All keys of a section, as an object. `config` is the snapshot that `in` is of. */
json_t *config_schema_json(const struct config *config, const struct schema_section *section,
                           const void *in);

/* ---- comparing (schema_compare.c) ---- */

struct schema_compare {
    const struct config *from_config, *to_config; /* that the two are of */
    FILE *out;                                    /* NULL: nothing is worded */
    unsigned items;                               /* written so far */
    bool after_group;
};

/* By value; with `out`, what differs is written: "weight 1 -> 3", "retry: attempts 2 -> 3". */
bool config_schema_equal(struct schema_compare *compare, const struct schema_section *section,
                         const void *from, const void *to);
bool config_schema_key_equal(struct schema_compare *compare, const struct schema_key *key,
                             const void *from, const void *to);

/* Every section, NULL-terminated: for the test that compares them with docs/config.md. */
extern const struct schema_section *const config_sections[];

#endif
