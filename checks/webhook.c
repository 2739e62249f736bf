/* See webhook.h. */
#include "checks/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/json.h"
#include "client/http_client.h"
#include "client/url.h"
#include "client/words.h"
#include "net/resolver.h"

struct webhook {
    unsigned refs; /* the owner's, and one per call */
    struct webhook_means *means;
    bool tls;
    char *host, *authority, *target; /* heap: the url's parts with a NUL */
    struct resolver_watch *watch;    /* NULL: the host is an address */
    struct address addresses[RESOLVER_MAX_ADDRESSES];
    size_t address_count; /* 0: not resolved yet */
    size_t next_address;
};

struct webhook_call {
    struct webhook *webhook;
    struct list node; /* in means->abandoned */
    struct http_client client;
    bool has_client;
    const char *awaits;
    webhook_done_cb done;
    void *arg;
    struct loop *loop;
    struct loop_timer timeout;
    uint64_t timeout_ms;
    struct loop_task tell, reap;
    bool concluded, succeeded;
    char text[HTTP_CLIENT_WHY_BYTES];
};

/* ---- what is told ---- */

static void put_member(FILE *out, const char *name, const char *value)
{
    struct slice text = slice_str(value);
    size_t room = text.n * JSON_ESCAPED_BYTES + 1;
    char *escaped = xmalloc(room);
    char *end = json_escape(escaped, escaped + room, text);

    CHECK(end != NULL);
    fprintf(out, "\"%s\":\"%.*s\",", name, (int)(end - escaped), escaped);
    free(escaped);
}

char *webhook_compose(const struct webhook_facts *facts)
{
    char *body = NULL;
    size_t size;
    FILE *out = open_memstream(&body, &size);

    CHECK(out != NULL);
    fputc('{', out);
    put_member(out, "pool", facts->pool);
    put_member(out, "endpoint", facts->endpoint);
    put_member(out, "address", facts->address);
    put_member(out, "status", facts->status);
    put_member(out, "reason", facts->reason);
    put_member(out, "since", facts->since);
    fprintf(out, "\"attempt\":%u}", facts->attempt);
    CHECK(fclose(out) == 0);
    return body;
}

/* ---- where to ---- */

static void on_resolved(void *arg, const struct address *addresses, size_t count,
                        const char *failure)
{
    struct webhook *webhook = arg;

    if (count == 0) /* the last good answer is kept */
        return;
    CHECK(count <= RESOLVER_MAX_ADDRESSES);
    memcpy(webhook->addresses, addresses, count * sizeof(*addresses));
    webhook->address_count = count;
}

static int find_address(struct webhook *webhook, const struct url *url, char **ret_why)
{
    struct webhook_means *means = webhook->means;
    char *text = url->is_ipv6 ? xasprintf("[%s]:%u", webhook->host, url->port)
                              : xasprintf("%s:%u", webhook->host, url->port);
    int code = address_parse(&webhook->addresses[0], slice_str(text));

    free(text);
    if (code == EG_OK)
        webhook->address_count = 1;
    if (code != EG_E_RESOLVE)
        return code;
    if (!means->resolver && resolver_new(&means->resolver, means->loop) != EG_OK) {
        *ret_why = xasprintf("there is no resolver for the webhook's name");
        return EG_E_INTERNAL;
    }
    webhook->watch =
        resolver_watch_start(means->resolver, webhook->host, url->port, on_resolved, webhook);
    return EG_OK;
}

static int need_tls(struct webhook_means *means, char **ret_why)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct tls_client_params params = {.verify = true, .alpn = alpn};

    return means->tls ? EG_OK : tls_context_new_client(&means->tls, &params, ret_why);
}

int webhook_new(struct webhook **ret_webhook, struct webhook_means *means, const char *url,
                char **ret_why)
{
    struct webhook *webhook = xcalloc(1, sizeof(*webhook));
    struct url parts;
    char *why = NULL;

    webhook->refs = 1;
    webhook->means = means;
    int code = url_parse(&parts, url);
    if (code == EG_OK) {
        webhook->host = xstrndup(parts.host.p, parts.host.n);
        webhook->authority = xstrndup(parts.authority.p, parts.authority.n);
        webhook->target = xstrndup(parts.target.p, parts.target.n);
        webhook->tls = parts.tls;
        code = find_address(webhook, &parts, &why);
    }
    if (code == EG_OK && webhook->tls)
        code = need_tls(means, &why);
    if (code == EG_OK) {
        *ret_webhook = webhook;
        return EG_OK;
    }
    *ret_why = why ? why
                   : xasprintf("webhook: \"%s\" is no URL; write \"http://HOST:PORT/PATH\", or "
                               "https",
                               url);
    webhook_free(webhook);
    return EG_E_INTERNAL;
}

void webhook_free(struct webhook *webhook)
{
    if (!webhook || --webhook->refs > 0)
        return;
    if (webhook->watch)
        resolver_watch_stop(&webhook->watch);
    free(webhook->host);
    free(webhook->authority);
    free(webhook->target);
    free(webhook);
}

void webhook_means_init(struct webhook_means *means, struct loop *loop)
{
    *means = (struct webhook_means){.loop = loop};
    list_init(&means->abandoned);
}

void webhook_means_stop(struct webhook_means *means)
{
    while (!list_empty(&means->abandoned)) {
        struct webhook_call *call = container_of(means->abandoned.next, struct webhook_call, node);

        webhook_cancel(&call);
    }
}

void webhook_means_fini(struct webhook_means *means)
{
    resolver_free(means->resolver);
    tls_context_free(means->tls);
    means->resolver = NULL;
    means->tls = NULL;
}

/* ---- one call ---- */

static void call_on_reap(struct loop_task *task)
{
    struct webhook_call *call = container_of(task, struct webhook_call, reap);

    if (call->has_client)
        http_client_fini(&call->client);
    webhook_free(call->webhook);
    free(call);
}

static void call_on_tell(struct loop_task *task)
{
    struct webhook_call *call = container_of(task, struct webhook_call, tell);

    list_remove(&call->node);
    loop_reap(call->loop, &call->reap);
    if (call->done)
        call->done(call->arg, call->succeeded, call->text);
}

static void call_stop(struct webhook_call *call)
{
    call->concluded = true;
    loop_timer_cancel(&call->timeout);
    if (call->has_client)
        http_client_stop(&call->client);
}

static void call_conclude(struct webhook_call *call, bool succeeded)
{
    call->succeeded = succeeded;
    call_stop(call);
    loop_soon(call->loop, &call->tell);
}

static void call_on_done(struct http_client *client)
{
    struct webhook_call *call = container_of(client, struct webhook_call, client);

    if (client->status == 0)
        snprintf(call->text, sizeof(call->text), "%s", client->why);
    else
        snprintf(call->text, sizeof(call->text), "status %d", client->status);
    call_conclude(call, client->status >= 200 && client->status < 300);
}

static void call_on_timeout(struct loop_timer *timer)
{
    struct webhook_call *call = container_of(timer, struct webhook_call, timeout);
    char span[WORDS_SPAN_BYTES];

    snprintf(call->text, sizeof(call->text), "no %s within %s", call->awaits,
             words_span(span, call->timeout_ms));
    call_conclude(call, false);
}

static void call_begin(struct webhook_call *call, const char *body)
{
    struct webhook *webhook = call->webhook;

    if (webhook->address_count == 0) {
        snprintf(call->text, sizeof(call->text), "the name \"%.100s\" is not resolved",
                 webhook->host);
        call_conclude(call, false);
        return;
    }
    const struct http_client_request request = {
        .address = &webhook->addresses[webhook->next_address++ % webhook->address_count],
        .tls = webhook->tls ? webhook->means->tls : NULL,
        .server_name = webhook->host,
        .method = "POST",
        .target = webhook->target,
        .host = webhook->authority,
        .agent = "evergate-health",
        .content_type = "application/json",
        .body = body,
        .awaits = &call->awaits,
    };
    call->has_client = true;
    int code = http_client_start(&call->client, call->loop, &request, call_on_done);
    if (code == EG_OK)
        return;
    words_transport_error(call->text, &call->client.transport, code);
    call_conclude(call, false);
}

struct webhook_call *webhook_post(struct webhook *webhook, const char *body, uint64_t timeout_ms,
                                  webhook_done_cb done, void *arg)
{
    struct webhook_call *call = xcalloc(1, sizeof(*call));

    _Static_assert((int)HTTP_CLIENT_WHY_BYTES >= (int)WORDS_ERROR_BYTES, "errors fit");
    call->webhook = webhook;
    webhook->refs++;
    list_init(&call->node);
    call->loop = webhook->means->loop;
    call->done = done;
    call->arg = arg;
    call->timeout_ms = timeout_ms;
    call->awaits = "answer";
    loop_timer_init(&call->timeout, call_on_timeout);
    loop_task_init(&call->tell, call_on_tell);
    loop_task_init(&call->reap, call_on_reap);
    loop_timer_set(call->loop, &call->timeout, timeout_ms);
    call_begin(call, body);
    return call;
}

void webhook_cancel(struct webhook_call **call)
{
    struct webhook_call *c = *call;

    if (!c)
        return;
    *call = NULL;
    list_remove(&c->node);
    loop_task_cancel(&c->tell);
    if (!c->concluded)
        call_stop(c);
    loop_reap(c->loop, &c->reap);
}

void webhook_abandon(struct webhook_call **call)
{
    struct webhook_call *c = *call;

    if (!c)
        return;
    *call = NULL;
    c->done = NULL;
    list_push_back(&c->webhook->means->abandoned, &c->node);
}
