/* Allocation that ends the process instead of returning NULL: see alloc.h. */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *alloc_check(void *p, size_t size_bytes)
{
    if (p == NULL && size_bytes > 0) {
        fprintf(stderr, "evergate: out of memory allocating %zu bytes\n", size_bytes);
        abort();
    }
    return p;
}

void *xmalloc(size_t size_bytes)
{
    return alloc_check(malloc(size_bytes), size_bytes);
}

void *xcalloc(size_t count, size_t size_bytes)
{
    return alloc_check(calloc(count, size_bytes), count * size_bytes);
}

void *xrealloc(void *p, size_t size_bytes)
{
    return alloc_check(realloc(p, size_bytes), size_bytes);
}

char *xstrdup(const char *text)
{
    return alloc_check(strdup(text), 1);
}

char *xstrndup(const char *p, size_t n)
{
    char *copy = xmalloc(n + 1);

    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *xvasprintf(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        alloc_check(NULL, 1);
    return text;
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    return text;
}
