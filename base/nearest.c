/* Near words: see nearest.h. */
#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

#include "base/slice.h"

enum { NEAREST_MAX_WORD = 64 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), case
 * folded: three rows of the usual table are kept. */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][NEAREST_MAX_WORD + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]);

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

/* "warning" for "warn", "conn" for "connect": further apart than slips of the finger, yet clear. */
static bool is_prefix_of_other(const char *a, size_t n, const char *b, size_t m)
{
    size_t shorter = n < m ? n : m;

    return shorter >= 3 && strncasecmp(a, b, shorter) == 0;
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    size_t n = strlen(word);
    unsigned best_distance = n < 4 ? 1 : n < 6 ? 2 : (unsigned)n / 3;
    const char *best = NULL;

    if (n == 0 || n > NEAREST_MAX_WORD)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t m = words[i] != NULL ? strlen(words[i]) : 0;
        unsigned distance;

        if (m == 0 || m > NEAREST_MAX_WORD)
            continue;
        distance = edit_distance(word, n, words[i], m);
        if (distance > 1 && is_prefix_of_other(word, n, words[i], m))
            distance = 1;
        if (distance > best_distance || (best != NULL && distance == best_distance) ||
            distance >= m)
            continue;
        best = words[i];
        best_distance = distance;
    }
    return best;
}
