/* Listening sockets from one process to the next, here within one: what is bequeathed is duplicated
 * as the way between processes does it, and inherited again. */
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

static bool accepts(const struct address *address)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM, 0);
    bool ok = connect(fd, &address->sa, address->length) == 0;

    close(fd);
    return ok;
}

static void hand_on(void *arg, const struct listen_estate *estate)
{
    struct listen_estate copy = *estate;
    int *fds = xcalloc(estate->count, sizeof(*fds));
    unsigned *handed = arg;

    for (unsigned i = 0; i < estate->count; i++)
        fds[i] = fcntl(estate->fds[i], F_DUPFD_CLOEXEC, 0);
    copy.fds = fds;
    listen_inherit(&copy);
    free(fds);
    *handed += estate->count;
}

static unsigned hand_on_all(void)
{
    unsigned handed = 0;

    listen_bequeath(hand_on, &handed);
    return handed;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

/* Which of the kernel's sockets the set's `index` is. */
static ino_t socket_of(const struct listen_set *set, unsigned index)
{
    int fd = listen_take(set, index);
    ino_t inode = inode_of(fd);

    close(fd);
    return inode;
}

static bool is_listening(const struct listen_set *set, unsigned index)
{
    int fd = listen_take(set, index), on = 0;
    socklen_t size = sizeof(on);

    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size), 0);
    close(fd);
    return on != 0;
}

static void begin(void)
{
    char *why = NULL;

    cr_assert_eq(listen_begin(&why), EG_OK, "%s", why);
}

Test(listen_inherit, every_socket_is_taken_over_however_few_workers_there_are)
{
    struct listen_set old = open_set("127.0.0.1:0", 3), new;

    cr_assert_eq(hand_on_all(), 3);
    new = open_set("127.0.0.1:0", 1);
    cr_assert_eq(new.count, 3);
    cr_assert(address_equal(&new.address, &old.address), "the port that was chosen stays");
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(socket_of(&new, i), socket_of(&old, i));
    listen_close(&old);
    cr_assert(accepts(&new.address));
    listen_close(&new);
}

Test(listen_inherit, sockets_for_more_workers_are_bound_and_silent_until_the_server_serves)
{
    struct listen_set old = open_set("127.0.0.1:0", 1), new;

    cr_assert_eq(hand_on_all(), 1);
    new = open_set("127.0.0.1:0", 3);
    cr_assert_eq(new.count, 3);
    cr_assert(is_listening(&new, 0));
    cr_assert_not(is_listening(&new, 1), "clients would wait there for nobody");
    cr_assert_not(is_listening(&new, 2));
    begin();
    cr_assert(is_listening(&new, 1));
    cr_assert(is_listening(&new, 2));
    listen_close(&new);
    listen_close(&old);
}

Test(listen_inherit, is_matched_by_what_was_configured_and_consumed_once)
{
    struct listen_set old = open_set("127.0.0.1:0", 1), other = open_set("[::1]:0", 1), a, b;

    cr_assert_eq(hand_on_all(), 2);
    a = open_set("127.0.0.1:0", 1);
    b = open_set("127.0.0.1:0", 1);
    cr_assert(address_equal(&a.address, &old.address));
    cr_assert_not(address_equal(&b.address, &old.address));
    listen_close(&other);
    listen_inherit_close();
    cr_assert_not(accepts(&other.address), "what nobody took over is closed");
    listen_inherit_own();
    listen_close(&a);
    listen_close(&b);
    listen_close(&old);
}

struct corner {
    char directory[64];
    char *path, *bind;
};

static struct corner corner_new(void)
{
    struct corner corner = {.directory = "/tmp/evergate-inherit-XXXXXX"};

    cr_assert_not_null(mkdtemp(corner.directory));
    corner.path = xasprintf("%s/in.sock", corner.directory);
    corner.bind = xasprintf("unix:%s", corner.path);
    return corner;
}

static void corner_free(struct corner *corner)
{
    unlink(corner->path);
    rmdir(corner->directory);
    free(corner->path);
    free(corner->bind);
}

Test(listen_inherit, a_unix_sockets_file_is_removed_by_the_heir_alone_once_it_serves)
{
    struct corner corner = corner_new();
    struct listen_set old = open_set(corner.bind, 2), new;

    cr_assert_eq(hand_on_all(), 1);
    new = open_set(corner.bind, 3);
    cr_assert_eq(new.count, 3);
    cr_assert_eq(socket_of(&new, 2), socket_of(&old, 0), "one socket for all");
    listen_disown();
    listen_inherit_own();
    cr_assert(accepts(&new.address));
    listen_close(&new);
    cr_assert_neq(access(corner.path, F_OK), 0);
    listen_close(&old);
    corner_free(&corner);
}

Test(listen_inherit, an_heir_that_fails_leaves_the_file_to_the_one_that_serves)
{
    struct corner corner = corner_new();
    struct listen_set old = open_set(corner.bind, 1), new;

    cr_assert_eq(hand_on_all(), 1);
    new = open_set(corner.bind, 1);
    listen_close(&new);
    cr_assert(accepts(&old.address));
    listen_close(&old);
    cr_assert_neq(access(corner.path, F_OK), 0);
    corner_free(&corner);
}

Test(listen_inherit, the_file_of_a_listener_that_is_no_more_goes_when_the_heir_serves)
{
    struct corner corner = corner_new();
    struct listen_set old = open_set(corner.bind, 1);

    cr_assert_eq(hand_on_all(), 1);
    listen_disown();
    listen_inherit_close();
    cr_assert_eq(access(corner.path, F_OK), 0, "the elder accepts what is queued");
    listen_inherit_own();
    cr_assert_neq(access(corner.path, F_OK), 0);
    listen_close(&old);
    corner_free(&corner);
}
