/* See pg_login.h. */
#include "checks/pg_login.h"

#include <inttypes.h>
#include <stdio.h>

#define MECHANISM "SCRAM-SHA-256"

enum pg_authentication { /* codes of message 'R' */
                         PG_AUTH_OK = 0,
                         PG_AUTH_PLAIN = 3,
                         PG_AUTH_MD5 = 5,
                         PG_AUTH_SASL = 10,
                         PG_AUTH_SASL_CONTINUE = 11,
                         PG_AUTH_SASL_FINAL = 12,
};

enum { MD5_SALT_BYTES = 4 };

static enum pg_login_step give_up(char *why, const char *reason)
{
    snprintf(why, PG_LOGIN_WHY_BYTES, "%s", reason);
    return PG_LOGIN_GIVE_UP;
}

static enum pg_login_step answer_md5(struct pg_login *login, struct slice salt, struct pg_out *out,
                                     char *why)
{
    if (salt.n != MD5_SALT_BYTES)
        return give_up(why, "does not speak PostgreSQL: an MD5 salt of the wrong size");
    if (pg_out_md5_password(out, login->user, login->password, salt) != 0)
        return give_up(why, "asks for an MD5 password, which this machine's OpenSSL refuses");
    return PG_LOGIN_SEND;
}

/* `mechanisms`: texts, ended by an empty one. */
static enum pg_login_step begin_sasl(struct pg_login *login, struct slice mechanisms,
                                     struct pg_out *out, char *why)
{
    char nonce[SCRAM_NONCE_BYTES];
    struct slice name;

    while (pg_take_text(&mechanisms, &name) == 0 && name.n > 0) {
        if (!slice_eq(name, SLICE_LIT(MECHANISM)))
            continue;
        login->proof = PG_PROOF_DUE;
        scram_nonce(nonce);
        pg_out_sasl_first(out, MECHANISM, scram_first(&login->scram, "", nonce));
        return PG_LOGIN_SEND;
    }
    return give_up(why, "offers no way to log in that evergate knows (" MECHANISM " is one)");
}

static enum pg_login_step go_on_sasl(struct pg_login *login, struct slice message,
                                     struct pg_out *out, char *why)
{
    char answer[SCRAM_MESSAGE_BYTES];
    struct slice data;

    if (login->proof != PG_PROOF_DUE ||
        scram_final(&login->scram, message, login->password, login->keys, answer, &data) != 0)
        return give_up(why, "answers the login with malformed or excessive SCRAM");
    pg_out_sasl_next(out, data);
    return PG_LOGIN_SEND;
}

/* RFC 5802 section 5: a server that cannot prove that it knows the password, or does not care to,
 * is not the one that was meant. */
static enum pg_login_step finish(struct pg_login *login, char *why)
{
    return login->proof == PG_PROOF_DUE
               ? give_up(why, "does not prove that it knows the password itself")
               : PG_LOGIN_WAIT;
}

static enum pg_login_step answer_with_password(struct pg_login *login, uint32_t code,
                                               struct slice body, struct pg_out *out, char *why)
{
    if (login->password.n == 0)
        return give_up(why, "asks for a password and none is configured (password_file)");
    switch (code) {
    case PG_AUTH_PLAIN:
        pg_out_password(out, login->password);
        return PG_LOGIN_SEND;
    case PG_AUTH_MD5:
        return answer_md5(login, body, out, why);
    case PG_AUTH_SASL:
        return begin_sasl(login, body, out, why);
    case PG_AUTH_SASL_CONTINUE:
        return go_on_sasl(login, body, out, why);
    default:
        snprintf(why, PG_LOGIN_WHY_BYTES,
                 "wants a login of kind %" PRIu32 ", which evergate does not know", code);
        return PG_LOGIN_GIVE_UP;
    }
}

enum pg_login_step pg_login_answer(struct pg_login *login, struct slice body, struct pg_out *out,
                                   char *why)
{
    uint32_t code;

    if (pg_take_u32(&body, &code) != 0)
        return give_up(why, "does not speak PostgreSQL: a login without a kind");
    if (code == PG_AUTH_OK)
        return finish(login, why);
    if (code != PG_AUTH_SASL_FINAL)
        return answer_with_password(login, code, body, out, why);
    if (login->proof == PG_PROOF_DUE && scram_verify(&login->scram, body))
        login->proof = PG_PROOF_GIVEN;
    return finish(login, why);
}
