/* See etcd_token.h. */
#include "discovery/etcd_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/secret.h"
#include "discovery/etcd_ask.h"

void etcd_token_init(struct etcd_token *token, const char *user, const char *password_file)
{
    *token = (struct etcd_token){.user = user, .password_file = password_file};
}

void etcd_token_fini(struct etcd_token *token)
{
    etcd_token_forget(token);
}

bool etcd_token_is_due(const struct etcd_token *token)
{
    return token->user[0] != '\0' && !token->text && !token->unwanted;
}

char *etcd_token_ask(const struct etcd_token *token, char **ret_why)
{
    struct secret password;
    char *body = NULL;

    if (secret_init(&password, token->password_file, ret_why) == 0) {
        body = etcd_ask_token(token->user, secret_slice(&password));
        if (!body)
            *ret_why =
                xasprintf("password file \"%s\": the password is not UTF-8", token->password_file);
    }
    secret_fini(&password);
    return body;
}

static bool complains_of(const struct fetch *fetch, const char *words)
{
    const char *message = json_string_value(json_object_get(fetch->json, "message"));

    if (!message)
        message = json_string_value(json_object_get(fetch->json, "error"));
    return message && strstr(message, words);
}

bool etcd_token_take(struct etcd_token *token, const struct fetch *login, char why[ETCD_WHY_BYTES])
{
    const char *text = json_string_value(json_object_get(login->json, "token"));
    char problem[FETCH_WHY_BYTES];

    token->fresh = login->status == 200 && text;
    token->unwanted = complains_of(login, "authentication is not enabled");
    if (token->fresh)
        token->text = xstrdup(text);
    else if (login->status == 200 && login->json)
        snprintf(why, ETCD_WHY_BYTES, "authentication: the answer holds no token");
    else
        snprintf(why, ETCD_WHY_BYTES, "authentication: %.180s",
                 fetch_problem(login, problem, sizeof(problem)));
    return token->fresh || token->unwanted;
}

void etcd_token_prove(struct etcd_token *token)
{
    token->fresh = false;
}

/* It has expired, or authentication was turned on: etcd says so in several ways. */
bool etcd_token_is_refused(const struct etcd_token *token, const struct fetch *fetch)
{
    if (token->user[0] == '\0' || token->fresh)
        return false;
    return fetch->status == 401 || complains_of(fetch, "invalid auth token") ||
           complains_of(fetch, "user name is empty") || complains_of(fetch, "auth store is old");
}

void etcd_token_forget(struct etcd_token *token)
{
    free(token->text);
    token->text = NULL;
    token->fresh = token->unwanted = false;
}

void etcd_token_doubt(struct etcd_token *token)
{
    if (token->fresh || token->unwanted)
        etcd_token_forget(token);
}
