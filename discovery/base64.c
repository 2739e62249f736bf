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

/* How many `=` end it; EVP_DecodeBlock takes any number of them, and decodes them as zeros. */
static size_t padding_of(const char *p, size_t n)
{
    size_t padding = 0;

    while (padding < n && p[n - 1 - padding] == '=')
        padding++;
    return padding;
}

char *base64_decode(struct slice text, size_t *ret_size)
{
    if (text.n > INT_MAX / 2)
        return NULL;
    char *visible = xmalloc(text.n + 1);
    char *out = xmalloc(text.n + 1);
    size_t n = copy_visible(visible, text), padding = padding_of(visible, n);
    int size = n % 4 != 0 || padding > 2 || memchr(visible, '=', n - padding)
                   ? -1
                   : EVP_DecodeBlock((unsigned char *)out, (unsigned char *)visible, (int)n);

    free(visible);
    if (size < 0) {
        free(out);
        return NULL;
    }
    *ret_size = (size_t)size - padding;
    out[*ret_size] = '\0';
    return out;
}
