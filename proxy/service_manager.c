/* Telling the service manager: see service_manager.h. */
#include "proxy/service_manager.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { SERVICE_MESSAGE_BYTES = 1024, SERVICE_WAIT_MS = 1000 };

/* "/path", or "@name" for a name without a file (unix(7), abstract). 0: neither. */
static socklen_t parse_address(struct sockaddr_un *address, const char *text)
{
    size_t n = text != NULL ? strlen(text) : 0;

    if (n < 2 || n >= sizeof(address->sun_path) || (text[0] != '/' && text[0] != '@'))
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, text, n);
    if (text[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] == '/'));
}

/* A busy manager's queue may be full for a moment (net.unix.max_dgram_qlen is 10 in a container). A
 * MAINPID that is lost there would end the service with the old process, so it is given a second;
 * one that does not read at all must not hold us up for longer. */
static void send_patiently(int fd, const char *message)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    if (poll(&room, 1, SERVICE_WAIT_MS) == 1)
        (void)send(fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell(const char *message)
{
    struct sockaddr_un address;
    socklen_t length = parse_address(&address, getenv("NOTIFY_SOCKET"));
    int fd = length > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return;
    /* Connected, so that poll(2) says when there is room in the manager's queue. */
    if (connect(fd, (struct sockaddr *)&address, length) == 0)
        send_patiently(fd, message);
    close(fd);
}

static void tell_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell_format(const char *format, ...)
{
    char message[SERVICE_MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    tell(message);
}

/* A line break in a sentence would begin another key. */
static int line_length(const char *status)
{
    return (int)strcspn(status, "\n");
}

void service_manager_ready(const char *status)
{
    tell_format("READY=1\nMAINPID=%d\nSTATUS=%.*s", (int)getpid(), line_length(status), status);
}

/* The time is asked for by Type=notify-reload, to tell this reload from an earlier one. */
void service_manager_reloading(void)
{
    tell_format("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading the configuration",
                (unsigned long long)clock_monotonic_us());
}

void service_manager_stopping(const char *status)
{
    tell_format("STOPPING=1\nSTATUS=%.*s", line_length(status), status);
}

void service_manager_main_process(pid_t pid)
{
    tell_format("MAINPID=%d", (int)pid);
}
