/* The sticky cookie's value: see sticky_token.h. */
#include "proxy/sticky_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

#include "base/check.h"

enum {
    VERSION = 1,
    AT_SESSION = 1,
    AT_TAG = AT_SESSION + 8,
    AT_EXPIRY = AT_TAG + 8,
    EXPIRY_BYTES = 5,
    AT_MAC = AT_EXPIRY + EXPIRY_BYTES,
    MAC_BYTES = 16,
    BINARY_BYTES = AT_MAC + MAC_BYTES,
    DIGEST_BYTES = 32,
};
_Static_assert((BINARY_BYTES * 8 + 5) / 6 == STICKY_TOKEN_BYTES, "six bits a character");

static pthread_once_t template_once = PTHREAD_ONCE_INIT;
static EVP_MAC_CTX *template; /* HMAC-SHA-256 with the digest found, to be copied */

/* A context finds its digest by name under OpenSSL's global locks: once is enough. The key here is
 * never used; OpenSSL copies no context that has none. */
static void make_template(void)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    CHECK(hmac != NULL);
    template = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    CHECK(template != NULL && EVP_MAC_init(template, (const unsigned char *)"-", 1, params) == 1);
}

static const unsigned char *bytes_of(struct slice s)
{
    return (const unsigned char *)(s.n > 0 ? s.p : "");
}

/* HMAC over the parts one after the other. */
static void hmac_parts(unsigned char out[DIGEST_BYTES], struct slice secret,
                       const struct slice *parts, unsigned count)
{
    EVP_MAC_CTX *mac;
    size_t size = 0;

    CHECK(secret.n > 0);
    pthread_once(&template_once, make_template);
    mac = EVP_MAC_CTX_dup(template);
    CHECK(mac != NULL && EVP_MAC_init(mac, bytes_of(secret), secret.n, NULL) == 1);
    for (unsigned i = 0; i < count; i++)
        CHECK(EVP_MAC_update(mac, bytes_of(parts[i]), parts[i].n) == 1);
    CHECK(EVP_MAC_final(mac, out, &size, DIGEST_BYTES) == 1 && size == DIGEST_BYTES);
    EVP_MAC_CTX_free(mac);
}

static void put_number(unsigned char *out, unsigned bytes, uint64_t value)
{
    while (bytes-- > 0) {
        out[bytes] = (unsigned char)value;
        value >>= 8;
    }
}

static uint64_t get_number(const unsigned char *p, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(char out[STICKY_TOKEN_BYTES], const unsigned char in[BINARY_BYTES])
{
    unsigned bits = 0, have = 0, at = 0;

    for (unsigned i = 0; i < BINARY_BYTES; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6)
            out[at++] = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0)
        out[at++] = alphabet[bits << (6 - have) & 63];
    CHECK(at == STICKY_TOKEN_BYTES);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Bits left over at the end must be 0 (RFC 4648 section 3.5): one token, one spelling. */
static bool decode(unsigned char out[BINARY_BYTES], struct slice text)
{
    unsigned bits = 0, have = 0, at = 0;

    if (text.n != STICKY_TOKEN_BYTES)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int value = value_of(text.p[i]);

        if (value < 0)
            return false;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[at++] = (unsigned char)(bits >> have);
        }
    }
    return (bits & ((1u << have) - 1)) == 0;
}

static void token_mac(unsigned char out[DIGEST_BYTES], struct slice secret, struct slice pool,
                      const unsigned char token[BINARY_BYTES])
{
    /* The first part has a fixed length, so the two cannot run into each other. */
    const struct slice parts[] = {slice_from((const char *)token, AT_MAC), pool};

    hmac_parts(out, secret, parts, 2);
}

void sticky_token_make(char out[STICKY_TOKEN_BYTES], struct slice secret, struct slice pool,
                       const struct sticky_token *token)
{
    unsigned char binary[BINARY_BYTES], mac[DIGEST_BYTES];

    CHECK(token->expires_s >> (EXPIRY_BYTES * 8) == 0);
    binary[0] = VERSION;
    put_number(binary + AT_SESSION, 8, token->session);
    put_number(binary + AT_TAG, 8, token->endpoint_tag);
    put_number(binary + AT_EXPIRY, EXPIRY_BYTES, token->expires_s);
    token_mac(mac, secret, pool, binary);
    memcpy(binary + AT_MAC, mac, MAC_BYTES);
    encode(out, binary);
}

bool sticky_token_read(struct slice secret, struct slice pool, struct slice value, uint64_t now_s,
                       struct sticky_token *ret_token)
{
    unsigned char binary[BINARY_BYTES], mac[DIGEST_BYTES];
    uint64_t expires_s;

    if (!decode(binary, value) || binary[0] != VERSION)
        return false;
    token_mac(mac, secret, pool, binary);
    if (CRYPTO_memcmp(mac, binary + AT_MAC, MAC_BYTES) != 0)
        return false;
    expires_s = get_number(binary + AT_EXPIRY, EXPIRY_BYTES);
    if (expires_s <= now_s)
        return false;
    *ret_token = (struct sticky_token){
        .session = get_number(binary + AT_SESSION, 8),
        .endpoint_tag = get_number(binary + AT_TAG, 8),
        .expires_s = expires_s,
    };
    return true;
}

uint64_t sticky_endpoint_tag(struct slice secret, struct slice pool, struct slice endpoint_id)
{
    unsigned char pool_length[8] = {0}, digest[DIGEST_BYTES];
    /* The label's first byte is no version, so this is never the MAC of a token. */
    const struct slice parts[] = {SLICE_LIT("endpoint"),
                                  slice_from((const char *)pool_length, sizeof(pool_length)), pool,
                                  endpoint_id};
    uint64_t tag;

    put_number(pool_length, sizeof(pool_length), pool.n);
    hmac_parts(digest, secret, parts, 4);
    tag = get_number(digest, 8);
    return tag != 0 ? tag : 1;
}
