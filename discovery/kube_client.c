/* See kube_client.h. */
#include "discovery/kube_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/slice.h"

enum {
    /* How long a server is to go on with a watch, and not all of them for as long. */
    WATCH_SECONDS = 240,
    WATCH_JITTER_SECONDS = 60,
    WATCH_MARGIN_MS = 2 * 1000,
    /* API servers send a bookmark every minute or so. No interval is promised, and so silence for
     * longer is no failure, only a reason to begin anew from the same version. */
    SILENCE_MS = 90 * 1000,
    ANSWER_MS = 30 * 1000,
    PAUSE_LONGEST_S = 60,
};

/* For tests: how many seconds a watch lasts. */
static const char watch_seconds_variable[] = "EVERGATE_KUBERNETES_WATCH_SECONDS";

/* ---- life ---- */

void kube_client_init(struct kube_client *client, const struct discovery_context *context)
{
    *client = (struct kube_client){
        .loop = context->loop,
        .resolver = context->resolver,
        .config = context->config,
    };
}

void kube_client_stop(struct kube_client *client)
{
    fetch_server_free(&client->server);
}

void kube_client_fini(struct kube_client *client)
{
    kube_account_free(client->account);
    client->account = NULL;
    free(client->unread);
    client->unread = NULL;
}

/* ---- whom to ask, and as whom ---- */

static struct kube_scope scope_of(const struct kube_client *client)
{
    const char *namespace = client->config->namespace;

    return (struct kube_scope){
        .path = client->account->path,
        .namespace = namespace[0] ? namespace : client->account->namespace,
        .service = client->config->service,
    };
}

static bool asks_the_same(const struct kube_account *a, const struct kube_account *b)
{
    return strcmp(a->server, b->server) == 0 && strcmp(a->namespace, b->namespace) == 0;
}

static void take_account(struct kube_client *client, struct kube_account *account)
{
    const struct config_pool_tls tls = {.sni = account->server_name, .verify = account->verify};
    const char *const addresses[] = {account->address, NULL};
    const struct fetch_server_params params = {
        .addresses = addresses,
        .tls = account->tls ? &tls : NULL,
        .host = account->host,
        .ca_pem = account->ca_pem,
        .cert_pem = account->cert_pem,
        .key_pem = account->key_pem,
    };

    kube_account_free(client->account);
    client->account = account;
    fetch_server_free(&client->server);
    client->server = fetch_server_new(client->loop, client->resolver, &params);
}

int kube_client_open(struct kube_client *client, bool *ret_moved, char **ret_why)
{
    const struct config_discovery *config = client->config;
    struct kube_account *account;

    *ret_moved = false;
    if (client->account && !client->renew && !kube_account_is_stale(client->account))
        return EG_OK;
    client->renew = false;
    free(client->unread);
    client->unread = NULL;
    if (kube_account_open(&account, config->kubeconfig, config->context, ret_why) == EG_OK) {
        *ret_moved = client->account && !asks_the_same(client->account, account);
        take_account(client, account);
        return EG_OK;
    }
    if (!client->account)
        return EG_E_INTERNAL;
    client->unread = *ret_why;
    *ret_why = NULL;
    return EG_OK;
}

/* ---- requests ---- */

static struct fetch *start(struct kube_client *client, struct fetch_request *request,
                           const struct fetch_ops *ops, void *arg)
{
    const char *authorization = client->account->authorization;
    const struct http_header_edit headers[] = {
        {SLICE_LIT("Accept"), SLICE_LIT("application/json")},
        {SLICE_LIT("Authorization"), slice_str(authorization)},
    };

    request->method = "GET";
    request->headers = headers;
    request->header_count = authorization ? 2 : 1;
    request->answer_ms = ANSWER_MS;
    request->max_bytes = client->config->max_bytes;
    request->wanted_header = "Retry-After";
    return fetch_start(client->server, request, ops, arg);
}

struct fetch *kube_client_list(struct kube_client *client, const char *page,
                               const struct fetch_ops *ops, void *arg)
{
    const struct kube_scope scope = scope_of(client);
    char *target = kube_list_target(&scope, page);
    struct fetch_request request = {.target = target};
    struct fetch *fetch = start(client, &request, ops, arg);

    free(target);
    return fetch;
}

static unsigned watch_seconds(void)
{
    const char *text = getenv(watch_seconds_variable);
    unsigned long long seconds;
    unsigned jitter = 0;

    if (text && slice_to_u64(slice_str(text), &seconds) && seconds > 0 && seconds <= 3600)
        return (unsigned)seconds;
    if (getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK) != sizeof(jitter))
        jitter = 0;
    return WATCH_SECONDS + jitter % (WATCH_JITTER_SECONDS + 1);
}

/* The server ends a watch by itself: one that is silent for longer than that is half open. Most are
 * found out by then, for want of bookmarks. */
static uint64_t silence_ms(unsigned seconds)
{
    uint64_t whole_ms = (uint64_t)seconds * 1000 + WATCH_MARGIN_MS;

    return whole_ms < SILENCE_MS ? whole_ms : SILENCE_MS;
}

struct fetch *kube_client_watch(struct kube_client *client, const char *version,
                                const struct fetch_ops *ops, void *arg)
{
    const struct kube_scope scope = scope_of(client);
    unsigned seconds = watch_seconds();
    char *target = kube_watch_target(&scope, version, seconds);
    struct fetch_request request = {
        .target = target,
        .lines = true,
        .idle_ms = silence_ms(seconds),
    };
    struct fetch *fetch = start(client, &request, ops, arg);

    free(target);
    return fetch;
}

/* ---- refusals ---- */

const char *kube_client_problem(const struct kube_client *client, char out[KUBE_PROBLEM_BYTES],
                                const char *verb, int status, const json_t *body)
{
    const struct kube_scope scope = scope_of(client);
    const struct kube_asker asker = {
        .verb = verb,
        .scope = &scope,
        .in_cluster = client->account->in_cluster,
        .withheld = client->account->withheld,
        .unread = client->unread,
    };

    return kube_problem(out, status, body, &asker);
}

/* RFC 9110 section 10.2.3; Kubernetes says it in seconds. */
uint64_t kube_client_pause_ms(const struct fetch *fetch)
{
    unsigned long long seconds;

    if ((fetch->status != 429 && fetch->status != 503) ||
        !slice_to_u64(slice_str(fetch->header), &seconds))
        return 0;
    return (seconds < PAUSE_LONGEST_S ? seconds : PAUSE_LONGEST_S) * 1000;
}
