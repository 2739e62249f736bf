/* Reads just enough of an answer: its status, who gave it, and where it ends. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/chaos/load.h"

struct answer_head {
    long length; /* -1: not told */
    bool chunked;
};

static void answer_read_field(const char *line, size_t size, struct load_answer *answer,
                              struct answer_head *head)
{
    static const char length[] = "content-length:", backend[] = "x-backend:",
                      encoding[] = "transfer-encoding: chunked", closing[] = "connection: close";

    if (size > sizeof(length) - 1 && strncasecmp(line, length, sizeof(length) - 1) == 0)
        head->length = strtol(line + sizeof(length) - 1, NULL, 10);
    else if (size > sizeof(backend) && strncasecmp(line, backend, sizeof(backend) - 1) == 0)
        answer->backend = line[size - 1];
    else if (size >= sizeof(encoding) - 1 && strncasecmp(line, encoding, sizeof(encoding) - 1) == 0)
        head->chunked = true;
    else if (size >= sizeof(closing) - 1 && strncasecmp(line, closing, sizeof(closing) - 1) == 0)
        answer->close = true;
}

static void answer_read_head(const char *data, const char *end, struct load_answer *answer,
                             struct answer_head *head)
{
    const char *line = memchr(data, '\n', (size_t)(end - data));

    while (line != NULL && ++line < end) {
        const char *stop = memchr(line, '\r', (size_t)(end - line) + 1);

        if (stop == NULL)
            return;
        answer_read_field(line, (size_t)(stop - line), answer, head);
        line = memchr(stop, '\n', (size_t)(end - stop) + 2);
    }
}

enum load_answer_state load_answer_read(const char *data, size_t size, struct load_answer *answer)
{
    struct answer_head head = {.length = -1};
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    size_t body;

    *answer = (struct load_answer){.backend = '-'};
    if (size >= 9 && memcmp(data, "HTTP/1.1 ", 9) != 0)
        return LOAD_ANSWER_WRONG;
    if (end == NULL)
        return size < LOAD_BUFFER_BYTES ? LOAD_ANSWER_INCOMPLETE : LOAD_ANSWER_WRONG;
    answer->status = (uint16_t)strtoul(data + 9, NULL, 10);
    answer_read_head(data, end, answer, &head);
    body = size - (size_t)(end + 4 - data);
    if (head.chunked) /* no body that we ask for holds these five bytes */
        return body >= 5 && memcmp(data + size - 5, "0\r\n\r\n", 5) == 0 ? LOAD_ANSWER_COMPLETE
                                                                         : LOAD_ANSWER_INCOMPLETE;
    if (head.length < 0)
        return LOAD_ANSWER_WRONG;
    if (body > (size_t)head.length)
        return LOAD_ANSWER_WRONG;
    return body == (size_t)head.length ? LOAD_ANSWER_COMPLETE : LOAD_ANSWER_INCOMPLETE;
}
