/*
 * The hash of request keys and endpoint ids.
 *
 * It must spread short, similar keys (addresses of one network, ids that differ in a digit) over
 * all 64 bits, and give the same value on every machine, so that several evergates in front of the
 * same backends send a key to the same place. It is not secret: who controls the key can aim at an
 * endpoint; the bounded load of consistent_hash limits what that is worth.
 */
#include <string.h>

#include "balancer/algorithm.h"

/* Up to eight bytes as a little-endian number, whatever the machine. */
static uint64_t hash_word(const char *p, size_t n)
{
    uint64_t word = 0;

    for (size_t i = n; i > 0; i--)
        word = word << 8 | (unsigned char)p[i - 1];
    return word;
}

uint64_t balancer_hash(struct slice key)
{
    /* The length goes in first: a key and the same key with NULs behind it differ. */
    uint64_t h = balancer_mix(key.n + BALANCER_GOLDEN);

    while (key.n >= 8) {
        h = balancer_mix(h ^ hash_word(key.p, 8)) + BALANCER_GOLDEN;
        key.p += 8;
        key.n -= 8;
    }
    return balancer_mix(h ^ hash_word(key.p, key.n));
}
