/* A small blocking HTTP client: see client.h. */
#include "cli/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/head.h"
#include "net/address.h"

void client_answer_free(struct client_answer *answer)
{
    free(answer->body);
    *answer = (struct client_answer){0};
}

char *client_escape(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = xmalloc(3 * strlen(text) + 1), *out = escaped;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char lower = ascii_lower((char)c);

        if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || strchr("-._~", c)) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    *out = '\0';
    return escaped;
}

/* A connected socket, or -1 and errno. SO_SNDTIMEO bounds connect(2) too. */
static int connect_to(const struct sockaddr *address, socklen_t length, unsigned timeout_ms)
{
    const struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, address, length) == 0)
        return fd;
    code = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = code;
    return -1;
}

/* "name:port": each address of the name in turn. */
static int connect_by_name(const char *text, unsigned timeout_ms, char **ret_why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    char *host = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, colon ? colon + 1 : "", &hints, &found), fd = -1;

    if (rc != 0)
        *ret_why = xasprintf("%s: %s", text, gai_strerror(rc));
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = connect_to(a->ai_addr, a->ai_addrlen, timeout_ms);
    if (rc == 0 && fd < 0)
        *ret_why = xasprintf("%s: %s", text, strerror(errno));
    if (found)
        freeaddrinfo(found);
    free(host);
    return fd;
}

static int open_connection(const char *text, unsigned timeout_ms, char **ret_why)
{
    struct address address;
    int rc = address_parse(&address, slice_str(text)), fd;

    if (rc == EG_E_RESOLVE)
        return connect_by_name(text, timeout_ms, ret_why);
    if (rc != EG_OK) {
        *ret_why = xasprintf("\"%s\" is no address; write \"host:port\" or \"unix:/path\"", text);
        return -1;
    }
    fd = connect_to(&address.sa, address.length, timeout_ms);
    if (fd < 0)
        *ret_why = xasprintf("%s: %s", text, strerror(errno));
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static char *body_headers(const char *body)
{
    if (!body)
        return xstrdup("");
    return xasprintf("Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
}

/* Where the socket is local there is no name to give, but management wants a Host it knows. */
static bool send_request(int fd, const struct client_request *request)
{
    bool local = strncmp(request->address, "unix:", 5) == 0;
    char *more = body_headers(request->body);
    char *text = xasprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s%s%s\r\n%s",
                           request->method, request->path, local ? "localhost" : request->address,
                           request->token ? "Authorization: Bearer " : "",
                           request->token ? request->token : "", request->token ? "\r\n" : "", more,
                           request->body ? request->body : "");
    bool sent = send_all(fd, text, strlen(text));

    free(text);
    free(more);
    return sent;
}

/* Everything up to the peer's end. False with errno; EMSGSIZE: more than the limit. */
static bool read_all(int fd, char **ret_bytes, size_t *ret_size)
{
    size_t capacity = 64 * 1024, size = 0;
    char *bytes = xmalloc(capacity);

    for (;;) {
        ssize_t n = recv(fd, bytes + size, capacity - size, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        if (n > 0)
            size += (size_t)n;
        if (n > 0 && size == CLIENT_ANSWER_BYTES)
            errno = EMSGSIZE;
        if (n < 0 || size == CLIENT_ANSWER_BYTES) {
            free(bytes);
            return false;
        }
        if (size == capacity)
            bytes = xrealloc(bytes, capacity *= 2);
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return true;
}

static bool parse_answer(struct client_answer *ret, const char *bytes, size_t size)
{
    static const struct http_limits limits = {.head_bytes = 64 * 1024, .fields = 100};
    struct http_field fields[100];
    struct http_response_head head = {.fields = {.v = fields, .capacity = 100}};
    struct http_head_scan scan = {0};
    size_t head_size;

    if (http_head_scan(&scan, bytes, size, &limits, &head_size) != EG_OK ||
        http_response_head_parse(&head, bytes, head_size, HTTP_METHOD_GET, &limits) != EG_OK ||
        head.framing == HTTP_FRAMING_CHUNKED ||
        (head.has_content_length && head.content_length != size - head_size))
        return false;
    ret->status = head.status;
    ret->size = size - head_size;
    ret->body = xstrndup(bytes + head_size, ret->size);
    return true;
}

static int exchange(struct client_answer *ret, int fd, const struct client_request *request,
                    char **ret_why)
{
    char *bytes;
    size_t size;
    bool good;

    if (!send_request(fd, request) || !read_all(fd, &bytes, &size)) {
        *ret_why = xasprintf("%s: %s", request->address,
                             errno == EAGAIN ? "no answer in time" : strerror(errno));
        return EG_E_UPSTREAM_PROTOCOL;
    }
    good = parse_answer(ret, bytes, size);
    free(bytes);
    if (good)
        return EG_OK;
    *ret_why = xasprintf("%s: what answers there is not evergate's management", request->address);
    return EG_E_UPSTREAM_PROTOCOL;
}

int client_ask(struct client_answer *ret_answer, const struct client_request *request,
               char **ret_why)
{
    int fd = open_connection(request->address, request->timeout_ms, ret_why), rc;

    if (fd < 0)
        return EG_E_CONNECT;
    rc = exchange(ret_answer, fd, request, ret_why);
    close(fd);
    return rc;
}
