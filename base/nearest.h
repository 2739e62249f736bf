/* "Did you mean ...?": for keys of the configuration and words of the command line. */
#ifndef EVERGATE_BASE_NEAREST_H
#define EVERGATE_BASE_NEAREST_H

#include <stddef.h>

/* The word of words[0..count) nearest to `word` by edit distance, when it is near enough to be what
 * was meant; else NULL. NULL entries are skipped. */
const char *nearest_word(const char *word, const char *const *words, size_t count);

#endif
