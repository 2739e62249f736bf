#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
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

/* A manager that is busy: it reads only once the one who tells it waits for that, or has given up.
 */
struct busy_manager {
    int fd;
    _Atomic bool told;
    bool heard_it;
};

static bool main_thread_waits(void)
{
    char path[64], text[128] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
    file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(text, sizeof(text), file));
    fclose(file);
    return strstr(text, ") S ") != NULL;
}

static void *read_late(void *arg)
{
    struct busy_manager *manager = arg;

    while (!atomic_load(&manager->told) && !main_thread_waits()) {
    }
    for (bool last = false; !manager->heard_it && !last;) {
        const char *text;

        last = atomic_load(&manager->told);
        while (*(text = heard(manager->fd)) != '\0')
            manager->heard_it = manager->heard_it || strcmp(text, "MAINPID=4711") == 0;
    }
    return NULL;
}

Test(service_manager, a_busy_one_hears_it_when_it_comes_to_reading, .timeout = 20)
{
    char *name = xasprintf("@evergate-busy-%d", (int)getpid());
    struct busy_manager manager = {.fd = manager_at(name)};
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    pthread_t reader;

    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    while (sendto(other, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&address, length) == 1) {
    }
    cr_assert_eq(pthread_create(&reader, NULL, read_late, &manager), 0);
    service_manager_main_process(4711);
    atomic_store(&manager.told, true);
    cr_assert_eq(pthread_join(reader, NULL), 0);
    cr_assert(manager.heard_it);
    close(other);
    close(manager.fd);
    free(name);
}
