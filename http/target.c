/*
 * Request targets and authorities, RFC 9112 section 3.2 and RFC 3986.
 *
 * Characters: any visible ASCII character but '#' (a fragment is never sent). RFC 3986 also
 * excludes
 * "<>\^`{|} unescaped, but browsers and common clients send them, and nginx and HAProxy pass them;
 * none of them can end a target, so no parser can disagree about where it ends. Percent-encodings
 * are passed as they are: decoding is the backend's business.
 *
 * Hosts: reg-name of RFC 3986 without comma (a repeated Host, joined by some hop, looks like that),
 * or an IPv6 address in brackets. No user information (RFC 9110 section 4.2.4), no zone, no
 * IPvFuture.
 */
#include <arpa/inet.h>

#include "http/charset.h"
#include "http/head_internal.h"

static bool port_valid(struct slice port, bool required)
{
    unsigned long long number = 0;

    if (port.n == 0)
        return !required; /* "host:" is legal, RFC 3986 section 3.2.3 */
    return port.n <= 5 && slice_to_u64(port, &number) && number <= 65535;
}

static bool reg_name_valid(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        if (http_char_is(host.p[i], HTTP_CHAR_HOST))
            continue;
        if (host.p[i] != '%' || host.n - i < 3 || !http_char_is(host.p[i + 1], HTTP_CHAR_HEX) ||
            !http_char_is(host.p[i + 2], HTTP_CHAR_HEX))
            return false;
        i += 2;
    }
    return host.n > 0;
}

static bool ipv6_valid(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.n < 2 || host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* Splits "[::1]:80" and "host:80". The port's slice has a NULL p when there is no colon. */
static bool authority_split(struct slice a, struct slice *ret_host, struct slice *ret_port,
                            bool *ret_bracketed)
{
    const char *end = a.p + a.n, *close, *colon;

    *ret_bracketed = a.n > 0 && a.p[0] == '[';
    if (*ret_bracketed) {
        close = memchr(a.p, ']', a.n);
        if (!close)
            return false;
        *ret_host = slice_from(a.p + 1, (size_t)(close - a.p) - 1);
        colon = close + 1;
        if (colon < end && *colon != ':')
            return false;
    } else {
        colon = a.n ? memchr(a.p, ':', a.n) : NULL;
        if (!colon)
            colon = end;
        *ret_host = slice_from(a.p, (size_t)(colon - a.p));
    }
    *ret_port =
        colon < end ? slice_from(colon + 1, (size_t)(end - colon) - 1) : slice_from(NULL, 0);
    return true;
}

static bool authority_check(struct slice authority, bool port_required)
{
    struct slice host, port;
    bool bracketed;

    if (!authority_split(authority, &host, &port, &bracketed) || !port_valid(port, port_required))
        return false;
    return bracketed ? ipv6_valid(host) : reg_name_valid(host);
}

bool http_authority_valid(struct slice authority)
{
    return authority_check(authority, false);
}

/* http://host[:port][/path][?query]. The caller has checked the characters. */
static int absolute_form_parse(struct http_request_head *head)
{
    struct slice t = head->target;
    size_t scheme = t.n > 4 && ascii_lower(t.p[4]) == 's' ? 5 : 4, i;

    if (t.n < scheme + 3 || !slice_ieq(slice_from(t.p, scheme), slice_from("https", scheme)) ||
        memcmp(t.p + scheme, "://", 3) != 0)
        return EG_E_HEAD_TARGET;
    head->target_form = HTTP_TARGET_ABSOLUTE;
    head->scheme = slice_from(t.p, scheme);
    for (i = scheme + 3; i < t.n && t.p[i] != '/' && t.p[i] != '?'; i++)
        ;
    head->authority = slice_from(t.p + scheme + 3, i - scheme - 3);
    if (!http_authority_valid(head->authority))
        return EG_E_HEAD_TARGET;
    head->path = slice_from(t.p + i, t.n - i);
    if (i == t.n)
        head->path = SLICE_LIT("/");
    /* A query without a path has no spelling in origin form that everyone would derive alike. */
    return head->path.p[0] == '/' ? EG_OK : EG_E_HEAD_TARGET;
}

/* RFC 9112 section 3.2.4: the last proxy turns OPTIONS for a URI without path into "*". */
static void options_target_adjust(struct http_request_head *head)
{
    bool no_path = head->authority.p + head->authority.n == head->target.p + head->target.n;

    if (head->method_id == HTTP_METHOD_OPTIONS && no_path) {
        head->target_form = HTTP_TARGET_ASTERISK;
        head->path = SLICE_LIT("*");
    }
}

static int connect_target_parse(struct http_request_head *head)
{
    if (!authority_check(head->target, true))
        return EG_E_HEAD_TARGET;
    head->target_form = HTTP_TARGET_AUTHORITY;
    head->authority = head->target;
    head->path = SLICE_LIT("");
    return EG_OK;
}

int http_target_parse(struct http_request_head *head)
{
    struct slice t = head->target;
    int code;

    for (size_t i = 0; i < t.n; i++)
        if (!http_char_is(t.p[i], HTTP_CHAR_TARGET))
            return EG_E_HEAD_TARGET;
    if (t.n == 0)
        return EG_E_HEAD_TARGET;
    if (head->method_id == HTTP_METHOD_CONNECT)
        return connect_target_parse(head);
    if (t.p[0] == '/') {
        head->target_form = HTTP_TARGET_ORIGIN;
        head->path = t;
        return EG_OK;
    }
    if (t.n == 1 && t.p[0] == '*' && head->method_id == HTTP_METHOD_OPTIONS) {
        head->target_form = HTTP_TARGET_ASTERISK;
        head->path = t;
        return EG_OK;
    }
    code = absolute_form_parse(head);
    if (code == EG_OK)
        options_target_adjust(head);
    return code;
}
