/* Addresses as the configuration writes them. net/address.h turns them into sockaddrs later; this
 * room must not reach up there, and needs sentences where that one needs codes. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "config/values_internal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    char l = ascii_lower(c);

    return (l >= 'a' && l <= 'z') || is_digit(c) || c == '-' || c == '_';
}

bool config_is_host_name(struct slice name)
{
    size_t label = 0;

    if (name.n == 0 || name.n > 253)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (c == '.') {
            if (label == 0 || name.p[i - 1] == '-')
                return false;
            label = 0;
        } else if (!is_label_char(c) || (c == '-' && label == 0) || ++label > 63) {
            return false;
        }
    }
    return label > 0 && name.p[name.n - 1] != '-';
}

/* "10.0.0.300" must not be taken for a name to be resolved. */
static bool looks_numeric(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        if (!is_digit(host.p[i]) && host.p[i] != '.')
            return false;
    }
    return host.n > 0;
}

const char *config_socket_path_problem(struct slice path)
{
    struct sockaddr_un un;

    if (path.n == 0 || path.p[0] != '/')
        return "a Unix socket's path must be absolute; write \"/run/evergate/NAME.sock\"";
    if (path.n >= sizeof(un.sun_path))
        return "a Unix socket's path has at most 107 characters; write a shorter one";
    return NULL;
}

static bool parse_ip(struct slice text, int family, struct in6_addr *ret_ip)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, ret_ip) == 1;
}

static char *parse_port(struct slice text, unsigned lowest, uint16_t *ret_port)
{
    unsigned long long port;

    if (text.n == 0 || text.n > 19 || !slice_to_u64(text, &port))
        return xasprintf("port \"%.*s\" is not a number; write 1 to 65535", SLICE_FMT(text));
    if (port < lowest || port > 65535)
        return xasprintf("port %llu is out of range; write 1 to 65535", port);
    *ret_port = (uint16_t)port;
    return NULL;
}

static char *parse_host(struct config_address *address, struct slice text, bool bracketed)
{
    if (bracketed) {
        address->kind = CONFIG_ADDRESS_IPV6;
        if (parse_ip(address->host, AF_INET6, &address->ip))
            return NULL;
        return xasprintf("\"[%.*s]\" is not an IPv6 address; write one such as \"[::1]:8080\"",
                         SLICE_FMT(address->host));
    }
    if (address->host.n == 0) {
        address->kind = CONFIG_ADDRESS_ANY;
        return NULL;
    }
    if (memchr(address->host.p, ':', address->host.n) != NULL)
        return xasprintf("\"%.*s\" has more than one \":\"; write an IPv6 address in brackets, "
                         "such as \"[::1]:8080\"",
                         SLICE_FMT(text));
    address->kind = CONFIG_ADDRESS_IPV4;
    if (parse_ip(address->host, AF_INET, &address->ip))
        return NULL;
    address->kind = CONFIG_ADDRESS_NAME;
    if (looks_numeric(address->host) || !config_is_host_name(address->host))
        return xasprintf("\"%.*s\" is neither an IP address nor a host name; write one such as "
                         "\"10.0.0.1:8080\" or \"app.internal:8080\"",
                         SLICE_FMT(address->host));
    return NULL;
}

/* Splits off the port, from the right. */
static char *parse_inet(struct config_address *address, struct slice text, unsigned lowest_port)
{
    bool bracketed = text.n > 0 && text.p[0] == '[';
    const char *end = bracketed ? memchr(text.p, ']', text.n) : memrchr(text.p, ':', text.n);
    char *why;

    if (bracketed && end == NULL)
        return xasprintf("\"%.*s\" has no \"]\"; write \"[::1]:8080\"", SLICE_FMT(text));
    if (bracketed)
        address->host = slice_from(text.p + 1, (size_t)(end++ - text.p) - 1);
    else if (end != NULL)
        address->host = slice_from(text.p, (size_t)(end - text.p));
    if (end == NULL || end == text.p + text.n || *end != ':')
        return xasprintf("\"%.*s\" has no port; write \"%.*s:8080\"", SLICE_FMT(text),
                         SLICE_FMT(text));
    why = parse_host(address, text, bracketed);
    if (why != NULL)
        return why;
    end++;
    return parse_port(slice_from(end, text.n - (size_t)(end - text.p)), lowest_port,
                      &address->port);
}

char *config_address_parse(struct config_address *ret_address, struct slice text,
                           unsigned lowest_port)
{
    struct config_address address = {0};
    struct slice scheme = SLICE_LIT("unix:");
    const char *problem;
    char *why;

    if (text.n == 0)
        return xstrdup("the address is empty; write HOST:PORT or unix:/PATH");
    if (memmem(text.p, text.n, "://", 3) != NULL)
        return xasprintf("\"%.*s\" is a URL; write HOST:PORT or unix:/PATH", SLICE_FMT(text));
    if (slice_starts_with(text, scheme)) {
        address.kind = CONFIG_ADDRESS_UNIX;
        address.host = slice_from(text.p + scheme.n, text.n - scheme.n);
        problem = config_socket_path_problem(address.host);
        why = problem != NULL ? xstrdup(problem) : NULL;
    } else {
        why = parse_inet(&address, text, lowest_port);
    }
    if (why == NULL)
        *ret_address = address;
    return why;
}

static bool is_any_ip(const struct config_address *a)
{
    static const struct in6_addr zero;

    return a->kind == CONFIG_ADDRESS_ANY ||
           (a->kind != CONFIG_ADDRESS_UNIX && memcmp(&a->ip, &zero, sizeof(zero)) == 0);
}

/* A socket for all addresses and one for a single address of the same port may coexist (the kernel
 * prefers the narrower one); two for all, where one is ":80" of both families, may not. */
bool config_address_conflicts(const struct config_address *a, const struct config_address *b)
{
    if (a->kind == CONFIG_ADDRESS_UNIX || b->kind == CONFIG_ADDRESS_UNIX)
        return a->kind == b->kind && slice_eq(a->host, b->host);
    if (a->port != b->port || a->port == 0)
        return false;
    if (a->kind == CONFIG_ADDRESS_ANY || b->kind == CONFIG_ADDRESS_ANY)
        return is_any_ip(a) && is_any_ip(b);
    return a->kind == b->kind && memcmp(&a->ip, &b->ip, sizeof(a->ip)) == 0;
}
