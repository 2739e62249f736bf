/* The letter's way from one process to the next: see upgrade_mail.h. */
#include "proxy/upgrade_mail.h"

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
#include "base/slice.h"

enum {
    MAIL_BATCH = 250, /* descriptors in one message; the kernel's limit is 253 */
    MAIL_WORD_BYTES = 64,
    MAIL_LETTER_BYTES = 1 << 30, /* found sets of some tens of megabytes each */
    MAIL_DESCRIPTORS = 1 << 20,
};

static const char greeting[] = "evergate ";

int upgrade_mail_pair(int ret_sockets[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_sockets) < 0)
        return errno;
    if (fcntl(ret_sockets[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    int error = errno;
    close(ret_sockets[0]);
    close(ret_sockets[1]);
    return error;
}

/* ---- Sending ---- */

static int send_packet(int socket, const char *text, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(MAIL_BATCH * sizeof(int))];
    } control;
    struct iovec bytes = {.iov_base = (char *)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

    if (count > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* In memory only, and sealed: the reader need not fear that it changes under its eyes. */
static int letter_file(const char *letter, int *ret_fd)
{
    size_t size = strlen(letter);
    int fd = memfd_create("evergate-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return errno;
    *ret_fd = fd;
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, letter + at, size - at);

        if (n < 0)
            return errno;
        at += (size_t)n;
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0 ? errno : 0;
}

int upgrade_mail_send(int socket, const char *letter, const int *fds, size_t count)
{
    char first[MAIL_WORD_BYTES];
    int file = -1;
    int error = letter_file(letter, &file);

    snprintf(first, sizeof(first), "%s%zu", greeting, count);
    if (error == 0)
        error = send_packet(socket, first, &file, 1);
    for (size_t at = 0; at < count && error == 0; at += MAIL_BATCH)
        error =
            send_packet(socket, "+", fds + at, count - at < MAIL_BATCH ? count - at : MAIL_BATCH);
    if (file >= 0)
        close(file);
    return error;
}

/* ---- Receiving ---- */

/* The packet's text into `text` (MAIL_WORD_BYTES), its descriptors into `fds` (MAIL_BATCH), with
 * their number in *ret_count. The size of the text, 0 at the end, -1 with errno. */
static ssize_t receive_packet(int socket, char *text, int *fds, size_t *ret_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(MAIL_BATCH * sizeof(int))];
    } control;
    struct iovec bytes = {.iov_base = text, .iov_len = MAIL_WORD_BYTES - 1};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    const struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

    *ret_count = 0;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *ret_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), *ret_count * sizeof(int));
    }
    text[n > 0 ? n : 0] = '\0';
    return n;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static char *read_file(int fd, size_t *ret_size)
{
    struct stat st;
    char *text;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > MAIL_LETTER_BYTES)
        return NULL;
    text = xmalloc((size_t)st.st_size);
    if (pread(fd, text, (size_t)st.st_size, 0) == (ssize_t)st.st_size) {
        *ret_size = (size_t)st.st_size;
        return text;
    }
    free(text);
    return NULL;
}

/* The first packet: the letter, and how many descriptors follow. */
static char *receive_letter(int socket, size_t *ret_size, unsigned long long *ret_count)
{
    char text[MAIL_WORD_BYTES], *letter = NULL;
    int fds[MAIL_BATCH];
    size_t fd_count, n = strlen(greeting);

    receive_packet(socket, text, fds, &fd_count);
    if (fd_count == 1 && strncmp(text, greeting, n) == 0 &&
        slice_to_u64(slice_str(text + n), ret_count) && *ret_count <= MAIL_DESCRIPTORS)
        letter = read_file(fds[0], ret_size);
    close_all(fds, fd_count);
    return letter;
}

/* True when all came. Those that came are the caller's either way. */
static bool receive_descriptors(int socket, int *fds, size_t wanted, size_t *ret_count)
{
    char text[MAIL_WORD_BYTES];
    int batch[MAIL_BATCH];
    size_t count;

    *ret_count = 0;
    while (*ret_count < wanted && receive_packet(socket, text, batch, &count) > 0 && count > 0) {
        if (count > wanted - *ret_count) {
            close_all(batch, count);
            return false;
        }
        memcpy(fds + *ret_count, batch, count * sizeof(*fds));
        *ret_count += count;
    }
    return *ret_count == wanted;
}

int upgrade_mail_receive(int socket, char **ret_letter, size_t *ret_size, int **ret_fds,
                         size_t *ret_count, char **ret_why)
{
    unsigned long long wanted = 0;
    char *letter = receive_letter(socket, ret_size, &wanted);
    int *fds;

    if (letter == NULL) {
        *ret_why = xstrdup("the process before left no letter");
        return EG_E_INTERNAL;
    }
    fds = xcalloc(wanted + 1, sizeof(*fds));
    if (receive_descriptors(socket, fds, wanted, ret_count)) {
        *ret_letter = letter;
        *ret_fds = fds;
        return EG_OK;
    }
    *ret_why =
        xasprintf("of %llu sockets of the process before only %zu came; is the limit of open "
                  "files too low?",
                  wanted, *ret_count);
    close_all(fds, *ret_count);
    free(fds);
    explicit_bzero(letter, *ret_size);
    free(letter);
    return EG_E_INTERNAL;
}

/* ---- Words ---- */

bool upgrade_mail_say(int socket, const char *word)
{
    return send_packet(socket, word, NULL, 0) == 0;
}

enum upgrade_heard upgrade_mail_hear(int socket, const char *word)
{
    char text[MAIL_WORD_BYTES];
    int fds[MAIL_BATCH];
    size_t count;
    ssize_t n = receive_packet(socket, text, fds, &count);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return UPGRADE_HEARD_NOTHING;
    close_all(fds, count);
    return n > 0 && strcmp(text, word) == 0 ? UPGRADE_HEARD_WORD : UPGRADE_HEARD_END;
}
