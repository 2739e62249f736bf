/* Keys: see key.h. */
#include "cache/key.h"

struct cache_key cache_key_normalise(const struct cache_key *key)
{
    struct cache_key normal = *key;
    struct slice port =
        slice_eq(key->scheme, SLICE_LIT("https")) ? SLICE_LIT(":443") : SLICE_LIT(":80");

    if (slice_ends_with(normal.authority, port))
        normal.authority.n -= port.n;
    else if (slice_ends_with(normal.authority, SLICE_LIT(":")))
        normal.authority.n--;
    return normal;
}

bool cache_key_eq(const struct cache_key *a, const struct cache_key *b)
{
    return slice_eq(a->target, b->target) && slice_ieq(a->authority, b->authority) &&
           slice_eq(a->scheme, b->scheme);
}

struct siphash {
    uint64_t v0, v1, v2, v3;
    uint64_t word; /* bytes that do not make eight yet */
    uint64_t size;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct siphash *h)
{
    h->v0 += h->v1;
    h->v2 += h->v3;
    h->v1 = rotate(h->v1, 13) ^ h->v0;
    h->v3 = rotate(h->v3, 16) ^ h->v2;
    h->v0 = rotate(h->v0, 32) + h->v3;
    h->v2 += h->v1;
    h->v1 = rotate(h->v1, 17) ^ h->v2;
    h->v3 = rotate(h->v3, 21) ^ h->v0;
    h->v2 = rotate(h->v2, 32);
}

static void absorb_word(struct siphash *h, uint64_t word)
{
    h->v3 ^= word;
    sip_round(h);
    sip_round(h);
    h->v0 ^= word;
}

static void absorb(struct siphash *h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        h->word |= (uint64_t)(unsigned char)ascii_lower(s.p[i]) << (h->size++ % 8 * 8);
        if (h->size % 8 == 0) {
            absorb_word(h, h->word);
            h->word = 0;
        }
    }
}

static uint64_t finish(struct siphash *h)
{
    absorb_word(h, h->word | h->size << 56);
    h->v2 ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(h);
    return h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
}

uint64_t cache_key_hash(const struct cache_key *key, const uint64_t seed[2])
{
    /* The initial values spell "somepseudorandomlygeneratedbytes". */
    struct siphash h = {
        .v0 = seed[0] ^ 0x736f6d6570736575,
        .v1 = seed[1] ^ 0x646f72616e646f6d,
        .v2 = seed[0] ^ 0x6c7967656e657261,
        .v3 = seed[1] ^ 0x7465646279746573,
    };

    absorb(&h, key->scheme);
    absorb(&h, key->authority);
    absorb(&h, key->target);
    return finish(&h);
}
