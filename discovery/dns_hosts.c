/* /etc/hosts, as hosts(5) says: an address and its names per line, "#" begins a comment. */
#include "discovery/dns_hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

static struct slice take_line(struct slice *text)
{
    const char *end = memchr(text->p, '\n', text->n);
    struct slice line = slice_from(text->p, end ? (size_t)(end - text->p) : text->n);
    size_t used = line.n + (end ? 1 : 0);

    *text = slice_from(text->p + used, text->n - used);
    return line;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The next word of a line; empty at its end or where a comment begins. */
static struct slice take_word(struct slice *line)
{
    struct slice word;
    size_t n = 0;

    while (line->n > 0 && is_blank(line->p[0]))
        *line = slice_from(line->p + 1, line->n - 1);
    while (n < line->n && !is_blank(line->p[n]) && line->p[n] != '#')
        n++;
    word = slice_from(line->p, n);
    *line = slice_from(line->p + n, line->n - n);
    return word;
}

static bool parse_ip(struct address *address, struct slice word)
{
    char text[INET6_ADDRSTRLEN];

    memset(address, 0, sizeof(*address));
    if (word.n == 0 || word.n >= sizeof(text))
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    if (inet_pton(AF_INET, text, &address->in.sin_addr) == 1) {
        address->in.sin_family = AF_INET;
        address->length = sizeof(address->in);
        return true;
    }
    address->in6.sin6_family = AF_INET6;
    address->length = sizeof(address->in6);
    return inet_pton(AF_INET6, text, &address->in6.sin6_addr) == 1;
}

static bool line_names(struct slice line, struct slice name)
{
    for (struct slice word = take_word(&line); word.n > 0; word = take_word(&line)) {
        if (slice_ieq(word, name))
            return true;
    }
    return false;
}

void dns_hosts_find(struct slice text, const char *name, struct dns_ips *ips)
{
    struct slice wanted = slice_str(name);
    struct address address;

    if (wanted.n > 1 && wanted.p[wanted.n - 1] == '.')
        wanted.n--;
    while (text.n > 0) {
        struct slice line = take_line(&text);
        struct slice first = take_word(&line);

        if (line_names(line, wanted) && parse_ip(&address, first))
            dns_ips_add(ips, &address, DNS_HOSTS_TTL_S);
    }
    dns_ips_sort(ips);
}

void dns_hosts_read(const char *path, const char *name, struct dns_ips *ips)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t n = 1;
    char *text;

    if (fd < 0)
        return;
    text = xmalloc(DNS_HOSTS_MAX_BYTES);
    while (n > 0 && size < DNS_HOSTS_MAX_BYTES) {
        n = read(fd, text + size, DNS_HOSTS_MAX_BYTES - size);
        size += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (n == 0)
        dns_hosts_find(slice_from(text, size), name, ips);
    free(text);
}
