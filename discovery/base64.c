/* See base64.h. OpenSSL does the arithmetic; what it is lenient about is judged here. */
#include "discovery/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"

char *base64_encode(struct slice bytes)
{
    CHECK(bytes.n <= INT_MAX / 2);
    char *out = xmalloc((bytes.n + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes.p, (int)bytes.n);
    return out;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t copy_visible(char *out, struct slice text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        if (!is_space(text.p[i]))
            out[n++] = text.p[i];
    return n;
}

/* RFC 4648 section 4. EVP_DecodeBlock passes over a `-` at the end, as PEM has it there. */
static bool is_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* Digits, then `=` until the number is one of fours; EVP_DecodeBlock takes any number of them, and
 * decodes them as zeros. */
static bool is_base64(const char *p, size_t n, size_t *ret_padding)
{
    size_t digits = 0;

    while (digits < n && is_digit(p[digits]))
        digits++;
    for (size_t i = digits; i < n; i++)
        if (p[i] != '=')
            return false;
    *ret_padding = n - digits;
    return n % 4 == 0 && n - digits <= 2;
}

char *base64_decode(struct slice text, size_t *ret_size)
{
    if (text.n > INT_MAX / 2)
        return NULL;
    char *visible = xmalloc(text.n + 1);
    char *out = xmalloc(text.n + 1);
    size_t n = copy_visible(visible, text), padding = 0;
    int size = -1;

    if (is_base64(visible, n, &padding))
        size = EVP_DecodeBlock((unsigned char *)out, (unsigned char *)visible, (int)n);
    free(visible);
    if (size < 0) {
        free(out);
        return NULL;
    }
    *ret_size = (size_t)size - padding;
    out[*ret_size] = '\0';
    return out;
}
