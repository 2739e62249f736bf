/* See json_read.h. */
#include "discovery/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const char nul[] = "\\u0000", replacement[] = "\\ufffd";
enum { ESCAPED_BYTES = sizeof(nul) - 1 };

/* A backslash stands in strings only (RFC 8259 section 7); what follows it may be another one. */
static void replace_nuls(char *text, size_t n)
{
    char *end = text + n, *at = text;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at >= ESCAPED_BYTES) {
        if (memcmp(at, nul, ESCAPED_BYTES) == 0)
            memcpy(at, replacement, ESCAPED_BYTES);
        at += 2;
    }
}

json_t *json_read(const char *p, size_t n)
{
    json_t *json;
    char *copy;

    if (memmem(p, n, nul, ESCAPED_BYTES) == NULL)
        return json_loadb(p, n, JSON_DECODE_ANY, NULL);
    copy = xstrndup(p, n);
    replace_nuls(copy, n);
    json = json_loadb(copy, n, JSON_DECODE_ANY, NULL);
    free(copy);
    return json;
}
