/*
 * Who may talk to management.
 *
 * A page of any site can make the operator's browser send a POST here. The browser then says whose
 * page it was (Origin), and what is not a page of management itself may change nothing.
 *
 * A page in the operator's own browser can be made to send requests to 127.0.0.1 under any name
 * that its author's DNS points there (DNS rebinding); such a request carries that name as Host. So
 * on a loopback address only addresses and "localhost" are accepted as Host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

/* The host of "host", "host:port", "[::1]:port", "[::1]". */
static struct slice host_part(struct slice host)
{
    const char *colon;

    if (host.n > 0 && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);

        return end ? slice_from(host.p + 1, (size_t)(end - host.p) - 1) : host;
    }
    colon = host.n > 0 ? memchr(host.p, ':', host.n) : NULL;
    return colon ? slice_from(host.p, (size_t)(colon - host.p)) : host;
}

static bool is_address(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr binary;

    if (host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, &binary) == 1 || inet_pton(AF_INET6, text, &binary) == 1;
}

const char *admin_guard_host(const struct admin_door *door, const char *host)
{
    struct slice name;

    /* HTTP/1.0 without Host cannot come from a browser. */
    if (!door->loopback || !host)
        return NULL;
    name = host_part(slice_trim(slice_str(host)));
    if (slice_ieq(name, SLICE_LIT("localhost")) || is_address(name))
        return NULL;
    return "management on a loopback address answers only to an IP address or \"localhost\" as "
           "Host";
}

const char *admin_guard_origin(const char *origin, const char *host)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}}; /* TLS in front */
    struct slice given = slice_trim(slice_str(origin)), own = slice_trim(slice_str(host));

    if (!origin)
        return NULL; /* no browser, or a page that asks its own server */
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (given.n > schemes[i].n && slice_ieq(slice_from(given.p, schemes[i].n), schemes[i]) &&
            slice_ieq(slice_from(given.p + schemes[i].n, given.n - schemes[i].n), own))
            return NULL;
    return "a page of another origin may not change anything here";
}

bool admin_guard_token(const char *token, const char *authorization)
{
    static const struct slice scheme = {"bearer ", 7};
    struct slice given = slice_str(authorization), want = slice_str(token);
    unsigned char difference;

    if (want.n == 0 || given.n < scheme.n || !slice_ieq(slice_from(given.p, scheme.n), scheme))
        return false;
    given = slice_trim(slice_from(given.p + scheme.n, given.n - scheme.n));
    /* The time depends on the length of what was sent only, not on how much of it is right. */
    difference = given.n != want.n;
    for (size_t i = 0; i < given.n; i++)
        difference |= (unsigned char)(given.p[i] ^ want.p[i % want.n]);
    return difference == 0;
}

int admin_token_load(char **ret_token, const char *key, const char *path, char **ret_why)
{
    char buffer[ADMIN_TOKEN_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));
    struct slice token;

    if (n < 0)
        *ret_why = xasprintf("%s \"%s\": %s", key, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return EG_E_INTERNAL;
    token = slice_from(buffer, (size_t)n);
    while (token.n > 0 && strchr(" \t\r\n", token.p[token.n - 1]))
        token.n--;
    token = slice_trim(token);
    if (token.n == 0 || (size_t)n == sizeof(buffer) || memchr(token.p, '\n', token.n)) {
        *ret_why = xasprintf("%s \"%s\": it must hold one line with the token", key, path);
        return EG_E_INTERNAL;
    }
    *ret_token = xstrndup(token.p, token.n);
    return EG_OK;
}
