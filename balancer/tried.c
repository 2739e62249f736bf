/* Tried sets: which endpoints one request has had. A pool of up to 64 needs no memory for them. */
#include <stdlib.h>
#include <string.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"

enum { WORD_BITS = 64 };

void balancer_tried_init(struct balancer_tried *tried)
{
    *tried = (struct balancer_tried){0};
}

void balancer_tried_fini(struct balancer_tried *tried)
{
    free(tried->bits);
    balancer_tried_init(tried);
}

bool balancer_tried_has(const struct balancer_tried *tried, unsigned index)
{
    unsigned word = index / WORD_BITS;
    uint64_t bit = 1ull << index % WORD_BITS;

    if (word == 0)
        return tried->inline_bits & bit;
    return word <= tried->words && tried->bits[word - 1] & bit;
}

void tried_add(struct balancer_tried *tried, const struct endpoint *endpoint, unsigned pool_size)
{
    unsigned index = endpoint->index, word = index / WORD_BITS;
    uint64_t bit = 1ull << index % WORD_BITS;

    if (endpoint->birth > tried->newest)
        tried->newest = endpoint->birth;
    if (balancer_tried_has(tried, index))
        return;
    tried->count++;
    if (word == 0) {
        tried->inline_bits |= bit;
        return;
    }
    if (word > tried->words) { /* all that this frame can need, at once */
        unsigned words = (pool_size - 1) / WORD_BITS;

        if (words < word) /* a session's endpoint, from a slot that the frame did not have yet */
            words = word;
        tried->bits = xrealloc(tried->bits, words * sizeof(*tried->bits));
        memset(tried->bits + tried->words, 0, (words - tried->words) * sizeof(*tried->bits));
        tried->words = words;
    }
    tried->bits[word - 1] |= bit;
}

void balancer_tried_remove(struct balancer_tried *tried, unsigned index)
{
    unsigned word = index / WORD_BITS;
    uint64_t bit = 1ull << index % WORD_BITS;

    if (!balancer_tried_has(tried, index))
        return;
    tried->count--;
    if (word == 0)
        tried->inline_bits &= ~bit;
    else
        tried->bits[word - 1] &= ~bit;
}
