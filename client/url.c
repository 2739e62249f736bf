/* See url.h. RFC 3986, as far as RFC 9110 section 4.2 uses it. */
#include "client/url.h"

static bool take_prefix(struct slice *rest, struct slice prefix)
{
    if (rest->n < prefix.n || !slice_ieq(slice_from(rest->p, prefix.n), prefix))
        return false;
    *rest = slice_from(rest->p + prefix.n, rest->n - prefix.n);
    return true;
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return true;
}

static size_t index_of(struct slice s, char c)
{
    const char *found = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return found ? (size_t)(found - s.p) : s.n;
}

/* The host's size within the authority: up to the colon of a port, which an IPv6 address has others
 * of. */
static size_t host_size(struct slice authority)
{
    if (authority.n > 0 && authority.p[0] == '[') {
        size_t close = index_of(authority, ']');
        return close < authority.n ? close + 1 : 0;
    }
    return index_of(authority, ':');
}

static int parse_authority(struct url *url)
{
    struct slice authority = url->authority;
    size_t size = host_size(authority);
    unsigned long long port;

    if (size == 0 || index_of(authority, '@') < authority.n)
        return EG_E_INTERNAL;
    url->is_ipv6 = authority.p[0] == '[';
    url->host =
        url->is_ipv6 ? slice_from(authority.p + 1, size - 2) : slice_from(authority.p, size);
    if (size == authority.n)
        return EG_OK;
    if (authority.p[size] != ':' ||
        !slice_to_u64(slice_from(authority.p + size + 1, authority.n - size - 1), &port) ||
        port == 0 || port > UINT16_MAX)
        return EG_E_INTERNAL;
    url->port = (uint16_t)port;
    return EG_OK;
}

int url_parse(struct url *ret_url, const char *text)
{
    struct slice rest = slice_str(text);
    struct url url = {.port = 80};

    if (take_prefix(&rest, SLICE_LIT("https://"))) {
        url.tls = true;
        url.port = 443;
    } else if (!take_prefix(&rest, SLICE_LIT("http://"))) {
        return EG_E_INTERNAL;
    }
    size_t slash = index_of(rest, '/');
    url.authority = slice_from(rest.p, slash);
    url.target = slash < rest.n ? slice_from(rest.p + slash, rest.n - slash) : SLICE_LIT("/");
    if (!is_visible(rest) || index_of(url.authority, '?') < url.authority.n ||
        parse_authority(&url) != EG_OK || url.host.n == 0)
        return EG_E_INTERNAL;
    *ret_url = url;
    return EG_OK;
}
