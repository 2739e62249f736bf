/* Files, @include and the map from lines of the flattened text back to them. */
#include "config/source_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/diag_internal.h"
#include "config/files_internal.h"

/* One load: the chain of files being read stands on the stack. */
struct source_file {
    const struct source_file *includer;
    const char *path;
    dev_t device;
    ino_t inode;
    unsigned depth;
};

struct source_load {
    struct config_source *source;
    struct config_diag *diag;
    struct config_scan scan;
    bool includes_allowed;
};

static bool source_add_text(struct source_load *load, const struct source_file *file,
                            const char *text, size_t size);

static unsigned source_current_line(const struct config_source *source)
{
    return (unsigned)source->line_count;
}

static void source_add_origin(struct config_source *source, const char *file, unsigned line)
{
    if (source->line_count == source->line_capacity) {
        source->line_capacity = source->line_capacity ? source->line_capacity * 2 : 256;
        source->origins =
            xrealloc(source->origins, source->line_capacity * sizeof(*source->origins));
    }
    source->origins[source->line_count++] = (struct config_origin){file, line};
}

/* Appends a line and its newline; returns where it stands. */
static char *source_append(struct config_source *source, const char *p, size_t n)
{
    char *at;

    if (source->size + n + 2 > source->capacity) {
        source->capacity = (source->size + n + 2) * 2;
        source->text = xrealloc(source->text, source->capacity);
    }
    at = source->text + source->size;
    memcpy(at, p, n);
    at[n] = '\n';
    at[n + 1] = '\0';
    source->size += n + 1;
    return at;
}

/* The path of an @include line in *ret_path; false when the line is none. A line that looks like
 * one but is malformed gives an empty path. */
static bool source_include_path(const char *p, size_t n, struct slice *ret_path)
{
    struct slice line = slice_trim(slice_from(p, n)), keyword = SLICE_LIT("@include");
    const char *end;

    if (!slice_starts_with(line, keyword))
        return false;
    line = slice_trim(slice_from(line.p + keyword.n, line.n - keyword.n));
    *ret_path = slice_from(line.p, 0);
    if (line.n < 3 || line.p[0] != '"')
        return true;
    end = memchr(line.p + 1, '"', line.n - 1);
    if (end != NULL)
        *ret_path = slice_from(line.p + 1, (size_t)(end - line.p) - 1);
    return true;
}

static bool source_is_open(const struct source_file *file, const struct stat *st)
{
    for (; file != NULL; file = file->includer) {
        if (file->device == st->st_dev && file->inode == st->st_ino)
            return true;
    }
    return false;
}

static bool source_read_file(struct source_load *load, const struct source_file *includer,
                             const char *path)
{
    unsigned line = source_current_line(load->source);
    struct source_file file = {.includer = includer, .path = path};
    struct whole_file content;
    char *why;
    bool good;

    if (!config_file_read(&content, load->diag, path, CONFIG_SOURCE_MAX_BYTES, &why)) {
        config_diag_add(load->diag, line, "cannot read \"%s\": %s", path, why);
        free(why);
        return false;
    }
    file.device = content.st.st_dev;
    file.inode = content.st.st_ino;
    file.depth = includer == NULL ? 0 : includer->depth + 1;
    if (source_is_open(includer, &content.st)) {
        config_diag_add(load->diag, line, "\"%s\" includes itself; remove this @include", path);
        good = false;
    } else if (file.depth > CONFIG_SOURCE_MAX_DEPTH) {
        config_diag_add(load->diag, line, "more than %d files include each other; remove some",
                        CONFIG_SOURCE_MAX_DEPTH);
        good = false;
    } else {
        good = source_add_text(load, &file, content.text, content.size);
    }
    free(content.text);
    return good;
}

static bool source_include(struct source_load *load, const struct source_file *file,
                           struct slice path)
{
    struct config_source *source = load->source;
    unsigned line = source_current_line(source);
    const char *name;

    if (!load->includes_allowed) {
        config_diag_add(load->diag, line, "@include works in files only; write its content here");
        return false;
    }
    if (path.n == 0) {
        config_diag_add(load->diag, line, "@include needs a file; write @include \"FILE\"");
        return false;
    }
    name = arena_dup(&source->arena, path).p;
    return source_read_file(load, file, config_source_path(source, line, name, &source->arena));
}

/* A line of `file` that came in whole. */
static bool source_add_line(struct source_load *load, const struct source_file *file, const char *p,
                            size_t n, unsigned line)
{
    struct config_source *source = load->source;
    bool in_comment = load->scan.in_comment;
    struct slice include;
    char *at;

    source_add_origin(source, file->path, line);
    load->scan.line = source_current_line(source);
    load->scan.shown_line = line;
    if (!in_comment && source_include_path(p, n, &include)) {
        source_append(source, "", 0);
        return source_include(load, file, include);
    }
    at = source_append(source, p, n);
    return config_scan_line(&load->scan, at, n);
}

static bool source_add_text(struct source_load *load, const struct source_file *file,
                            const char *text, size_t size)
{
    unsigned line = 0;

    if (load->source->size + size > CONFIG_SOURCE_MAX_BYTES) {
        config_diag_add(load->diag, source_current_line(load->source),
                        "the configuration is larger than 16m; split it between instances");
        return false;
    }
    for (size_t i = 0; i < size;) {
        const char *newline = memchr(text + i, '\n', size - i);
        size_t n = newline != NULL ? (size_t)(newline - text) - i : size - i;
        size_t kept = n > 0 && text[i + n - 1] == '\r' ? n - 1 : n; /* edited on Windows */

        if (!source_add_line(load, file, text + i, kept, ++line))
            return false;
        i += n + 1;
    }
    return config_scan_file_end(&load->scan);
}

static void source_init(struct config_source *source, const char *name)
{
    *source = (struct config_source){0};
    arena_init(&source->arena);
    source->name = arena_dup(&source->arena, slice_str(name)).p;
    source_append(source, "", 0);
    source->size = 0; /* an empty file is an empty string, not NULL */
    source->text[0] = '\0';
}

bool config_source_load(struct config_source *source, const char *path, struct config_diag *diag)
{
    struct source_load load = {
        .source = source, .diag = diag, .scan.diag = diag, .includes_allowed = true};

    source_init(source, path);
    return source_read_file(&load, NULL, source->name) && config_grammar_end(&load.scan);
}

bool config_source_set_text(struct config_source *source, const char *name, const char *text,
                            struct config_diag *diag)
{
    struct source_load load = {.source = source, .diag = diag, .scan.diag = diag};
    struct source_file file = {0};

    source_init(source, name);
    file.path = source->name;
    return source_add_text(&load, &file, text, strlen(text)) && config_grammar_end(&load.scan);
}

void config_source_fini(struct config_source *source)
{
    free(source->text);
    free(source->origins);
    arena_fini(&source->arena);
}

struct config_origin config_source_origin(const struct config_source *source, unsigned line)
{
    if (line == 0 || line > source->line_count)
        return (struct config_origin){source->name, line > 0}; /* an empty file's line 1 */
    return source->origins[line - 1];
}

const char *config_source_path(const struct config_source *source, unsigned line, const char *path,
                               struct arena *arena)
{
    const char *file = config_source_origin(source, line).file;
    const char *slash = strrchr(file, '/');
    struct slice copy;
    char *joined;

    if (path[0] == '/' || slash == NULL)
        return arena_dup(arena, slice_str(path)).p;
    joined = xasprintf("%.*s/%s", (int)(slash - file), file, path);
    copy = arena_dup(arena, slice_str(joined));
    free(joined);
    return copy.p;
}
