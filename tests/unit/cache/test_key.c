/* Keys: what is one resource, RFC 9110 section 4.2.3. */
#include <criterion/criterion.h>

#include "cache/key.h"

static const uint64_t seed[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static bool same(struct cache_key a, struct cache_key b)
{
    struct cache_key x = cache_key_normalise(&a), y = cache_key_normalise(&b);
    bool equal = cache_key_eq(&x, &y);

    if (equal)
        cr_assert_eq(cache_key_hash(&x, seed), cache_key_hash(&y, seed));
    return equal;
}

static struct cache_key key(const char *scheme, const char *authority, const char *target)
{
    return (struct cache_key){.scheme = slice_str(scheme),
                              .authority = slice_str(authority),
                              .target = slice_str(target)};
}

Test(key, case_of_the_host_and_the_default_port_make_no_difference)
{
    cr_expect(same(key("http", "a.example", "/"), key("http", "A.EXAMPLE:80", "/")));
    cr_expect(same(key("http", "a.example", "/"), key("http", "a.example:", "/")));
    cr_expect(same(key("https", "a.example", "/"), key("https", "a.example:443", "/")));
    cr_expect(same(key("http", "[::1]", "/"), key("http", "[::1]:80", "/")));
}

Test(key, everything_else_does)
{
    cr_expect_not(same(key("http", "a", "/"), key("https", "a", "/")));
    cr_expect_not(same(key("http", "a", "/"), key("http", "b", "/")));
    cr_expect_not(same(key("http", "a", "/x"), key("http", "a", "/X")));
    cr_expect_not(same(key("http", "a", "/?a"), key("http", "a", "/?b")));
    cr_expect_not(same(key("http", "a", "/?"), key("http", "a", "/")));
    cr_expect_not(same(key("http", "a:443", "/"), key("http", "a", "/")));
    cr_expect_not(same(key("https", "a:80", "/"), key("https", "a", "/")));
    cr_expect_not(same(key("http", "a:8080", "/"), key("http", "a", "/")));
}

/* The vector that SipHash's authors print for 15 bytes 00 to 0e and the key 00 to 0f. */
Test(key, the_hash_is_siphash_2_4)
{
    char bytes[15];
    struct cache_key k = {.target = {bytes, sizeof(bytes)}};

    for (char i = 0; i < 15; i++)
        bytes[(int)i] = i;
    cr_expect_eq(cache_key_hash(&k, seed), 0xa129ca6149be45e5);
}

Test(key, the_hash_depends_on_the_seed)
{
    const uint64_t other[2] = {1, 2};
    struct cache_key k = key("http", "a", "/");

    cr_expect_neq(cache_key_hash(&k, seed), cache_key_hash(&k, other));
}
