/*
 * Allocation that cannot return NULL. evergate bounds every buffer by a configured limit, so
 * running out of memory is a misconfiguration of the machine: it ends the process with a message
 * rather than leaving thousands of untested error paths (the choice of git, valkey and systemd's
 * tools). free() is the ordinary one.
 */
#ifndef EVERGATE_BASE_ALLOC_H
#define EVERGATE_BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

void *xmalloc(size_t size_bytes);
void *xcalloc(size_t count, size_t size_bytes);
void *xrealloc(void *p, size_t size_bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *p, size_t n);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

#endif
