/* See consul_query.h. */
#include "discovery/consul_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* ---- targets ---- */

/* RFC 3986 section 2.3: everything but unreserved characters is written as %XX. */
static void put_encoded(FILE *out, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";

    for (const char *p = text; *p != '\0'; p++) {
        if (strchr(unreserved, *p) != NULL)
            fputc(*p, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*p);
    }
}

static void put_parameter(FILE *out, char *separator, const char *name, const char *value)
{
    fprintf(out, "%c%s=", *separator, name);
    put_encoded(out, value);
    *separator = '&';
}

/* Go's durations have milliseconds too ("1500ms"), so that any of ours can be said. */
static void put_wait(FILE *out, char *separator, uint64_t index, uint64_t wait_ms)
{
    fprintf(out, "%cindex=%" PRIu64 "&wait=%" PRIu64 "ms", *separator, index, wait_ms);
    *separator = '&';
}

char *consul_query_health(const struct config_discovery *config, uint64_t index)
{
    char *target = NULL, separator = '?';
    size_t size;
    FILE *out = open_memstream(&target, &size);

    CHECK(out != NULL);
    fputs("/v1/health/service/", out);
    put_encoded(out, config->service);
    if (index > 0)
        put_wait(out, &separator, index, config->wait_ms);
    if (config->datacenter[0] != '\0')
        put_parameter(out, &separator, "dc", config->datacenter);
    for (const char **tag = config->service_tags; tag != NULL && *tag != NULL; tag++)
        put_parameter(out, &separator, "tag", *tag);
    CHECK(fclose(out) == 0);
    return target;
}

char *consul_query_segment(const char *prefix, const char *id, const char *suffix)
{
    char *target = NULL;
    size_t size;
    FILE *out = open_memstream(&target, &size);

    CHECK(out != NULL);
    fputs(prefix, out);
    put_encoded(out, id);
    fputs(suffix, out);
    CHECK(fclose(out) == 0);
    return target;
}

/* ---- the token ---- */

enum { TOKEN_TELLING_BYTES = 4 }; /* fewer of them may stand anywhere by chance */

void consul_token_init(struct consul_token *token, const struct config_discovery *config)
{
    char *why = NULL;

    *token = (struct consul_token){.fixed = config->token, .from_file = config->token_file != NULL};
    if (secret_init(&token->secret, config->token_file, &why) != 0)
        free(why); /* the file may come; until then consul_token_read says what is missing */
}

void consul_token_fini(struct consul_token *token)
{
    secret_fini(&token->secret);
}

/* What it is while it stands in a header: nothing that ends the field. */
static bool token_is_sendable(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
            return false;
    }
    return text.n > 0;
}

static struct slice token_text(const struct consul_token *token)
{
    return token->from_file ? secret_slice(&token->secret) : slice_str(token->fixed);
}

int consul_token_read(struct consul_token *token, struct http_header_edit *ret_header,
                      size_t *ret_count, char **ret_why)
{
    struct slice text;

    secret_refresh(&token->secret);
    text = token_text(token);
    if (text.n == 0 && !token->from_file) {
        *ret_count = 0;
        return 0;
    }
    if (!token_is_sendable(text)) {
        *ret_why = token->from_file
                       ? xasprintf("token_file \"%s\" cannot be read, or holds no token",
                                   token->secret.path)
                       : xstrdup("token: what it says is none");
        return EG_E_INTERNAL;
    }
    *ret_header = (struct http_header_edit){SLICE_LIT("X-Consul-Token"), text};
    *ret_count = 1;
    return 0;
}

/* The quote may have been cut within it. */
static void redact_end(char *text, struct slice secret)
{
    size_t n = strlen(text), cut = secret.n;

    if (n > 0 && text[n - 1] == '"')
        n--;
    while (--cut >= TOKEN_TELLING_BYTES) {
        if (cut > n || memcmp(text + n - cut, secret.p, cut) != 0)
            continue;
        memset(text + n - cut, '*', cut);
        return;
    }
}

void consul_token_redact(const struct consul_token *token, char *text)
{
    struct slice secret = token_text(token);
    char *found = text;

    if (secret.n == 0)
        return;
    while ((found = memmem(found, strlen(found), secret.p, secret.n)) != NULL)
        memset(found, '*', secret.n);
    redact_end(text, secret);
}
