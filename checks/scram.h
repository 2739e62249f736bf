/*
 * SCRAM-SHA-256, the client's side (RFC 5802, RFC 7677), without channel binding. Pure.
 *
 *   scram_first  ─► "n,,n=USER,r=NONCE"
 *                ◄─ "r=NONCE+THEIRS,s=SALT,i=4096"
 *   scram_final  ─► "c=biws,r=NONCE+THEIRS,p=PROOF"
 *                ◄─ "v=SIGNATURE"            scram_verify: the server knows the password too
 *
 * The password is used as its bytes are: PostgreSQL normalises with SASLprep, which changes nothing
 * about ASCII.
 *
 * Deriving the keys costs thousands of hashes by design. A check that logs in every few seconds
 * would spend more on that than on everything else, so they are remembered (struct scram_keys) as
 * long as the server names the same salt and the password is the same.
 */
#ifndef EVERGATE_CHECKS_SCRAM_H
#define EVERGATE_CHECKS_SCRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum {
    SCRAM_KEY_BYTES = 32,
    SCRAM_SALT_BYTES = 64,
    SCRAM_MESSAGE_BYTES = 512,
    SCRAM_NONCE_BYTES = 64,        /* text, with its NUL */
    SCRAM_MAX_ITERATIONS = 100000, /* about 20 ms; more would hold up the other checks */
};

struct scram_keys { /* zeroed: none known */
    unsigned iterations;
    size_t salt_size;
    uint8_t salt[SCRAM_SALT_BYTES];
    uint8_t password_hash[SCRAM_KEY_BYTES]; /* whose keys these are */
    uint8_t client[SCRAM_KEY_BYTES], server[SCRAM_KEY_BYTES];
};

struct scram {
    char first[SCRAM_MESSAGE_BYTES];
    char nonce[SCRAM_NONCE_BYTES];
    uint8_t server_signature[SCRAM_KEY_BYTES];
};

/* A random nonce into `out` (SCRAM_NONCE_BYTES). */
void scram_nonce(char *out);

/* `user` may be "" (PostgreSQL takes it from the startup message). The client's first message,
 * valid as long as `scram`. */
struct slice scram_first(struct scram *scram, const char *user, const char *nonce);

/* Answers the server's first message into `out` (SCRAM_MESSAGE_BYTES). 0, or
 * EG_E_UPSTREAM_PROTOCOL when the message is wrong or asks for too much work. */
int scram_final(struct scram *scram, struct slice server_first, struct slice password,
                struct scram_keys *keys, char *out, struct slice *ret_message) WARN_UNUSED;

bool scram_verify(const struct scram *scram, struct slice server_final);

#endif
