/* Packets and words between the spawner and those who ask it: see spawner_internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/spawner_internal.h"

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(SPAWNER_PACKET_FDS * sizeof(int))];
};

/* ---- Packets ---- */

int spawner_send(int socket, const void *packet, size_t size, const int *fds, int fd_count)
{
    size_t fds_bytes = (size_t)fd_count * sizeof(*fds);
    struct iovec bytes = {.iov_base = (void *)packet, .iov_len = size};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    union control control = {0};
    ssize_t n;

    CHECK(fd_count <= SPAWNER_PACKET_FDS);
    if (fd_count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds_bytes);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fds_bytes);
        memcpy(CMSG_DATA(&control.header), fds, fds_bytes);
    }
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? errno : 0;
}

int spawner_receive(int socket, void *packet, size_t size, int fds[SPAWNER_PACKET_FDS],
                    int *ret_fd_count)
{
    struct iovec bytes = {.iov_base = packet, .iov_len = size};
    union control control = {0};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             /* Not sizeof: alignment has room for one more than `fds` does. */
                             .msg_controllen = CMSG_LEN(SPAWNER_PACKET_FDS * sizeof(int))};
    const struct cmsghdr *header;
    ssize_t n;

    *ret_fd_count = 0;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno;
    header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *ret_fd_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header), (size_t)*ret_fd_count * sizeof(int));
    }
    if (n == 0)
        return ESHUTDOWN;
    if (message.msg_flags & MSG_CTRUNC) /* no descriptor is free for those that came */
        return EMFILE;
    return (size_t)n == size && !(message.msg_flags & MSG_TRUNC) ? 0 : EPROTO;
}

/* ---- Words ---- */

static uint32_t put_words(FILE *out, char *const *words)
{
    uint32_t count = 0;

    for (; words[count]; count++)
        fwrite(words[count], 1, strlen(words[count]) + 1, out);
    return count;
}

static int write_all(int fd, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, text + at, size - at);

        if (n < 0)
            return errno;
        at += (size_t)n;
    }
    return 0;
}

/* In memory only, and sealed: what the reader has looked at does not change under its eyes. */
static int memory_file(const char *text, size_t size, int *ret_fd)
{
    int fd = memfd_create("evergate-words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error = fd < 0 ? errno : write_all(fd, text, size);

    if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        error = errno;
    if (error == 0)
        *ret_fd = fd;
    else if (fd >= 0)
        close(fd);
    return error;
}

int spawner_words_write(const struct launch *launch, struct spawner_request *request, int *ret_fd)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int error = E2BIG;

    CHECK(out != NULL);
    fwrite(launch->path ? launch->path : "", 1, launch->path ? strlen(launch->path) + 1 : 1, out);
    request->argc = put_words(out, launch->argv);
    request->envc = put_words(out, launch->environment);
    CHECK(fclose(out) == 0);
    request->words_bytes = (uint32_t)size;
    if (size <= SPAWNER_WORDS_BYTES)
        error = memory_file(text, size, ret_fd);
    explicit_bzero(text, size); /* an environment may hold secrets */
    free(text);
    return error;
}

/* Up to `count` words from *p on, a NULL behind them; NULL when there are fewer. */
static char **take_words(char **p, const char *end, uint32_t count)
{
    char **words = xcalloc((size_t)count + 1, sizeof(*words));

    for (uint32_t i = 0; i < count; i++) {
        if (*p >= end) {
            free(words);
            return NULL;
        }
        words[i] = *p;
        *p += strlen(*p) + 1;
    }
    return words;
}

static int read_text(char **ret_text, uint32_t size, int fd)
{
    struct stat st;
    char *text;

    if (size == 0 || size > SPAWNER_WORDS_BYTES || fstat(fd, &st) < 0 || st.st_size != size)
        return EPROTO;
    text = xmalloc(size);
    if (pread(fd, text, size, 0) == (ssize_t)size && text[size - 1] == '\0') {
        *ret_text = text;
        return 0;
    }
    free(text);
    return EPROTO;
}

int spawner_words_read(struct spawner_words *ret_words, const struct spawner_request *request,
                       int fd)
{
    struct spawner_words words = {0};
    uint32_t size = request->words_bytes;
    char *p;

    /* Each word has a byte at least. */
    if (request->argc == 0 || request->argc > size || request->envc > size)
        return EPROTO;
    int error = read_text(&words.text, size, fd);
    if (error != 0)
        return error;
    p = words.text;
    words.path = *p != '\0' ? p : NULL;
    p += strlen(p) + 1;
    words.argv = take_words(&p, words.text + size, request->argc);
    words.environment = words.argv ? take_words(&p, words.text + size, request->envc) : NULL;
    if (words.environment && p == words.text + size) {
        *ret_words = words;
        return 0;
    }
    spawner_words_fini(&words);
    return EPROTO;
}

void spawner_words_fini(struct spawner_words *words)
{
    free(words->text);
    free(words->argv);
    free(words->environment);
    *words = (struct spawner_words){0};
}

/* ---- The launch ---- */

/* The packet's number `index` as a descriptor; what is out of range is refused. */
static int resolve_fd(int32_t index, const int *fds, int fd_count, int *ret_fd)
{
    if (index == LAUNCH_NULL || index == LAUNCH_SAME)
        *ret_fd = index;
    else if (index > 0 && index < fd_count)
        *ret_fd = fds[index];
    else
        return EPROTO;
    return 0;
}

int spawner_launch_read(struct launch *ret_launch, const struct spawner_request *request,
                        const struct spawner_words *words, const int *fds, int fd_count)
{
    struct launch launch = {
        .path = words->path,
        .argv = words->argv,
        .environment = words->environment,
        .fd_count = request->fd_count,
        .own_group = request->own_group,
        .next_binary = request->next_binary,
    };
    int error = request->fd_count < 0 || request->fd_count > LAUNCH_FDS_MAX ? EPROTO : 0;

    for (int i = 0; error == 0 && i < launch.fd_count; i++)
        error = resolve_fd(request->fds[i], fds, fd_count, &launch.fds[i]);
    if (error == 0)
        *ret_launch = launch;
    return error;
}
