/*
 * What the process that starts commands is sent: a request, the words' file behind it. Properties:
 * words that are taken lie within the file, are as many as was said and make the same file again;
 * a descriptor is one of the packet's, and never the words' own; a packet of another size is none.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/spawner_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIRST_FD = 1000 }; /* numbers only: nothing is started */

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    return fd;
}

static void check_list(char *const *list, uint32_t count, const struct spawner_words *words,
                       size_t size)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK(list[i] >= words->text && list[i] + strlen(list[i]) < words->text + size);
    CHECK(list[count] == NULL);
}

static void check_same_again(const struct launch *launch, const struct spawner_request *request,
                             const struct spawner_words *words)
{
    struct spawner_request again = {0};
    char *text = xmalloc(request->words_bytes);
    int fd;

    CHECK(spawner_words_write(launch, &again, &fd) == 0);
    CHECK(again.words_bytes == request->words_bytes && again.argc == request->argc &&
          again.envc == request->envc);
    CHECK(pread(fd, text, again.words_bytes, 0) == (ssize_t)again.words_bytes);
    CHECK(memcmp(text, words->text, again.words_bytes) == 0);
    close(fd);
    free(text);
}

static void check_launch(const struct spawner_request *request, const struct spawner_words *words)
{
    static const int fds[SPAWNER_PACKET_FDS] = {FIRST_FD, FIRST_FD + 1, FIRST_FD + 2};
    const int fd_count = 3;
    struct launch launch;

    if (spawner_launch_read(&launch, request, words, fds, fd_count) != 0)
        return;
    CHECK(launch.fd_count >= 0 && launch.fd_count <= LAUNCH_FDS_MAX);
    for (int i = 0; i < launch.fd_count; i++)
        CHECK(launch.fds[i] == LAUNCH_NULL || launch.fds[i] == LAUNCH_SAME ||
              (launch.fds[i] > FIRST_FD && launch.fds[i] < FIRST_FD + fd_count));
    check_same_again(&launch, request, words);
}

static void check_words(const uint8_t *data, size_t size)
{
    struct spawner_request request;
    struct spawner_words words;
    int fd;

    memcpy(&request, data, sizeof(request));
    fd = file_of(data + sizeof(request), size - sizeof(request));
    if (spawner_words_read(&words, &request, fd) == 0) {
        check_list(words.argv, request.argc, &words, request.words_bytes);
        check_list(words.environment, request.envc, &words, request.words_bytes);
        check_launch(&request, &words);
        spawner_words_fini(&words);
    }
    close(fd);
}

static void check_packet(const uint8_t *data, size_t size)
{
    struct spawner_request request;
    int sockets[2], fds[SPAWNER_PACKET_FDS], fd_count, error;

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
    if (spawner_send(sockets[0], data, size, sockets, size % SPAWNER_PACKET_FDS % 3) == 0) {
        error = spawner_receive(sockets[1], &request, sizeof(request), fds, &fd_count);
        CHECK(error == (size == sizeof(request) ? 0 : size == 0 ? ESHUTDOWN : EPROTO));
        for (int i = 0; i < fd_count; i++)
            close(fds[i]);
    }
    close(sockets[0]);
    close(sockets[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_packet(data, size);
    if (size >= sizeof(struct spawner_request))
        check_words(data, size);
    return 0;
}
