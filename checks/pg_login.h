/*
 * Logging in to a PostgreSQL server: what its wishes (message 'R') are answered with. Pure but for
 * the nonce. Passwords go plain, as MD5 or by SCRAM-SHA-256, as the server likes.
 */
#ifndef EVERGATE_CHECKS_PG_LOGIN_H
#define EVERGATE_CHECKS_PG_LOGIN_H

#include "checks/pg_wire.h"
#include "checks/scram.h"

enum { PG_LOGIN_WHY_BYTES = 128 };

struct pg_login { /* zeroed, then the first three */
    const char *user;
    struct slice password;   /* n 0: none; valid during the next call */
    struct scram_keys *keys; /* remembered across logins */
    struct scram scram;
    enum pg_login_proof {
        PG_PROOF_NOT_DUE, /* the server need not show that it knows the password */
        PG_PROOF_DUE,
        PG_PROOF_GIVEN,
    } proof;
};

enum pg_login_step {
    PG_LOGIN_SEND,    /* what is in *out */
    PG_LOGIN_WAIT,    /* nothing to say; the server goes on */
    PG_LOGIN_GIVE_UP, /* for the reason in `why` */
};

/* `body` of a message 'R'; `why` has PG_LOGIN_WHY_BYTES. */
enum pg_login_step pg_login_answer(struct pg_login *login, struct slice body, struct pg_out *out,
                                   char *why);

#endif
