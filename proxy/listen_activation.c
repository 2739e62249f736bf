/* Sockets that we were started with: see listen_activation.h. */
#include "proxy/listen_activation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/slice.h"
#include "proxy/listen_internal.h"

enum {
    FIRST_PASSED = 3, /* SD_LISTEN_FDS_START */
    PASSED_MAX = 512, /* more than a configuration can have listeners */
};

/* What is handed on to the next binary is called "passed:NAME" among its addresses. */
static const char bequest_prefix[] = "passed:";

struct passed {
    int fd;
    char *name;
    char address[ADDRESS_TEXT_BYTES];
};

static struct passed *passed;
static size_t passed_count;

/* ---- From the one who started us ---- */

static bool socket_option(int fd, int level, int option, int *ret_value)
{
    socklen_t size = sizeof(*ret_value);

    return getsockopt(fd, level, option, ret_value, &size) == 0;
}

/* NULL when it can be accepted from; else what it is instead. */
static const char *unfit(int fd)
{
    int type, listening;

    if (fcntl(fd, F_GETFD) < 0)
        return "not open";
    if (!socket_option(fd, SOL_SOCKET, SO_TYPE, &type))
        return "no socket";
    if (type != SOCK_STREAM)
        return "no stream socket (ListenStream=)";
    if (!socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) || !listening)
        return "a connection, not a listening socket (Accept=no)";
    return NULL;
}

static int keep(int fd, char *name, char **ret_why)
{
    struct address address = {.length = sizeof(address.storage)};
    const char *fault = unfit(fd);
    struct passed *one;

    if (fault == NULL && getsockname(fd, &address.sa, &address.length) < 0)
        fault = "a socket without an address";
    if (fault != NULL) {
        *ret_why =
            xasprintf("descriptor %d (\"%s\"), passed in LISTEN_FDS, is %s", fd, name, fault);
        free(name);
        return EG_E_INTERNAL;
    }
    /* Whoever passed it may have left it blocking; and programs that we start must not have it. */
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    passed = xrealloc(passed, (passed_count + 1) * sizeof(*passed));
    one = &passed[passed_count++];
    *one = (struct passed){.fd = fd, .name = name};
    address_format(&address, one->address);
    return EG_OK;
}

/* The next of the names with colons between them; "unknown", as systemd says, behind the last. */
static char *next_name(const char **names)
{
    const char *from = *names;
    size_t n;

    if (from == NULL)
        return xstrdup("unknown");
    n = strcspn(from, ":");
    *names = from[n] == ':' ? from + n + 1 : NULL;
    return n > 0 ? xstrndup(from, n) : xstrdup("unknown");
}

static int keep_all(unsigned long long count, const char *names, char **ret_why)
{
    int rc = EG_OK;

    for (unsigned long long i = 0; i < count && rc == EG_OK; i++)
        rc = keep(FIRST_PASSED + (int)i, next_name(&names), ret_why);
    if (rc == EG_OK)
        log_info("sockets passed by the service manager: %llu", count);
    return rc;
}

static int read_environment(char **ret_why)
{
    const char *pid = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
    unsigned long long whose, count;

    /* Meant for a process between the one who passed them and us: its descriptors, not ours. */
    if (pid == NULL || count_text == NULL || !slice_to_u64(slice_str(pid), &whose) ||
        whose != (unsigned long long)getpid())
        return EG_OK;
    if (slice_to_u64(slice_str(count_text), &count) && count <= PASSED_MAX)
        return keep_all(count, getenv("LISTEN_FDNAMES"), ret_why);
    *ret_why = xasprintf("LISTEN_FDS is \"%s\": a number of sockets is wanted, at most %d",
                         count_text, PASSED_MAX);
    return EG_E_INTERNAL;
}

int listen_activation_begin(char **ret_why)
{
    int rc = read_environment(ret_why);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc;
}

/* ---- To listeners ---- */

/* ":80" wants both families from one socket. "[::]:80" takes one that has both: which it is, its
 * owner has decided (BindIPv6Only=). */
static bool serves(const struct passed *one, const char *text, bool both_families)
{
    int v6only = 0;

    if (strcmp(one->address, text) != 0)
        return false;
    return !both_families ||
           (socket_option(one->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only) && !v6only);
}

/* False without a free descriptor. */
static bool add_duplicate(struct listen_group *group, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy >= 0)
        listen_group_add(group, copy);
    return copy >= 0;
}

/* Those that were passed for the address, and these again until each worker has one: none is bound
 * beside them. Clients who wait there would be lost when we end, while those who wait in the passed
 * ones are the next process's. */
static bool fill(struct listen_group *group, const char *address, bool both_families,
                 unsigned count)
{
    unsigned found;

    for (size_t i = 0; i < passed_count; i++)
        if (serves(&passed[i], address, both_families) && !add_duplicate(group, passed[i].fd))
            return false;
    found = group->count;
    while (found > 0 && group->count < count)
        if (!add_duplicate(group, group->fds[group->count % found]))
            return false;
    return found > 0;
}

struct listen_group *listen_activation_claim(const char *bind, const struct address *address,
                                             unsigned count)
{
    char text[ADDRESS_TEXT_BYTES];
    struct listen_group *group;

    if (passed_count == 0)
        return NULL;
    group = listen_group_new(bind);
    /* Without IPv6 ":80" is 0.0.0.0:80. */
    if (fill(group, address_format(address, text),
             bind[0] == ':' && address->sa.sa_family == AF_INET6,
             address->sa.sa_family == AF_UNIX ? 1 : count))
        return group;
    listen_group_free(group);
    return NULL;
}

void listen_activation_tell_unused(void)
{
    for (size_t i = 0; i < passed_count; i++)
        if (!listen_group_has(passed[i].fd))
            log_warn("socket \"%s\" was passed for %s, where no listener is: clients who connect "
                     "there wait in vain; write a listener with that \"bind\", or stop the socket",
                     passed[i].name, passed[i].address);
}

/* ---- To the next binary ---- */

void listen_activation_bequeath(void (*each)(void *arg, const struct listen_estate *estate),
                                void *arg)
{
    for (size_t i = 0; i < passed_count; i++) {
        char *bind = xasprintf("%s%s", bequest_prefix, passed[i].name);
        const struct listen_estate estate = {.bind = bind, .fds = &passed[i].fd, .count = 1};

        each(arg, &estate);
        free(bind);
    }
}

bool listen_activation_inherit(const struct listen_estate *estate)
{
    size_t prefix = sizeof(bequest_prefix) - 1;
    char *why = NULL;

    if (strncmp(estate->bind, bequest_prefix, prefix) != 0)
        return false;
    for (unsigned i = 0; i < estate->count; i++) {
        if (keep(estate->fds[i], xstrdup(estate->bind + prefix), &why) == EG_OK)
            continue;
        log_warn("upgrade: %s", why);
        free(why);
        close(estate->fds[i]);
    }
    return true;
}
