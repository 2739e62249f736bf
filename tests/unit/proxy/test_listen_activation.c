/* Sockets that a service manager passed. How they come by number is the integration suite's
 * (test_listen_activation.py): Criterion needs those numbers itself. Here they come as from the
 * binary before, under the name that this one would hand them on by. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/listen.h"
#include "proxy/listen_activation.h"

/* A listening socket that is the service manager's; `text` becomes its address. */
static int manager_socket(const char *bind_to, char *text)
{
    struct address address;
    int fd, on = 1;

    cr_assert_eq(address_parse(&address, slice_str(bind_to)), EG_OK);
    fd = socket(address.sa.sa_family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(fd, &address.sa, address.length), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, &address.sa, &address.length), 0);
    address_format(&address, text);
    return fd;
}

static void pass(int fd, const char *name)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    char *bind = xasprintf("passed:%s", name);

    listen_inherit(&(struct listen_estate){.bind = bind, .fds = &copy, .count = 1});
    free(bind);
}

static ino_t inode_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

static struct listen_set open_set(const char *bind_to, unsigned count)
{
    struct listen_set set;
    char *why = NULL;

    cr_assert_eq(listen_open(&set, bind_to, count, &why), EG_OK, "%s", why);
    return set;
}

static void assert_each_is(const struct listen_set *set, int fd)
{
    for (unsigned i = 0; i < set->count; i++) {
        int taken = listen_take(set, i);

        cr_assert_eq(inode_of(taken), inode_of(fd));
        close(taken);
    }
}

Test(listen_activation, a_listener_takes_the_socket_of_its_address_for_all_workers)
{
    char text[ADDRESS_TEXT_BYTES];
    int theirs = manager_socket("127.0.0.1:0", text);
    struct listen_set set;

    pass(theirs, "edge");
    set = open_set(text, 4);
    cr_assert_eq(set.count, 4);
    assert_each_is(&set, theirs);
    listen_close(&set);
    close(theirs);
}

Test(listen_activation, a_reload_that_takes_the_listener_out_and_back_finds_its_socket_again)
{
    char text[ADDRESS_TEXT_BYTES];
    int theirs = manager_socket("127.0.0.1:0", text);

    pass(theirs, "edge");
    for (int i = 0; i < 3; i++) {
        struct listen_set set = open_set(text, 1);

        assert_each_is(&set, theirs);
        listen_close(&set);
    }
    close(theirs);
}

Test(listen_activation, another_address_is_bound_as_always)
{
    char text[ADDRESS_TEXT_BYTES];
    int theirs = manager_socket("127.0.0.1:0", text);
    struct listen_set set;
    int taken;

    pass(theirs, "edge");
    set = open_set("127.0.0.1:0", 1);
    taken = listen_take(&set, 0);
    cr_assert_neq(inode_of(taken), inode_of(theirs));
    close(taken);
    listen_close(&set);
    close(theirs);
}

Test(listen_activation, the_file_of_a_passed_unix_socket_stays_its_owners)
{
    char directory[] = "/tmp/evergate-passed-XXXXXX", text[ADDRESS_TEXT_BYTES];
    struct listen_set set;
    char *path, *bind_to;
    int theirs;

    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/in.sock", directory);
    bind_to = xasprintf("unix:%s", path);
    theirs = manager_socket(bind_to, text);
    pass(theirs, "in");
    set = open_set(bind_to, 3);
    assert_each_is(&set, theirs);
    listen_inherit_own(); /* as after an upgrade */
    listen_close(&set);
    cr_assert_eq(access(path, F_OK), 0);
    close(theirs);
    unlink(path);
    rmdir(directory);
    free(path);
    free(bind_to);
}

struct bequests {
    unsigned passed, others;
};

static void count_bequest(void *arg, const struct listen_estate *estate)
{
    struct bequests *bequests = arg;

    if (strncmp(estate->bind, "passed:", 7) == 0)
        bequests->passed += estate->count;
    else
        bequests->others += estate->count;
}

Test(listen_activation, goes_on_to_the_next_binary_whether_used_or_not)
{
    char used[ADDRESS_TEXT_BYTES], unused[ADDRESS_TEXT_BYTES];
    int a = manager_socket("127.0.0.1:0", used), b = manager_socket("127.0.0.1:0", unused);
    struct bequests bequests = {0};
    struct listen_set set;

    pass(a, "edge");
    pass(b, "later");
    set = open_set(used, 2);
    listen_bequeath(count_bequest, &bequests);
    cr_assert_eq(bequests.passed, 2);
    cr_assert_eq(bequests.others, 2, "the listener's own, one per worker");
    listen_close(&set);
    close(a);
    close(b);
}

static void announce(const char *pid, const char *count)
{
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "edge", 1);
}

Test(listen_activation, what_is_meant_for_another_process_is_left_alone_and_told_to_nobody)
{
    char *why = NULL;

    announce("1", "7");
    cr_assert_eq(listen_activation_begin(&why), EG_OK);
    cr_assert_null(getenv("LISTEN_FDS"));
    cr_assert_null(getenv("LISTEN_PID"));
    cr_assert_null(getenv("LISTEN_FDNAMES"));
}

Test(listen_activation, a_number_that_is_none_is_refused)
{
    const char *wrong[] = {"", "-1", "x", "513", "99999999999999999999"};
    char *pid = xasprintf("%d", (int)getpid());

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char *why = NULL;

        announce(pid, wrong[i]);
        cr_assert_eq(listen_activation_begin(&why), EG_E_INTERNAL, "%s", wrong[i]);
        cr_assert_not_null(strstr(why, "LISTEN_FDS"));
        free(why);
    }
    free(pid);
}
