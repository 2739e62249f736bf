/*
 * Who may talk to management.
 *
 * A page of any site can make the operator's browser send a POST here. The browser then says whose
 * page it was (Origin, Sec-Fetch-Site), and what is not a page of management itself may change
 * nothing.
 *
 * A page in the operator's own browser can be made to send requests to 127.0.0.1, or to any address
 * that the browser reaches, under any name that its author's DNS points there (DNS rebinding): to
 * the browser that is the page's own origin, and such a request carries that name as Host. So what
 * came over a loopback address is answered only with an address or "localhost" as Host; and without
 * a token, which no such page has, pages under other names may change nothing on any address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

/* The host of "host", "host:port", "[::1]:port", "[::1]"; the whole where it is none of these. */
static struct slice host_part(struct slice host)
{
    const char *end, *from = host.p;

    if (host.n == 0)
        return host;
    if (*from == '[') {
        end = memchr(from, ']', host.n);
        if (!end || (end + 1 < from + host.n && end[1] != ':'))
            return host;
        return slice_from(from + 1, (size_t)(end - from) - 1);
    }
    end = memchr(from, ':', host.n);
    return end ? slice_from(from, (size_t)(end - from)) : host;
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

/* What no DNS can point elsewhere. */
static bool is_safe_name(const char *host)
{
    struct slice name = host_part(slice_trim(slice_str(host)));

    return slice_ieq(name, SLICE_LIT("localhost")) || is_address(name);
}

static bool is_loopback(const struct address *address)
{
    const struct in6_addr *v6 = &address->in6.sin6_addr;

    if (address->sa.sa_family == AF_INET)
        return (ntohl(address->in.sin_addr.s_addr) >> 24) == 127;
    return address->sa.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127));
}

/* Where it came to, not what we are bound to: a listener on all addresses has the loopback, too. */
bool admin_guard_is_loopback(struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    struct address address = {.length = sizeof(address.storage)};

    return getsockname(fd, &address.sa, &address.length) == 0 && is_loopback(&address);
}

const char *admin_guard_host(const char *host)
{
    /* HTTP/1.0 without Host cannot come from a browser. */
    if (!host || is_safe_name(host))
        return NULL;
    return "management on a loopback address answers only to an IP address or \"localhost\" as "
           "Host";
}

/* Is it of the very address that the request came to? */
static bool is_own_origin(const char *origin, const char *host)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}}; /* TLS in front */
    struct slice given = slice_trim(slice_str(origin)), own = slice_trim(slice_str(host));

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (given.n > schemes[i].n && slice_ieq(slice_from(given.p, schemes[i].n), schemes[i]) &&
            slice_ieq(slice_from(given.p + schemes[i].n, given.n - schemes[i].n), own))
            return true;
    return false;
}

const char *admin_guard_page(struct evkeyvalq *headers, bool token)
{
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *site = evhttp_find_header(headers, "Sec-Fetch-Site");
    const char *host = evhttp_find_header(headers, "Host");

    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return "a page of another site may not change anything here";
    if (!origin)
        return NULL; /* no browser */
    if (!is_own_origin(origin, host))
        return "a page of another origin may not change anything here";
    if (!token && !is_safe_name(host))
        return "a page may change something here only by an IP address or \"localhost\", unless a "
               "token is asked for";
    return NULL;
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
