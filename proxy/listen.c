/* Listening sockets: see listen.h. */
#include "proxy/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/listen_internal.h"

static int open_socket(const struct address *address)
{
    return socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* ---- TCP ---- */

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

static int read_address(struct listen_set *set)
{
    set->address.length = sizeof(set->address.storage);
    return getsockname(set->group->fds[0], &set->address.sa, &set->address.length);
}

static int open_tcp(struct listen_set *set, bool both_families)
{
    struct listen_group *group = set->group;

    if (probe_free(&set->address, both_families) < 0)
        return -1;
    while (group->count < set->count) {
        int fd = bind_tcp(&set->address, true, both_families);

        if (fd < 0)
            return -1;
        listen_group_add(group, fd);
        /* With port 0 the first socket's port is everybody's. */
        if (read_address(set) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
            return -1;
    }
    group->silent_from = group->count;
    return 0;
}

/* ---- Unix ---- */

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

/*
 * The file is made with the mode of the socket, less the umask: so there is no moment in which
 * others could connect, and the umask, which all threads share, stays as it is. What the umask took
 * from the group is given back afterwards.
 */
static int bind_unix(int fd, const struct address *address)
{
    if (fchmod(fd, LISTEN_UNIX_MODE) < 0 || bind(fd, &address->sa, address->length) < 0)
        return -1;
    return chmod(address->un.sun_path, LISTEN_UNIX_MODE);
}

static int open_unix(struct listen_set *set)
{
    struct listen_group *group = set->group;
    struct stat st;
    int fd;

    if (remove_stale(&set->address) < 0)
        return -1;
    fd = open_socket(&set->address);
    if (fd < 0)
        return -1;
    listen_group_add(group, fd);
    group->silent_from = group->count;
    if (bind_unix(fd, &set->address) < 0 || lstat(set->address.un.sun_path, &st) < 0)
        return -1;
    group->unix_device = st.st_dev;
    group->unix_inode = st.st_ino;
    group->owns_file = true;
    return listen(fd, LISTEN_BACKLOG);
}

/* ---- Opening and closing ---- */

/*
 * A socket for each worker: those that are missing are bound beside the inherited ones, and listen
 * when the server serves (listen_begin). Where that may not be done any more (a port below 1024,
 * after the right to it was dropped) workers share a queue.
 */
static int widen_inherited(struct listen_set *set, bool both_families)
{
    struct listen_group *group = set->group;
    unsigned inherited = group->count;

    if (read_address(set) < 0)
        return -1;
    group->silent_from = inherited;
    while (set->address.sa.sa_family != AF_UNIX && group->count < set->count) {
        int fd = bind_tcp(&set->address, true, both_families);

        if (fd < 0)
            fd = fcntl(group->fds[group->count % inherited], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -1;
        listen_group_add(group, fd);
    }
    if (group->count > set->count)
        set->count = group->count;
    return 0;
}

static bool takes_both_families(const char *bind)
{
    return bind[0] == ':';
}

/* 0.0.0.0 with the port that it has. */
static void use_any_ipv4(struct address *address)
{
    in_port_t port = address->in6.sin6_port;

    *address = (struct address){.in = {.sin_family = AF_INET, .sin_port = port},
                                .length = sizeof(address->in)};
}

static int open_group(struct listen_set *set, const char *bind)
{
    bool both_families = takes_both_families(bind);

    set->group = listen_claim(bind);
    if (set->group == NULL)
        set->group = listen_activation_claim(bind, &set->address, set->count);
    if (set->group != NULL)
        return widen_inherited(set, both_families);
    set->group = listen_group_new(bind);
    return set->address.sa.sa_family == AF_UNIX ? open_unix(set) : open_tcp(set, both_families);
}

static const char *reason_of_denial(const char *bind)
{
    if (slice_starts_with(slice_str(bind), SLICE_LIT("unix:")))
        return "permission denied (who runs evergate must be able to write to its directory)";
    return "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE, or a lower "
           "net.ipv4.ip_unprivileged_port_start)";
}

static const char *reason_of(int error, const char *bind)
{
    switch (error) {
    case EADDRINUSE:
        return "the address is already in use";
    case EACCES:
    case EPERM:
        return reason_of_denial(bind);
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case ENOENT:
        return "its directory does not exist";
    default:
        return strerror(error);
    }
}

/* A kernel may be without it (ipv6.disable=1), or whoever started us may forbid it
 * (RestrictAddressFamilies=). */
static bool have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno != EAFNOSUPPORT;
    close(fd);
    return true;
}

/* ":80" is both families, or the one that is there. */
static int read_bind(struct address *ret_address, const char *bind, char **ret_why)
{
    if (address_parse(ret_address, slice_str(bind)) == EG_OK) {
        if (takes_both_families(bind) && !have_ipv6())
            use_any_ipv4(ret_address);
        return EG_OK;
    }
    *ret_why = xasprintf("cannot listen on \"%s\": not a numeric address", bind);
    return EG_E_INTERNAL;
}

static int refuse(const char *bind, int error, char **ret_why)
{
    *ret_why = xasprintf("cannot listen on %s: %s", bind, reason_of(error, bind));
    return EG_E_INTERNAL;
}

int listen_open(struct listen_set *ret_set, const char *bind, unsigned count, char **ret_why)
{
    struct listen_set set = {.count = count};
    int error;

    if (read_bind(&set.address, bind, ret_why) != EG_OK)
        return EG_E_INTERNAL;
    if (open_group(&set, bind) < 0) {
        error = errno;
        listen_close(&set);
        return refuse(bind, error, ret_why);
    }
    *ret_set = set;
    return EG_OK;
}

int listen_try(const char *bind, char **ret_why)
{
    struct listen_group *passed;
    struct address address;

    if (read_bind(&address, bind, ret_why) != EG_OK)
        return EG_E_INTERNAL;
    passed = listen_activation_claim(bind, &address, 1);
    if (passed != NULL) {
        listen_group_free(passed);
        return EG_OK;
    }
    if (address.sa.sa_family == AF_UNIX || probe_free(&address, takes_both_families(bind)) == 0)
        return EG_OK;
    return refuse(bind, errno, ret_why);
}

int listen_take(const struct listen_set *set, unsigned index)
{
    const struct listen_group *group = set->group;

    CHECK(index < set->count && group->count > 0);
    return fcntl(group->fds[index % group->count], F_DUPFD_CLOEXEC, 0);
}

void listen_stop(struct listen_set *set)
{
    if (set->group != NULL)
        listen_group_close(set->group);
}

void listen_close(struct listen_set *set)
{
    if (set->group != NULL)
        listen_group_free(set->group);
    *set = (struct listen_set){0};
}

bool listen_pending(int fd)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};

    return poll(&waits, 1, 0) == 1 && (waits.revents & POLLIN) != 0;
}
