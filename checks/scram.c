/* See scram.h. */
#include "checks/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "base/check.h"

/* What the client's first message begins with: no channel binding, no other identity. In base64 it
 * is what c= repeats. */
#define GS2_HEADER        "n,,"
#define GS2_HEADER_BASE64 "biws"

enum { NONCE_RANDOM_BYTES = 18, PROOF_BASE64_BYTES = 45 };

struct server_first { /* the server's first message, taken apart */
    struct slice nonce;
    uint8_t salt[SCRAM_SALT_BYTES];
    size_t salt_size;
    unsigned iterations;
};

void scram_nonce(char *out)
{
    unsigned char random[NONCE_RANDOM_BYTES];

    CHECK(RAND_bytes(random, sizeof(random)) == 1);
    EVP_EncodeBlock((unsigned char *)out, random, sizeof(random)); /* base64 has no comma */
}

struct slice scram_first(struct scram *scram, const char *user, const char *nonce)
{
    snprintf(scram->nonce, sizeof(scram->nonce), "%s", nonce);
    int n = snprintf(scram->first, sizeof(scram->first), GS2_HEADER "n=%s,r=%s", user, nonce);
    CHECK(n > 0 && (size_t)n < sizeof(scram->first));
    return slice_str(scram->first);
}

/* ---- the server's first message ----------------------------------------------------------- */

/* The value of the attribute "NAME=" at the front of *rest, which must be there, and the comma
 * behind it. */
static bool take_attribute(struct slice *rest, char name, struct slice *ret_value)
{
    if (rest->n < 2 || rest->p[0] != name || rest->p[1] != '=')
        return false;
    const char *value = rest->p + 2, *end = rest->p + rest->n;
    const char *comma = memchr(value, ',', (size_t)(end - value));

    *ret_value = slice_from(value, (size_t)((comma ? comma : end) - value));
    *rest = comma ? slice_from(comma + 1, (size_t)(end - comma - 1)) : slice_from(end, 0);
    return true;
}

/* Base64 with its padding; false when it is none or does not fit. */
static bool decode_base64(struct slice text, uint8_t *out, size_t capacity, size_t *ret_size)
{
    unsigned char buffer[SCRAM_MESSAGE_BYTES];
    size_t padding = 0;

    if (text.n == 0 || text.n % 4 != 0 || text.n > sizeof(buffer))
        return false;
    int n = EVP_DecodeBlock(buffer, (const unsigned char *)text.p, (int)text.n);
    while (padding < 2 && text.p[text.n - 1 - padding] == '=')
        padding++;
    if (n < (int)padding || (size_t)n - padding > capacity)
        return false;
    *ret_size = (size_t)n - padding; /* OpenSSL counts the padding as zeros */
    memcpy(out, buffer, *ret_size);
    return true;
}

static bool parse_server_first(const struct scram *scram, struct slice message,
                               struct server_first *ret)
{
    struct slice salt, iterations, ours = slice_str(scram->nonce);
    unsigned long long count;

    if (!take_attribute(&message, 'r', &ret->nonce) || !take_attribute(&message, 's', &salt) ||
        !take_attribute(&message, 'i', &iterations))
        return false;
    if (!slice_starts_with(ret->nonce, ours) || ret->nonce.n == ours.n)
        return false; /* RFC 5802 section 5.1: it must continue ours */
    if (!decode_base64(salt, ret->salt, sizeof(ret->salt), &ret->salt_size) || ret->salt_size == 0)
        return false;
    if (!slice_to_u64(iterations, &count) || count == 0 || count > SCRAM_MAX_ITERATIONS)
        return false;
    ret->iterations = (unsigned)count;
    return true;
}

/* ---- keys --------------------------------------------------------------------------------- */

static void hmac(uint8_t *out, const uint8_t *key, struct slice text)
{
    unsigned size = SCRAM_KEY_BYTES;

    CHECK(HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, (const unsigned char *)text.p, text.n, out,
               &size) != NULL);
}

static void sha256(uint8_t *out, const void *p, size_t n)
{
    CHECK(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1);
}

static bool keys_fit(const struct scram_keys *keys, const struct server_first *first,
                     const uint8_t *password_hash)
{
    return keys->iterations == first->iterations && keys->salt_size == first->salt_size &&
           memcmp(keys->salt, first->salt, first->salt_size) == 0 &&
           CRYPTO_memcmp(keys->password_hash, password_hash, SCRAM_KEY_BYTES) == 0;
}

static void derive_keys(struct scram_keys *keys, const struct server_first *first,
                        struct slice password)
{
    uint8_t hash[SCRAM_KEY_BYTES], salted[SCRAM_KEY_BYTES];

    sha256(hash, password.p, password.n);
    if (keys_fit(keys, first, hash))
        return;
    CHECK(PKCS5_PBKDF2_HMAC(password.p, (int)password.n, first->salt, (int)first->salt_size,
                            (int)first->iterations, EVP_sha256(), sizeof(salted), salted) == 1);
    hmac(keys->client, salted, SLICE_LIT("Client Key"));
    hmac(keys->server, salted, SLICE_LIT("Server Key"));
    memcpy(keys->salt, first->salt, first->salt_size);
    keys->salt_size = first->salt_size;
    keys->iterations = first->iterations;
    memcpy(keys->password_hash, hash, sizeof(hash));
    OPENSSL_cleanse(salted, sizeof(salted));
}

/* ---- the answer --------------------------------------------------------------------------- */

/* ClientProof of RFC 5802 section 3, in base64 into `out` (PROOF_BASE64_BYTES). */
static void write_proof(char *out, const struct scram_keys *keys, struct slice auth_message)
{
    uint8_t stored[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES];

    sha256(stored, keys->client, sizeof(keys->client));
    hmac(proof, stored, auth_message);
    for (unsigned i = 0; i < sizeof(proof); i++)
        proof[i] ^= keys->client[i];
    EVP_EncodeBlock((unsigned char *)out, proof, sizeof(proof));
}

int scram_final(struct scram *scram, struct slice server_first, struct slice password,
                struct scram_keys *keys, char *out, struct slice *ret_message)
{
    char auth_message[3 * SCRAM_MESSAGE_BYTES], proof[PROOF_BASE64_BYTES];
    struct server_first first;

    if (!parse_server_first(scram, server_first, &first))
        return EG_E_UPSTREAM_PROTOCOL;
    int n = snprintf(out, SCRAM_MESSAGE_BYTES, "c=" GS2_HEADER_BASE64 ",r=%.*s",
                     SLICE_FMT(first.nonce));
    int size = snprintf(auth_message, sizeof(auth_message), "%s,%.*s,%s",
                        scram->first + strlen(GS2_HEADER), SLICE_FMT(server_first), out);
    if ((size_t)n + sizeof(proof) + 3 > SCRAM_MESSAGE_BYTES || (size_t)size >= sizeof(auth_message))
        return EG_E_UPSTREAM_PROTOCOL; /* a nonce of unreasonable length */
    derive_keys(keys, &first, password);
    write_proof(proof, keys, slice_from(auth_message, (size_t)size));
    hmac(scram->server_signature, keys->server, slice_from(auth_message, (size_t)size));
    n += snprintf(out + n, SCRAM_MESSAGE_BYTES - (size_t)n, ",p=%s", proof);
    *ret_message = slice_from(out, (size_t)n);
    return 0;
}

bool scram_verify(const struct scram *scram, struct slice server_final)
{
    uint8_t signature[SCRAM_KEY_BYTES];
    struct slice value;
    size_t size;

    return take_attribute(&server_final, 'v', &value) &&
           decode_base64(value, signature, sizeof(signature), &size) && size == sizeof(signature) &&
           CRYPTO_memcmp(signature, scram->server_signature, size) == 0;
}
