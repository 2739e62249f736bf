/* Reading whole small files, carefully: names come from a file that may be wrong. */
#include "config/files_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/diag_internal.h"

/* Reads up to size + 1 bytes, so that a file that grew meanwhile is noticed. */
static size_t file_read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    return used;
}

static char *file_check(const struct stat *st, size_t limit_bytes)
{
    if (!S_ISREG(st->st_mode))
        return xstrdup("it is not a file; write the path of a file");
    if ((size_t)st->st_size > limit_bytes)
        return xasprintf("it is larger than %zu bytes; write a smaller one", limit_bytes);
    return NULL;
}

static bool file_read(struct config_file_content *ret_content, const char *path, size_t limit_bytes,
                      char **ret_why)
{
    struct config_file_content content = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &content.st) < 0) {
        *ret_why = xasprintf("%s; correct the path or its permissions", strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    *ret_why = file_check(&content.st, limit_bytes);
    if (*ret_why == NULL) {
        content.text = xmalloc((size_t)content.st.st_size + 1);
        content.size = file_read_all(fd, content.text, (size_t)content.st.st_size);
        content.text[content.size] = '\0';
    }
    close(fd);
    if (*ret_why != NULL)
        return false;
    *ret_content = content;
    return true;
}

/* Noted as it was before it was read: a write that came later makes it another. */
bool config_file_read_bytes(struct config_file_content *ret_content, struct config_diag *diag,
                            const char *path, size_t limit_bytes, char **ret_why)
{
    bool good = file_read(ret_content, path, limit_bytes, ret_why);

    if (diag != NULL)
        config_diag_note_file(diag, path,
                              good ? file_identity_of_stat(&ret_content->st)
                                   : file_identity_of_path(path));
    return good;
}

bool config_file_read(struct config_file_content *ret_content, struct config_diag *diag,
                      const char *path, size_t limit_bytes, char **ret_why)
{
    struct config_file_content content;

    if (!config_file_read_bytes(&content, diag, path, limit_bytes, ret_why))
        return false;
    if (memchr(content.text, '\0', content.size) != NULL) {
        *ret_why = xstrdup("it holds a NUL byte; write a text file");
        free(content.text);
        return false;
    }
    *ret_content = content;
    return true;
}

struct config_digest config_digest_of(const struct config_file_content *content)
{
    struct config_digest digest;

    _Static_assert(sizeof(digest.bytes) == 32, "what SHA-256 gives");
    CHECK(EVP_Digest(content->text, content->size, digest.bytes, NULL, EVP_sha256(), NULL) == 1);
    return digest;
}
