/*
 * Finding the end of a head, and the bytes that may not stand in one.
 *
 * One pass, eight bytes a step: only control characters can end a line or be wrong, so everything
 * else is skipped. The parsers rely on this pass: behind it, CR and LF occur only as CRLF at the
 * end of a line, and the only other control character is HTAB.
 */
#include <endian.h>

#include "http/charset.h"
#include "http/head_internal.h"

#define EVERY_BYTE(c) (~(uint64_t)0 / 255 * (c))

/* High bits mark bytes below 0x20 and 0x7f. Marks above the lowest one may be false (a borrow). */
static uint64_t control_marks(uint64_t word)
{
    uint64_t low = (word - EVERY_BYTE(0x20)) & ~word;
    uint64_t del = word ^ EVERY_BYTE(0x7f);

    del = (del - EVERY_BYTE(0x01)) & ~del;
    return (low | del) & EVERY_BYTE(0x80);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The index of the first control character at or behind i; n when there is none. */
static size_t next_control(const char *p, size_t i, size_t n)
{
    while (n - i >= 8) {
        uint64_t word, marks;

        memcpy(&word, p + i, 8);
        marks = control_marks(le64toh(word));
        if (marks)
            return i + (size_t)__builtin_ctzll(marks) / 8;
        i += 8;
    }
    while (i < n && !is_control(p[i]))
        i++;
    return i;
}

int http_section_scan(const char *p, size_t n, size_t *position)
{
    size_t i = *position;

    for (;;) {
        i = next_control(p, i, n);
        *position = i;
        if (i == n)
            return EG_E_AGAIN;
        if (p[i] == '\t') {
            i++;
            continue;
        }
        if (p[i] == '\n')
            return EG_E_HEAD_BARE_LF; /* its CR would have been taken together with it */
        if (p[i] != '\r')
            return EG_E_HEAD_CONTROL;
        if (i + 1 == n)
            return EG_E_AGAIN;
        if (p[i + 1] != '\n')
            return EG_E_HEAD_BARE_CR;
        if (i == 0 || p[i - 1] == '\n') {
            *position = i + 2;
            return EG_OK;
        }
        i += 2;
    }
}

/* The line that begins a message, p[0..n): EG_E_AGAIN when it may still become one. */
static int check_first_byte(const char *p, size_t n)
{
    if (n == 0)
        return EG_E_AGAIN;
    if (p[0] == '\n')
        return EG_E_HEAD_BARE_LF;
    return http_char_is(p[0], HTTP_CHAR_TOKEN) ? EG_OK : EG_E_HEAD_REQUEST_LINE;
}

/* RFC 9112 section 2.2: one empty line before a request is robustness, more are noise. */
static size_t leading_empty_line(const char *p, size_t n)
{
    return n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* RFC 9112 section 3: too long a request line has an answer of its own, 414. */
static int over_limit(const char *p, size_t n)
{
    return memchr(p, '\n', n) ? EG_E_HEAD_TOO_LARGE : EG_E_TARGET_TOO_LONG;
}

int http_head_scan(struct http_head_scan *scan, const char *p, size_t n,
                   const struct http_limits *limits, size_t *ret_size)
{
    size_t looked_at = n < limits->head_bytes ? n : limits->head_bytes;
    size_t skip = leading_empty_line(p, looked_at), position;
    int code;

    if (looked_at == 1 && p[0] == '\r')
        return limits->head_bytes > 1 ? EG_E_AGAIN : EG_E_HEAD_TOO_LARGE;
    if (skip == 0 && looked_at > 1 && p[0] == '\r')
        return EG_E_HEAD_BARE_CR;
    code = check_first_byte(p + skip, looked_at - skip);
    if (code == EG_OK) {
        position = scan->position > skip ? scan->position - skip : 0;
        code = http_section_scan(p + skip, looked_at - skip, &position);
        scan->position = skip + position;
    }
    if (code == EG_OK)
        *ret_size = scan->position;
    if (code == EG_E_AGAIN && n >= limits->head_bytes)
        return over_limit(p + skip, looked_at - skip);
    return code;
}
