/* Loading and saving the overlay. */
#include "config/state_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/file_replace.h"
#include "config/files_internal.h"

enum { STATE_MAX_BYTES = 256 * 1024 * 1024 };

/* ---- loading ---- */

static char *state_read(struct config_overlay **ret_overlay, const char *path,
                        const struct whole_file *content)
{
    json_error_t error;
    json_t *document = json_loadb(content->text, content->size, JSON_REJECT_DUPLICATES, &error);
    char *why = NULL, *full;

    if (document == NULL)
        return xasprintf("state_file: \"%s\": line %d: %s; correct it, or move it away to start "
                         "without what the API changed",
                         path, error.line, error.text);
    if (config_overlay_parse(ret_overlay, document, &why) == 0) {
        json_decref(document);
        return NULL;
    }
    json_decref(document);
    full = xasprintf("state_file: \"%s\": %s; correct it, or move it away to start without what "
                     "the API changed",
                     path, why);
    free(why);
    return full;
}

int state_file_load(struct config_overlay **ret_overlay, const char *path, char **ret_why)
{
    struct whole_file content;
    char *why = NULL;

    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *ret_overlay = config_overlay_new();
        return 0;
    }
    if (!config_file_read_bytes(&content, NULL, path, STATE_MAX_BYTES, &why)) {
        *ret_why = xasprintf("state_file: cannot read \"%s\": %s", path, why);
        free(why);
        return EG_E_INTERNAL;
    }
    why = state_read(ret_overlay, path, &content);
    free(content.text);
    if (why == NULL)
        return 0;
    *ret_why = why;
    return EG_E_INTERNAL;
}

/* ---- saving ---- */

/* What is larger would not be read again. False with errno. */
static bool state_write(const char *path, struct slice text)
{
    if (text.n > STATE_MAX_BYTES) {
        errno = EFBIG;
        return false;
    }
    return file_replace(path, text);
}

int state_file_save(const struct config_overlay *overlay, const char *path, char **ret_why)
{
    json_t *document = config_overlay_json(overlay);
    char *text = json_dumps(document, JSON_INDENT(2)), *whole;
    bool good;

    CHECK(text != NULL);
    json_decref(document);
    whole = xasprintf("%s\n", text);
    free(text);
    good = state_write(path, slice_str(whole));
    if (!good)
        *ret_why = xasprintf("state_file: cannot write \"%s\": %s", path, strerror(errno));
    free(whole);
    return good ? 0 : EG_E_INTERNAL;
}
