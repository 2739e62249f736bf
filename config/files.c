/* Reading whole small files, carefully: names come from a file that may be wrong. */
#include "config/files_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/diag_internal.h"

static bool file_read(struct whole_file *ret_content, const char *path, size_t limit_bytes,
                      char **ret_why)
{
    switch (whole_file_read(ret_content, path, limit_bytes)) {
    case WHOLE_FILE_READ:
        return true;
    case WHOLE_FILE_ERROR:
        *ret_why = xasprintf("%s; correct the path or its permissions", strerror(errno));
        break;
    case WHOLE_FILE_NO_FILE:
        *ret_why = xstrdup("it is not a file; write the path of a file");
        break;
    case WHOLE_FILE_TOO_LARGE:
        *ret_why = xasprintf("it is larger than %zu bytes; write a smaller one", limit_bytes);
        break;
    }
    return false;
}

/* Noted as it was before it was read: a write that came later makes it another. */
bool config_file_read_bytes(struct whole_file *ret_content, struct config_diag *diag,
                            const char *path, size_t limit_bytes, char **ret_why)
{
    bool good = file_read(ret_content, path, limit_bytes, ret_why);

    if (diag != NULL)
        config_diag_note_file(diag, path,
                              good ? file_identity_of_stat(&ret_content->st)
                                   : file_identity_of_path(path));
    return good;
}

bool config_file_read(struct whole_file *ret_content, struct config_diag *diag, const char *path,
                      size_t limit_bytes, char **ret_why)
{
    struct whole_file content;

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

struct config_digest config_digest_of(const struct whole_file *content)
{
    struct config_digest digest;

    _Static_assert(sizeof(digest.bytes) == 32, "what SHA-256 gives");
    CHECK(EVP_Digest(content->text, content->size, digest.bytes, NULL, EVP_sha256(), NULL) == 1);
    return digest;
}
