/* What a child says: see process_internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "checks/process_internal.h"

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

const char *process_last_line(const char *p, size_t n, char *out, size_t capacity)
{
    while (n > 0 && is_blank(p[n - 1]))
        n--;
    size_t start = n;
    while (start > 0 && p[start - 1] != '\n')
        start--;
    while (start < n && is_blank(p[start]))
        start++;

    size_t size = n - start < capacity - 1 ? n - start : capacity - 1;
    for (size_t i = 0; i < size; i++)
        out[i] = is_blank(p[start + i]) ? ' ' : p[start + i];
    out[size] = '\0';
    return out;
}

const char *process_output_line(struct process_output *output)
{
    return process_last_line(output->text, output->kept, output->line, sizeof(output->line));
}

/* n is at most PROCESS_OUTPUT_BYTES. */
static void keep(struct process_output *output, const char *data, size_t n)
{
    size_t room = PROCESS_OUTPUT_BYTES - n;
    size_t old = output->kept < room ? output->kept : room;

    memmove(output->text, output->text + output->kept - old, old);
    memcpy(output->text + old, data, n);
    output->kept = old + n;
}

/* True when there may be more. */
static bool read_some(struct process_output *output)
{
    char buffer[PROCESS_OUTPUT_BYTES];
    ssize_t n = read(output->fd, buffer, sizeof(buffer));

    if (n > 0) {
        keep(output, buffer, (size_t)n);
        output->read_bytes += (size_t)n;
        return true;
    }
    if (n == 0)
        process_output_close(output);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct process_output *output = arg;

    loop_enter(output->loop);
    read_some(output);
    if (output->on_readable && output->read_bytes >= PROCESS_READ_LIMIT)
        event_del(output->on_readable);
    loop_leave(output->loop);
}

int process_output_open(struct process_output *output, struct loop *loop, int *ret_write_fd)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    /* Only our end: the child may expect its output to block. */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    output->loop = loop;
    output->fd = ends[0];
    output->on_readable =
        event_new(loop->base, output->fd, EV_READ | EV_PERSIST, on_readable, output);
    CHECK(output->on_readable && event_add(output->on_readable, NULL) == 0);
    *ret_write_fd = ends[1];
    return 0;
}

void process_output_drain(struct process_output *output)
{
    while (output->fd >= 0 && output->read_bytes < PROCESS_READ_LIMIT && read_some(output)) {
    }
}

void process_output_close(struct process_output *output)
{
    if (output->fd < 0)
        return;
    event_free(output->on_readable);
    close(output->fd);
    output->on_readable = NULL;
    output->fd = -1;
}
