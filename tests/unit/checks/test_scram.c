#include <criterion/criterion.h>
#include <string.h>

#include "checks/scram.h"

/* RFC 7677 section 3. */
static const char *const nonce = "rOprNGfwEbeRWgbNEkqO";
static const char *const server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char *const server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static int answer(struct scram *scram, const char *message, struct scram_keys *keys, char *out)
{
    struct slice ret;

    scram_first(scram, "user", nonce);
    return scram_final(scram, slice_str(message), SLICE_LIT("pencil"), keys, out, &ret);
}

Test(scram, the_example_of_the_rfc_comes_out)
{
    struct scram scram;
    struct scram_keys keys = {0};
    char out[SCRAM_MESSAGE_BYTES];

    cr_assert_str_eq(scram_first(&scram, "user", nonce).p, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    cr_assert_eq(answer(&scram, server_first, &keys, out), 0);
    cr_expect_str_eq(out, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    cr_expect(scram_verify(&scram, slice_str(server_final)));
}

Test(scram, a_server_that_does_not_know_the_password_is_found_out)
{
    struct scram scram;
    struct scram_keys keys = {0};
    char out[SCRAM_MESSAGE_BYTES];

    cr_assert_eq(answer(&scram, server_first, &keys, out), 0);
    cr_expect_not(
        scram_verify(&scram, SLICE_LIT("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
    cr_expect_not(scram_verify(&scram, SLICE_LIT("e=other-error")));
    cr_expect_not(scram_verify(&scram, SLICE_LIT("v=")));
    cr_expect_not(scram_verify(&scram, SLICE_LIT("")));
}

Test(scram, remembered_keys_are_used_for_the_same_salt_and_password_only)
{
    struct scram scram;
    struct scram_keys keys = {0}, before;
    char first[SCRAM_MESSAGE_BYTES], again[SCRAM_MESSAGE_BYTES];

    cr_assert_eq(answer(&scram, server_first, &keys, first), 0);
    before = keys;
    cr_assert_eq(answer(&scram, server_first, &keys, again), 0);
    cr_expect_str_eq(first, again);
    cr_expect_arr_eq(keys.client, before.client, sizeof(keys.client));
    cr_expect_arr_eq(keys.password_hash, before.password_hash, sizeof(keys.password_hash));

    struct slice ret;
    cr_assert_eq(
        scram_final(&scram, slice_str(server_first), SLICE_LIT("pencil2"), &keys, again, &ret), 0);
    cr_expect_neq(memcmp(keys.client, before.client, sizeof(keys.client)), 0);
}

Test(scram, malformed_and_excessive_answers_are_refused)
{
    static const char *const messages[] = {
        "",
        "r=rOprNGfwEbeRWgbNEkqO",                                /* nothing of the server's own */
        "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", /* likewise */
        "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z*J0=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    };
    struct scram scram;
    struct scram_keys keys = {0};
    char out[SCRAM_MESSAGE_BYTES];

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        cr_expect_eq(answer(&scram, messages[i], &keys, out), EG_E_UPSTREAM_PROTOCOL, "%s",
                     messages[i]);
}

Test(scram, a_nonce_of_absurd_length_is_refused)
{
    char message[2 * SCRAM_MESSAGE_BYTES];
    struct scram scram;
    struct scram_keys keys = {0};
    char out[SCRAM_MESSAGE_BYTES];

    memset(message, 'x', sizeof(message));
    memcpy(message, "r=rOprNGfwEbeRWgbNEkqO", 22);
    memcpy(message + sizeof(message) - 40, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", 32);
    cr_expect_eq(answer(&scram, message, &keys, out), EG_E_UPSTREAM_PROTOCOL);
}

Test(scram, nonces_are_printable_and_differ)
{
    char a[SCRAM_NONCE_BYTES], b[SCRAM_NONCE_BYTES];

    scram_nonce(a);
    scram_nonce(b);
    cr_expect_str_neq(a, b);
    cr_expect_eq(strlen(a), 24);
    cr_expect_null(strchr(a, ','));
}
