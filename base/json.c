/*
 * Escaping of JSON strings: see json.h. The access log calls this for every text of every request,
 * so ordinary ASCII is looked at eight bytes at a time and copied in runs.
 */
#include "base/json.h"

#include <stdint.h>

/* 1 for the bytes that stand for themselves: printable ASCII except '"' and '\'. */
static const unsigned char plain[256] = {
    [' '] = 1,
    ['!'] = 1,
    ['#' ... '['] = 1,
    [']' ... '~'] = 1,
};

static uint64_t repeat(unsigned char c)
{
    return c * 0x0101010101010101u;
}

/* The high bit of each byte of `word` that is zero (and perhaps of one above such a byte: it only
 * matters whether there is any). */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - repeat(0x01)) & ~word & repeat(0x80);
}

/* Eight bytes at once: no control character, quote, backslash, DEL, nor anything beyond ASCII. */
static bool all_plain(uint64_t word)
{
    uint64_t odd = ((word - repeat(0x20)) & ~word) | word;

    odd |= zero_bytes(word ^ repeat('"')) | zero_bytes(word ^ repeat('\\'));
    return ((odd | zero_bytes(word ^ repeat(0x7f))) & repeat(0x80)) == 0;
}

size_t json_plain_prefix(struct slice s)
{
    size_t i = 0;

    for (; s.n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, s.p + i, sizeof(word));
        if (!all_plain(word))
            break;
    }
    while (i < s.n && plain[(unsigned char)s.p[i]])
        i++;
    return i;
}

/* The length of the well-formed UTF-8 sequence at p, or 0. Table 3-7 of the Unicode standard. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        length = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        length = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (n < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return length;
}

/* The escape of one ASCII byte that may not stand for itself; returns its length. */
static size_t escape_ascii(char out[JSON_ESCAPED_BYTES], unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[256] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    out[0] = '\\';
    if (short_form[c]) {
        out[1] = short_form[c];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return JSON_ESCAPED_BYTES;
}

/* Writes what stands for the bytes at p; returns the end of it or NULL, and how many bytes of the
 * input it stands for. */
static char *escape_one(char *out, const char *end, const unsigned char *p, size_t n,
                        size_t *ret_used)
{
    char escaped[JSON_ESCAPED_BYTES];
    const char *from = escaped;
    size_t size;

    *ret_used = 1;
    if (p[0] < 0x80) {
        size = escape_ascii(escaped, p[0]);
    } else if ((size = utf8_length(p, n)) > 0) {
        from = (const char *)p;
        *ret_used = size;
    } else {
        from = "\\ufffd";
        size = JSON_ESCAPED_BYTES;
    }
    if ((size_t)(end - out) < size)
        return NULL;
    memcpy(out, from, size);
    return out + size;
}

char *json_escape(char *out, const char *end, struct slice s)
{
    while (s.n > 0) {
        size_t run = json_plain_prefix(s), used;

        if ((size_t)(end - out) < run)
            return NULL;
        memcpy(out, s.p, run);
        out += run;
        s = slice_from(s.p + run, s.n - run);
        if (s.n == 0)
            break;
        out = escape_one(out, end, (const unsigned char *)s.p, s.n, &used);
        if (!out)
            return NULL;
        s = slice_from(s.p + used, s.n - used);
    }
    return out;
}
