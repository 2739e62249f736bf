/* The list of mistakes: collected in any order, handed over sorted by place. */
#include "config/diag_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void config_diag_init(struct config_diag *diag)
{
    *diag = (struct config_diag){0};
    diag->arena = xmalloc(sizeof(*diag->arena));
    arena_init(diag->arena);
}

void config_diag_fini(struct config_diag *diag)
{
    free(diag->entries);
    if (diag->arena != NULL)
        arena_fini(diag->arena);
    free(diag->arena);
    *diag = (struct config_diag){0};
}

void config_diag_enter(struct config_diag *diag, struct config_scope *scope, const char *label)
{
    scope->outer = diag->scope;
    scope->label = label;
    diag->scope = scope;
}

void config_diag_leave(struct config_diag *diag)
{
    diag->scope = diag->scope->outer;
}

/* Outermost first. The depth is bounded by the schema's, not by the file. */
static char *diag_prefix(const struct config_scope *scope)
{
    char *outer, *prefix;

    if (scope == NULL)
        return xstrdup("");
    outer = diag_prefix(scope->outer);
    prefix = xasprintf("%s%s: ", outer, scope->label);
    free(outer);
    return prefix;
}

/* Names and values come from the file: a control character in one must not break the line that a
 * mistake is printed on, or reach the operator's terminal. */
static void diag_clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

static const char *diag_keep(struct config_diag *diag, char *text)
{
    struct slice kept;

    diag_clean(text);
    kept = arena_dup(diag->arena, slice_str(text));
    free(text);
    return kept.p;
}

static void diag_append(struct config_diag *diag, unsigned line, const char *message)
{
    if (diag->count == diag->capacity) {
        diag->capacity = diag->capacity ? diag->capacity * 2 : 16;
        diag->entries = xrealloc(diag->entries, diag->capacity * sizeof(*diag->entries));
    }
    diag->entries[diag->count] = (struct config_diag_entry){line, (unsigned)diag->count, message};
    diag->count++;
}

void config_diag_add(struct config_diag *diag, unsigned line, const char *format, ...)
{
    char *prefix, *text, *message;
    va_list args;

    if (diag->count == CONFIG_DIAG_MAX) {
        diag->suppressed++;
        return;
    }
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    prefix = diag_prefix(diag->scope);
    message = xasprintf("%s%s", prefix, text);
    free(prefix);
    free(text);
    diag_append(diag, line, diag_keep(diag, message));
}

void config_diag_note_file(struct config_diag *diag, const char *path,
                           struct file_identity identity)
{
    for (size_t i = 0; i < diag->file_count; i++) {
        if (strcmp(diag->files[i].path, path) == 0)
            return;
    }
    if (diag->file_count == CONFIG_DIAG_FILES) {
        diag->more_files = true;
        return;
    }
    diag->files[diag->file_count++] = (struct config_file){
        .path = arena_dup(diag->arena, slice_str(path)).p,
        .identity = identity,
    };
}

struct config_files config_diag_files(const struct config_diag *diag, struct arena *arena)
{
    struct config_file *v = arena_zalloc(arena, diag->file_count * sizeof(*v));

    for (size_t i = 0; i < diag->file_count; i++)
        v[i] = (struct config_file){
            .path = arena_dup(arena, slice_str(diag->files[i].path)).p,
            .identity = diag->files[i].identity,
        };
    return (struct config_files){v, diag->file_count, diag->more_files};
}

static int diag_compare(const void *a, const void *b)
{
    const struct config_diag_entry *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

void config_diag_finish(struct config_diag *diag, const struct config_source *source,
                        struct config_errors *ret_errors)
{
    struct config_error *v;

    qsort(diag->entries, diag->count, sizeof(*diag->entries), diag_compare);
    if (diag->suppressed > 0)
        diag_append(diag, diag->entries[diag->count - 1].line,
                    diag_keep(diag, xasprintf("%zu more mistakes; correct the ones above first",
                                              diag->suppressed)));
    v = arena_zalloc(diag->arena, diag->count * sizeof(*v));
    for (size_t i = 0; i < diag->count; i++) {
        struct config_origin origin = config_source_origin(source, diag->entries[i].line);

        v[i].file = arena_dup(diag->arena, slice_str(origin.file)).p;
        v[i].line = origin.line;
        v[i].message = diag->entries[i].message;
    }
    *ret_errors = (struct config_errors){
        .v = v,
        .count = diag->count,
        .files = config_diag_files(diag, diag->arena),
        .arena = diag->arena,
    };
    diag->arena = NULL;
}
