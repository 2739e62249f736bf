/*
 * Ticket keys: how a client that comes back to another worker, or to the same one after a reload,
 * is recognised without a cache that workers would have to share.
 *
 * Generation g lives in slot g % 4. The newest generation encrypts, it and the one before decrypt.
 * Readers take no lock: they copy a key, whose words are atomic, and copy again if a rotation may
 * have begun to write that slot meanwhile (which takes three rotations, hours apart, within one
 * copy).
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "net/tls_internal.h"

enum { TICKET_SLOTS = 4 };

struct ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
};

enum { TICKET_WORDS = sizeof(struct ticket_key) / sizeof(uint64_t) };
_Static_assert(sizeof(struct ticket_key) % sizeof(uint64_t) == 0, "copied in words");
_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_BYTES, "as it is handed on");

static _Atomic uint64_t slots[TICKET_SLOTS][TICKET_WORDS];
static _Atomic unsigned generation; /* of the newest key; 0: none yet */
static pthread_mutex_t rotate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t first_key = PTHREAD_ONCE_INIT;
static EVP_CIPHER *ticket_cipher; /* fetched once: fetching takes OpenSSL's global locks */

static void publish(const struct ticket_key *key)
{
    uint64_t words[TICKET_WORDS];

    memcpy(words, key, sizeof(words));
    pthread_mutex_lock(&rotate_lock);
    unsigned next = atomic_load_explicit(&generation, memory_order_relaxed) + 1;
    for (unsigned i = 0; i < TICKET_WORDS; i++)
        atomic_store_explicit(&slots[next % TICKET_SLOTS][i], words[i], memory_order_release);
    atomic_store_explicit(&generation, next, memory_order_release);
    pthread_mutex_unlock(&rotate_lock);
    OPENSSL_cleanse(words, sizeof(words));
}

void tls_tickets_rotate(void)
{
    struct ticket_key key;

    /* From the kernel, which OpenSSL's own generator is seeded from: RAND_bytes() would bring up
     * all of libcrypto, 2 MB of it, in a proxy that may never see TLS. Up to 256 bytes come at once
     * and whole: getrandom(2). */
    CHECK(getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key));
    publish(&key);
    OPENSSL_cleanse(&key, sizeof(key));
}

/* The key of the generation `age` before the newest. False when there is none. */
static bool read_key(unsigned age, struct ticket_key *ret_key)
{
    uint64_t words[TICKET_WORDS];
    unsigned newest, after;

    do {
        newest = atomic_load_explicit(&generation, memory_order_acquire);
        if (age >= newest)
            return false;
        for (unsigned i = 0; i < TICKET_WORDS; i++)
            words[i] = atomic_load_explicit(&slots[(newest - age) % TICKET_SLOTS][i],
                                            memory_order_acquire);
        after = atomic_load_explicit(&generation, memory_order_acquire);
        /* Generation newest - age + 4 writes this slot before it is published. */
    } while (after - newest + age >= TICKET_SLOTS - 1);
    memcpy(ret_key, words, sizeof(words));
    OPENSSL_cleanse(words, sizeof(words));
    return true;
}

/* The older one first, as they are imported again. */
size_t tls_tickets_export(unsigned char out[TLS_TICKETS_BYTES])
{
    struct ticket_key key;
    size_t size = 0;

    for (unsigned age = 2; age-- > 0;) {
        if (!read_key(age, &key))
            continue;
        memcpy(out + size, &key, sizeof(key));
        size += sizeof(key);
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return size;
}

bool tls_tickets_import(const unsigned char *bytes, size_t size)
{
    struct ticket_key key;

    if (size == 0 || size > TLS_TICKETS_BYTES || size % sizeof(key) != 0)
        return false;
    for (size_t at = 0; at < size; at += sizeof(key)) {
        memcpy(&key, bytes + at, sizeof(key));
        publish(&key);
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

static void make_first_key(void)
{
    ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    CHECK(ticket_cipher != NULL);
    if (atomic_load(&generation) == 0)
        tls_tickets_rotate();
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int encrypt_ticket(unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                          EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    int result = -1;

    if (!read_key(0, &key) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher)) != 1)
        return -1;
    memcpy(name, key.name, sizeof(key.name));
    if (EVP_EncryptInit_ex2(cipher, ticket_cipher, key.cipher, iv, NULL) == 1 &&
        set_mac_key(mac, &key))
        result = 1;
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

/* 0: unknown key, a full handshake follows; 1: good; 2: good, and give the client a new one.
 * TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4), so they always need a new one. */
static int decrypt_ticket(SSL *ssl, const unsigned char *name, const unsigned char *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    int result = 0;

    for (unsigned age = 0; age < 2 && result == 0 && read_key(age, &key); age++) {
        if (memcmp(name, key.name, sizeof(key.name)) != 0)
            continue;
        result = age == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
        if (EVP_DecryptInit_ex2(cipher, ticket_cipher, key.cipher, iv, NULL) != 1 ||
            !set_mac_key(mac, &key))
            result = -1;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    return encrypt ? encrypt_ticket(name, iv, cipher, mac)
                   : decrypt_ticket(ssl, name, iv, cipher, mac);
}

void tls_tickets_attach(SSL_CTX *ctx)
{
    pthread_once(&first_key, make_first_key);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
