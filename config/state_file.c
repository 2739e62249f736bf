/* Loading and saving the overlay. It is written beside the file and renamed over it, so that at any
 * moment the file is the old one or the new one, whole. */
#include "config/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/files_internal.h"

enum { STATE_MAX_BYTES = 256 * 1024 * 1024 };

/* ---- loading ---- */

static char *state_read(struct config_overlay **ret_overlay, const char *path,
                        const struct config_file_content *content)
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
    struct config_file_content content;
    char *why = NULL;

    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *ret_overlay = config_overlay_new();
        return 0;
    }
    if (!config_file_read_bytes(&content, path, STATE_MAX_BYTES, &why)) {
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

static bool state_write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

/* Without it, the rename itself may be lost with the power. */
static bool state_sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL   ? xstrdup(".")
                      : slash == path ? xstrdup("/")
                                      : xstrndup(path, (size_t)(slash - path));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    free(directory);
    return good;
}

/* A link to the file stays one. Where it leads to nothing yet, one step is followed (heap). */
static char *state_target(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *real = realpath(path, NULL), link[PATH_MAX];
    ssize_t n;

    if (real != NULL)
        return real;
    n = readlink(path, link, sizeof(link) - 1);
    if (n <= 0)
        return xstrdup(path);
    link[n] = '\0';
    if (link[0] == '/' || slash == NULL)
        return xstrdup(link);
    return xasprintf("%.*s/%s", (int)(slash - path), path, link);
}

/* mkostemp gives 0600: metadata of endpoints is nobody else's to read. */
static bool state_replace(const char *path, const char *text)
{
    char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC), saved;
    bool good;

    if (fd < 0) {
        free(temporary);
        return false;
    }
    good = state_write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    saved = errno;
    if (close(fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        saved = errno;
    }
    if (!good)
        unlink(temporary);
    free(temporary);
    errno = saved;
    return good && state_sync_directory(path);
}

/* What is larger would not be read again. False with errno. */
static bool state_write(const char *path, const char *text)
{
    char *target;
    bool good;

    if (strlen(text) > STATE_MAX_BYTES) {
        errno = EFBIG;
        return false;
    }
    target = state_target(path);
    good = state_replace(target, text);
    free(target);
    return good;
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
    good = state_write(path, whole);
    if (!good)
        *ret_why = xasprintf("state_file: cannot write \"%s\": %s", path, strerror(errno));
    free(whole);
    return good ? 0 : EG_E_INTERNAL;
}
