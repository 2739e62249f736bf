/* See secret.h. */
#include "client/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Bytes read, at most `capacity`, or -1 with errno. */
static ssize_t read_file(const char *path, char *out, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    size_t size = 0;
    ssize_t n = 0;

    if (fd < 0)
        return -1;
    while (size < capacity && (n = read(fd, out + size, capacity - size)) > 0)
        size += (size_t)n;
    int read_errno = errno;
    close(fd);
    errno = read_errno;
    return n < 0 ? -1 : (ssize_t)size;
}

static void forget_text(struct secret *secret)
{
    if (secret->text)
        OPENSSL_cleanse(secret->text, secret->size);
    free(secret->text);
    secret->text = NULL;
    secret->size = 0;
}

static int secret_read(struct secret *secret, char **ret_why)
{
    char buffer[SECRET_MAX_BYTES + 1];
    ssize_t n = read_file(secret->path, buffer, sizeof(buffer));
    struct slice text = trim(slice_from(buffer, n > 0 ? (size_t)n : 0));
    int err = EG_E_INTERNAL;

    if (n < 0) {
        *ret_why = xasprintf("password file \"%s\": %s", secret->path, strerrordesc_np(errno));
    } else if ((size_t)n > SECRET_MAX_BYTES) {
        *ret_why = xasprintf("password file \"%s\" has more than %d bytes", secret->path,
                             SECRET_MAX_BYTES);
    } else if (text.n == 0 || memchr(text.p, '\0', text.n)) {
        *ret_why = xasprintf("password file \"%s\" holds no password", secret->path);
    } else {
        forget_text(secret);
        secret->text = xstrndup(text.p, text.n);
        secret->size = text.n;
        err = 0;
    }
    OPENSSL_cleanse(buffer, sizeof(buffer));
    return err;
}

int secret_init(struct secret *secret, const char *path, char **ret_why)
{
    *secret = (struct secret){.path = path ? xstrdup(path) : NULL};
    return path ? secret_read(secret, ret_why) : 0;
}

void secret_fini(struct secret *secret)
{
    forget_text(secret);
    free(secret->path);
    secret->path = NULL;
}

void secret_refresh(struct secret *secret)
{
    char *why = NULL;

    if (secret->path && secret_read(secret, &why) != 0)
        free(why);
}
