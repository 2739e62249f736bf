/* References to the environment inside strings. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/reader_internal.h"

enum { EXPAND_MAX_BYTES = 64 * 1024 }; /* of one string afterwards */

struct expand {
    char *text; /* heap */
    size_t size;
    unsigned line;
    bool command;
    struct config_diag *diag;
};

static void expand_append(struct expand *x, const char *p, size_t n)
{
    if (x->size + n > EXPAND_MAX_BYTES) {
        config_diag_add(x->diag, x->line, "a string is longer than 64k; write a shorter one");
        return;
    }
    x->text = xrealloc(x->text, x->size + n + 1);
    memcpy(x->text + x->size, p, n);
    x->size += n;
}

static bool expand_is_name(struct slice name)
{
    if (name.n == 0 || (name.p[0] >= '0' && name.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

/* ${EG_ENDPOINT_ID} of a command is filled in when it is run. */
static void expand_keep(struct expand *x, struct slice name, bool has_default)
{
    expand_append(x, "${", 2);
    expand_append(x, name.p, name.n);
    expand_append(x, "}", 1);
    if (has_default)
        config_diag_add(x->diag, x->line,
                        "${%.*s} is filled in when the command is run and takes no default; write "
                        "it without",
                        SLICE_FMT(name));
}

/* `body` is what stands between the braces. */
static void expand_reference(struct expand *x, struct slice body)
{
    const char *mark = memmem(body.p, body.n, ":-", 2), *value;
    struct slice name = slice_from(body.p, mark != NULL ? (size_t)(mark - body.p) : body.n);
    char *key;

    if (!expand_is_name(name)) {
        config_diag_add(x->diag, x->line,
                        "\"${%.*s}\" is no reference to the environment; write ${NAME} or "
                        "${NAME:-default}, or $$ for a $",
                        SLICE_FMT(body));
        return;
    }
    if (x->command && slice_starts_with(name, SLICE_LIT("EG_"))) {
        expand_keep(x, name, mark != NULL);
        return;
    }
    key = xstrndup(name.p, name.n);
    value = getenv(key);
    free(key);
    /* As in the shell, ":-" also replaces a value that is set but empty. */
    if (mark != NULL && (value == NULL || value[0] == '\0'))
        expand_append(x, mark + 2, body.n - name.n - 2);
    else if (value != NULL)
        expand_append(x, value, strlen(value));
    else
        config_diag_add(x->diag, x->line,
                        "environment variable %.*s is not set; set it, or write "
                        "${%.*s:-default}",
                        SLICE_FMT(name), SLICE_FMT(name));
}

/* Deals with the $ at p; returns the first byte behind what it used. */
static const char *expand_dollar(struct expand *x, const char *p, bool *ret_expanded)
{
    const char *end;

    if (p[1] == '$') {
        expand_append(x, "$", 1);
        return p + 2;
    }
    if (p[1] != '{') {
        expand_append(x, "$", 1);
        return p + 1;
    }
    end = strchr(p, '}');
    if (end == NULL) {
        config_diag_add(x->diag, x->line, "\"${\" is not closed; write \"}\", or $$ for a $");
        return p + strlen(p);
    }
    expand_reference(x, slice_from(p + 2, (size_t)(end - p) - 2));
    *ret_expanded = true;
    return end + 1;
}

const char *config_expand(const char *text, unsigned line, bool command, struct arena *arena,
                          struct config_diag *diag, bool *ret_expanded)
{
    struct expand x = {.line = line, .command = command, .diag = diag};
    struct slice copy;

    *ret_expanded = false;
    for (const char *p = text; *p != '\0';) {
        size_t plain = strcspn(p, "$");

        expand_append(&x, p, plain);
        p += plain;
        if (*p == '$')
            p = expand_dollar(&x, p, ret_expanded);
    }
    copy = arena_dup(arena, slice_from(x.text, x.size));
    free(x.text);
    return copy.p;
}
