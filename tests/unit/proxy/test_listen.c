#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/listen.h"

static struct listen_set open_set(const char *bind_to, unsigned count)
{
    struct listen_set set;
    char *why = NULL;

    cr_assert_eq(listen_open(&set, bind_to, count, &why), EG_OK, "%s", why);
    return set;
}

static void expect_refusal(const char *bind_to, const char *want)
{
    struct listen_set set;
    char *why = NULL;

    cr_assert_eq(listen_open(&set, bind_to, 2, &why), EG_E_INTERNAL, "%s", bind_to);
    cr_assert_not_null(strstr(why, want), "%s", why);
    free(why);
}

static bool accepts(const struct address *address)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM, 0);
    bool ok = connect(fd, &address->sa, address->length) == 0;

    close(fd);
    return ok;
}

Test(listen, port_0_becomes_one_real_port_for_every_worker)
{
    struct listen_set set = open_set("127.0.0.1:0", 4);

    cr_assert_neq(address_port(&set.address), 0);
    for (unsigned i = 0; i < 4; i++) {
        struct address own = {.length = sizeof(own.storage)};
        int fd = listen_take(&set, i);

        cr_assert_eq(getsockname(fd, &own.sa, &own.length), 0);
        cr_assert(address_equal(&own, &set.address));
        cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
        cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
    }
    cr_assert(accepts(&set.address));
    listen_close(&set);
}

Test(listen, clients_are_accepted_until_both_the_set_and_the_borrower_have_closed)
{
    struct listen_set set = open_set("127.0.0.1:0", 1);
    int borrowed = listen_take(&set, 0);
    struct address address = set.address;

    listen_stop(&set);
    cr_assert(accepts(&address), "who borrowed it accepts still");
    close(borrowed);
    cr_assert_not(accepts(&address));
    listen_close(&set);
}

Test(listen, tells_whether_a_connection_waits)
{
    struct listen_set set = open_set("127.0.0.1:0", 1);
    int listening = listen_take(&set, 0), client = socket(AF_INET, SOCK_STREAM, 0), accepted;

    cr_assert_not(listen_pending(listening));
    cr_assert_eq(connect(client, &set.address.sa, set.address.length), 0);
    cr_assert(listen_pending(listening));
    accepted = accept(listening, NULL, NULL);
    cr_assert_geq(accepted, 0);
    cr_assert_not(listen_pending(listening));
    close(accepted);
    close(client);
    close(listening);
    listen_close(&set);
}

Test(listen, a_port_in_use_is_an_error_although_reuseport_would_share_it)
{
    struct listen_set set = open_set("127.0.0.1:0", 1);
    char text[ADDRESS_TEXT_BYTES];

    expect_refusal(address_format(&set.address, text), "already in use");
    listen_close(&set);
}

Test(listen, a_name_or_a_foreign_address_is_refused)
{
    expect_refusal("localhost:80", "not a numeric address");
    expect_refusal("192.0.2.1:0", "no such address");
    expect_refusal("unix:/nonexistent/x.sock", "directory does not exist");
}

Test(listen, a_unix_socket_is_ours_alone_and_removed_at_the_end)
{
    char directory[] = "/tmp/evergate-listen-XXXXXX";
    char *path, *bind_to;
    struct listen_set set;
    struct stat st;
    mode_t before = umask(027);

    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/in.sock", directory);
    bind_to = xasprintf("unix:%s", path);
    set = open_set(bind_to, 2);
    cr_assert_eq(umask(before), 027, "the umask is all threads' and stays as it is");
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, LISTEN_UNIX_MODE);
    cr_assert(accepts(&set.address));
    expect_refusal(bind_to, "already in use");
    listen_close(&set);
    cr_assert_neq(stat(path, &st), 0);
    rmdir(directory);
    free(path);
    free(bind_to);
}

Test(listen, a_stale_unix_socket_is_replaced_and_another_file_is_not)
{
    char directory[] = "/tmp/evergate-listen-XXXXXX";
    char *path, *bind_to;
    struct address address;
    struct listen_set set;
    int fd;

    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/in.sock", directory);
    bind_to = xasprintf("unix:%s", path);
    cr_assert_eq(address_parse(&address, slice_str(bind_to)), EG_OK);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, &address.sa, address.length), 0);
    close(fd); /* the file stays: what a crash leaves */

    set = open_set(bind_to, 1);
    cr_assert(accepts(&set.address));
    listen_close(&set);

    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    expect_refusal(bind_to, "already in use");
    cr_assert_eq(access(path, F_OK), 0);
    unlink(path);
    rmdir(directory);
    free(path);
    free(bind_to);
}

/* ---- Trying ---- */

static void expect_taken(const char *bind_to, const char *want)
{
    char *why = NULL;

    cr_assert_eq(listen_try(bind_to, &why), EG_E_INTERNAL, "%s", bind_to);
    cr_assert_not_null(strstr(why, want), "%s", why);
    free(why);
}

Test(listen, an_address_can_be_tried_and_is_free_afterwards)
{
    struct listen_set set = open_set("127.0.0.1:0", 2);
    char text[ADDRESS_TEXT_BYTES], *why = NULL;

    address_format(&set.address, text);
    expect_taken(text, "already in use");
    listen_close(&set);
    cr_expect_eq(listen_try(text, &why), EG_OK, "%s", why);
    set = open_set(text, 2);
    listen_close(&set);
}

Test(listen, of_what_is_tried_the_reason_is_told_as_when_it_is_opened)
{
    char *why = NULL;

    expect_taken("192.0.2.1:80", "no such address");
    expect_taken("example.com:80", "not a numeric address");
    cr_expect_eq(listen_try("127.0.0.1:0", &why), EG_OK, "%s", why);
}

Test(listen, a_unix_socket_is_not_tried)
{
    char *why = NULL;

    cr_expect_eq(listen_try("unix:/nowhere/at/all.sock", &why), EG_OK, "%s", why);
}
