/*
 * The list of mistakes while it grows. Insiders of config/ only.
 *
 * Every checker adds to it and goes on, so that one run shows all mistakes. Lines are those of the
 * flattened text (see source_internal.h); config_diag_finish turns them into file and line.
 */
#ifndef EVERGATE_CONFIG_DIAG_INTERNAL_H
#define EVERGATE_CONFIG_DIAG_INTERNAL_H

#include "base/arena.h"
#include "config/config.h"
#include "config/source_internal.h"

enum {
    CONFIG_DIAG_MAX = 200, /* a file that is this wrong is not a configuration */
    CONFIG_DIAG_FILES = 64,
};

/* Where in the tree the checkers are: "pool "api": backend "a": ". Lives on the stack. */
struct config_scope {
    const struct config_scope *outer;
    const char *label;
};

struct config_diag {
    struct arena *arena; /* becomes config_errors.arena */
    const struct config_scope *scope;
    struct config_diag_entry {
        unsigned line; /* flattened; 0: the file as a whole */
        unsigned order;
        const char *message;
    } * entries;
    size_t count, capacity;
    size_t suppressed;
    struct config_file files[CONFIG_DIAG_FILES]; /* that were looked at; paths in `arena` */
    size_t file_count;
    bool more_files;
};

void config_diag_init(struct config_diag *diag);

/* Frees what config_diag_finish did not hand over. */
void config_diag_fini(struct config_diag *diag);

/* `label` must outlive the scope. */
void config_diag_enter(struct config_diag *diag, struct config_scope *scope, const char *label);
void config_diag_leave(struct config_diag *diag);

/* Adds one mistake, prefixed with the open scopes. */
void config_diag_add(struct config_diag *diag, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A file was looked at, and this is how it was then. Once for each, the first CONFIG_DIAG_FILES. */
void config_diag_note_file(struct config_diag *diag, const char *path,
                           struct file_identity identity);
/* A copy of them in `arena`. */
struct config_files config_diag_files(const struct config_diag *diag, struct arena *arena);

/* Moves the list, sorted by place, to *ret_errors. */
void config_diag_finish(struct config_diag *diag, const struct config_source *source,
                        struct config_errors *ret_errors);

#endif
