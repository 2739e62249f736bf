/* The sticky cookie's value: what it carries, and that nobody else can make one. */
#include <criterion/criterion.h>

#include "proxy/sticky_token.h"

static const struct slice secret = {"0123456789abcdef0123456789abcdef", 32};
static const struct slice pool = {"api", 3};

static const struct sticky_token sample = {
    .session = 0x0123456789abcdef, .endpoint_tag = 0xfedcba9876543210, .expires_s = 1800000000};

static struct slice make(char out[STICKY_TOKEN_BYTES])
{
    sticky_token_make(out, secret, pool, &sample);
    return slice_from(out, STICKY_TOKEN_BYTES);
}

static bool accepted(struct slice value)
{
    struct sticky_token token;

    return sticky_token_read(secret, pool, value, 1700000000, &token);
}

Test(sticky_token, what_was_put_in_comes_out)
{
    const struct sticky_token tokens[] = {
        {0, 0, 1}, {UINT64_MAX, UINT64_MAX, ((uint64_t)1 << 40) - 1}, sample};

    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        char text[STICKY_TOKEN_BYTES];
        struct sticky_token token = {0};

        sticky_token_make(text, secret, pool, &tokens[i]);
        cr_assert(sticky_token_read(secret, pool, slice_from(text, STICKY_TOKEN_BYTES), 0, &token));
        cr_expect_eq(token.session, tokens[i].session);
        cr_expect_eq(token.endpoint_tag, tokens[i].endpoint_tag);
        cr_expect_eq(token.expires_s, tokens[i].expires_s);
    }
}

Test(sticky_token, is_made_of_characters_that_a_cookie_may_have)
{
    char text[STICKY_TOKEN_BYTES];

    make(text);
    for (size_t i = 0; i < sizeof(text); i++)
        cr_expect(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                         text[i]) != NULL);
}

Test(sticky_token, every_other_character_at_every_place_is_refused)
{
    char text[STICKY_TOKEN_BYTES];
    struct slice value = make(text);

    for (size_t i = 0; i < value.n; i++) {
        char was = text[i];

        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            cr_expect_eq(accepted(value), (char)c == was, "place %zu, character %d", i, c);
        }
        text[i] = was;
    }
}

Test(sticky_token, every_other_length_is_refused)
{
    char text[STICKY_TOKEN_BYTES * 2];

    make(text);
    make(text + STICKY_TOKEN_BYTES);
    for (size_t n = 0; n <= sizeof(text); n++)
        cr_expect_eq(accepted(slice_from(text, n)), n == STICKY_TOKEN_BYTES);
}

Test(sticky_token, another_pool_or_secret_does_not_take_it)
{
    char text[STICKY_TOKEN_BYTES];
    struct slice value = make(text);
    struct sticky_token token;

    cr_expect_not(sticky_token_read(secret, SLICE_LIT("apj"), value, 0, &token));
    cr_expect_not(sticky_token_read(secret, SLICE_LIT("ap"), value, 0, &token));
    cr_expect_not(sticky_token_read(secret, SLICE_LIT("api2"), value, 0, &token));
    cr_expect_not(sticky_token_read(secret, slice_from("", 0), value, 0, &token));
    cr_expect_not(sticky_token_read(slice_from(secret.p, 31), pool, value, 0, &token));
    cr_expect_not(
        sticky_token_read(SLICE_LIT("1123456789abcdef0123456789abcdef"), pool, value, 0, &token));
}

Test(sticky_token, is_good_until_it_expires_and_a_refusal_touches_nothing)
{
    char text[STICKY_TOKEN_BYTES];
    struct slice value = make(text);
    struct sticky_token token = {.session = 7};

    cr_expect_not(sticky_token_read(secret, pool, value, sample.expires_s, &token));
    cr_expect_eq(token.session, 7);
    cr_expect(sticky_token_read(secret, pool, value, sample.expires_s - 1, &token));
    cr_expect_eq(token.session, sample.session);
}

Test(sticky_token, is_the_same_for_every_process_with_the_secret)
{
    char text[STICKY_TOKEN_BYTES];

    /* Computed apart from this code, by Python's hmac and base64 modules. */
    make(text);
    cr_expect_eq(memcmp(text, "AQEjRWeJq83v_ty6mHZUMhAAa0nSAB_bHH41bw-ZQ8AsREeSeFI", 51), 0,
                 "%.51s", text);
    cr_expect_eq(sticky_endpoint_tag(secret, pool, SLICE_LIT("a")), 0xa5dfac3c944ed108);
}

Test(sticky_token, an_endpoints_tag_depends_on_secret_pool_and_id)
{
    uint64_t tag = sticky_endpoint_tag(secret, pool, SLICE_LIT("10.0.0.1:80"));

    cr_expect_eq(tag, sticky_endpoint_tag(secret, pool, SLICE_LIT("10.0.0.1:80")));
    cr_expect_neq(tag, sticky_endpoint_tag(secret, pool, SLICE_LIT("10.0.0.2:80")));
    cr_expect_neq(tag, sticky_endpoint_tag(secret, SLICE_LIT("other"), SLICE_LIT("10.0.0.1:80")));
    cr_expect_neq(tag,
                  sticky_endpoint_tag(slice_from(secret.p, 16), pool, SLICE_LIT("10.0.0.1:80")));
    /* Where the pool's name ends matters. */
    cr_expect_neq(sticky_endpoint_tag(secret, SLICE_LIT("ab"), SLICE_LIT("c")),
                  sticky_endpoint_tag(secret, SLICE_LIT("a"), SLICE_LIT("bc")));
    cr_expect_neq(tag, 0);
}
