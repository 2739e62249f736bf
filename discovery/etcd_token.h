/*
 * The token that etcd wants from who logs in, and when another one is due. It takes answers and
 * writes what is to be asked; the asking is the provider's.
 */
#ifndef EVERGATE_DISCOVERY_ETCD_TOKEN_H
#define EVERGATE_DISCOVERY_ETCD_TOKEN_H

#include <stdbool.h>

#include "discovery/etcd_value.h"
#include "discovery/fetch.h"

struct etcd_token {
    const char *user, *password_file; /* the configuration's; "": nobody logs in */
    char *text;                       /* heap; NULL: none */
    bool fresh;                       /* nothing was answered with it yet */
    bool unwanted;                    /* etcd says that it has no authentication */
};

void etcd_token_init(struct etcd_token *token, const char *user, const char *password_file);
void etcd_token_fini(struct etcd_token *token);

/* Before anything else is asked, somebody has to log in. */
bool etcd_token_is_due(const struct etcd_token *token);
/* What /v3/auth/authenticate is asked, heap; or NULL and a sentence in *ret_why (heap). The file is
 * read each time, so that a password that was changed on both sides needs no reload. */
char *etcd_token_ask(const struct etcd_token *token, char **ret_why);
/* Its answer. False: it gives no token, and `why` says what it gives. */
bool etcd_token_take(struct etcd_token *token, const struct fetch *login, char why[ETCD_WHY_BYTES]);

/* Something was answered with it: it is good. */
void etcd_token_prove(struct etcd_token *token);
/* Is this refusal the token's fault, so that another one may help? */
bool etcd_token_is_refused(const struct etcd_token *token, const struct fetch *fetch);
void etcd_token_forget(struct etcd_token *token);
/* Something failed: a token that was never good for anything is no better the next time, and
 * authentication may be turned on meanwhile. */
void etcd_token_doubt(struct etcd_token *token);

#endif
