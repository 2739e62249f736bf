/* Text that had to be cut (RFC 3629). Pure. */
#ifndef EVERGATE_BASE_UTF8_H
#define EVERGATE_BASE_UTF8_H

#include <stddef.h>

/* How many of the first `n` bytes of `text` remain when a character that would be cut at their end
 * is left out. What is not UTF-8 anyway remains as it is. */
size_t utf8_whole(const char *text, size_t n);

#endif
