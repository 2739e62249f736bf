/* Listening sockets: see listen.h. */
#include "proxy/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static int open_socket(const struct address *address)
{
    return socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* -1 with errno. IPv6 sockets take IPv4 too with `both_families`: said either way, since the
 * kernel's default differs by machine. */
static int bind_tcp(const struct address *address, bool share, bool both_families)
{
    int on = 1, v6only = !both_families, fd = open_socket(address);

    if (fd < 0)
        return -1;
    /* Without SO_REUSEADDR a restart fails while old connections are in TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto fail;
    if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
        goto fail;
    if (address->sa.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
        goto fail;
    if (bind(fd, &address->sa, address->length) < 0)
        goto fail;
    return fd;

fail:
    on = errno;
    close(fd);
    errno = on;
    return -1;
}

/* SO_REUSEPORT would let us share a port with any other process of the same user, silently, and
 * half of the connections would go there. A bind without it tells whether the port is free. */
static int probe_free(const struct address *address, bool both_families)
{
    int fd;

    if (address_port(address) == 0)
        return 0;
    fd = bind_tcp(address, false, both_families);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int open_tcp(struct listen_set *set, bool both_families)
{
    if (probe_free(&set->address, both_families) < 0)
        return -1;
    for (unsigned i = 0; i < set->count; i++) {
        set->fds[i] = bind_tcp(&set->address, true, both_families);
        if (set->fds[i] < 0)
            return -1;
        /* With port 0 the first socket's port is everybody's. */
        set->address.length = sizeof(set->address.storage);
        if (getsockname(set->fds[i], &set->address.sa, &set->address.length) < 0)
            return -1;
        if (listen(set->fds[i], LISTEN_BACKLOG) < 0)
            return -1;
    }
    return 0;
}

/* A file that nobody listens on is left from a process that died. -1 with EADDRINUSE when somebody
 * does, or when it is no socket at all. */
static int remove_stale(const struct address *address)
{
    const char *path = address->un.sun_path;
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -1;
    errno = EADDRINUSE;
    if (!S_ISSOCK(st.st_mode))
        return -1;
    fd = open_socket(address);
    if (fd < 0)
        return -1;
    rc = connect(fd, &address->sa, address->length);
    if (rc < 0 && errno == ECONNREFUSED) {
        close(fd);
        return unlink(path);
    }
    /* Connected, or its queue is full (EAGAIN), or not ours to judge (EACCES). */
    close(fd);
    errno = EADDRINUSE;
    return -1;
}

static int open_unix(struct listen_set *set)
{
    const char *path = set->address.un.sun_path;
    mode_t before;
    struct stat st;
    int rc;

    if (remove_stale(&set->address) < 0)
        return -1;
    set->fds[0] = open_socket(&set->address);
    if (set->fds[0] < 0)
        return -1;
    /* By umask rather than chmod after bind: there is no moment in which others could connect. No
     * other thread runs yet that could create files. */
    before = umask(0777 & ~LISTEN_UNIX_MODE);
    rc = bind(set->fds[0], &set->address.sa, set->address.length);
    umask(before);
    if (rc < 0 || lstat(path, &st) < 0)
        return -1;
    set->unix_device = st.st_dev;
    set->unix_inode = st.st_ino;
    if (listen(set->fds[0], LISTEN_BACKLOG) < 0)
        return -1;
    for (unsigned i = 1; i < set->count; i++) {
        set->fds[i] = fcntl(set->fds[0], F_DUPFD_CLOEXEC, 0);
        if (set->fds[i] < 0)
            return -1;
    }
    return 0;
}

static const char *reason_of(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "the address is already in use";
    case EACCES:
    case EPERM:
        return "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case ENOENT:
        return "its directory does not exist";
    default:
        return strerror(error);
    }
}

int listen_open(struct listen_set *ret_set, const char *bind, unsigned count, char **ret_why)
{
    struct listen_set set = {.count = count};
    int rc, error;

    if (address_parse(&set.address, slice_str(bind)) != EG_OK) {
        *ret_why = xasprintf("cannot listen on \"%s\": not a numeric address", bind);
        return EG_E_INTERNAL;
    }
    set.fds = xmalloc(count * sizeof(*set.fds));
    for (unsigned i = 0; i < count; i++)
        set.fds[i] = -1;
    rc = set.address.sa.sa_family == AF_UNIX ? open_unix(&set) : open_tcp(&set, bind[0] == ':');
    if (rc < 0) {
        error = errno;
        *ret_why = xasprintf("cannot listen on %s: %s", bind, reason_of(error));
        listen_close(&set);
        return EG_E_INTERNAL;
    }
    *ret_set = set;
    return EG_OK;
}

int listen_take(struct listen_set *set, unsigned index)
{
    int fd = set->fds[index];

    set->fds[index] = -1;
    return fd;
}

static void unlink_if_ours(const struct listen_set *set)
{
    struct stat st;

    /* A successor may have put its own socket there in the meantime. */
    if (set->unix_inode != 0 && lstat(set->address.un.sun_path, &st) == 0 &&
        st.st_dev == set->unix_device && st.st_ino == set->unix_inode)
        unlink(set->address.un.sun_path);
}

void listen_close(struct listen_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->fds[i] >= 0)
            close(set->fds[i]);
    free(set->fds);
    unlink_if_ours(set);
    *set = (struct listen_set){0};
}
