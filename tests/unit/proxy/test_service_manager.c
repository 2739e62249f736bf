#include <criterion/criterion.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/service_manager.h"

/* A socket that stands for the service manager, at `name` as $NOTIFY_SOCKET has it. */
static int manager_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(address.sun_path, name, n);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    cr_assert_eq(bind(fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *heard(int fd)
{
    static char text[2048];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void expect_ready(int fd)
{
    char *want = xasprintf("READY=1\nMAINPID=%d\nSTATUS=serving", (int)getpid());

    service_manager_ready("serving\nREADY=0");
    cr_assert_str_eq(heard(fd), want, "one line, whatever the sentence holds");
    free(want);
}

Test(service_manager, is_told_over_an_abstract_address)
{
    char *name = xasprintf("@evergate-test-%d", (int)getpid());
    int fd = manager_at(name);

    expect_ready(fd);
    service_manager_stopping("draining");
    cr_assert_str_eq(heard(fd), "STOPPING=1\nSTATUS=draining");
    service_manager_main_process(4711);
    cr_assert_str_eq(heard(fd), "MAINPID=4711");
    service_manager_reloading();
    cr_assert_eq(strncmp(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    close(fd);
    free(name);
}

Test(service_manager, is_told_over_a_path)
{
    char directory[] = "/tmp/evergate-notify-XXXXXX";
    char *path;
    int fd;

    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/notify", directory);
    fd = manager_at(path);
    expect_ready(fd);
    close(fd);
    unlink(path);
    rmdir(directory);
    free(path);
}

Test(service_manager, none_or_a_senseless_address_is_silence)
{
    const char *names[] = {"", "@", "relative", "/nonexistent/notify"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        service_manager_ready("serving");
    }
    unsetenv("NOTIFY_SOCKET");
    service_manager_ready("serving");
}
