/* Where a source is asked: names, addresses in turn, TLS. See fetch.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/fetch_internal.h"

enum { SERVER_NAME_BYTES = 253 }; /* the longest DNS name; OpenSSL takes no longer one */

/* ---- names ---- */

static void wake_waiting(struct fetch_server *server)
{
    while (!list_empty(&server->waiting)) {
        struct list *node = server->waiting.next;

        list_remove(node);
        fetch_on_resolved(node);
    }
}

/* A failure leaves the last good answer. */
static void on_resolved(void *arg, const struct address *addresses, size_t count,
                        const char *failure)
{
    struct fetch_place *place = arg;

    CHECK(count <= RESOLVER_MAX_ADDRESSES);
    if (count > 0) {
        memcpy(place->addresses, addresses, count * sizeof(*addresses));
        place->count = count;
        place->first = 0;
    } else if (place->count == 0) {
        snprintf(place->failure, sizeof(place->failure), "the name \"%s\": %s", place->host,
                 failure ? failure : "does not resolve");
    }
    wake_waiting(place->server);
}

static void place_resolve(struct fetch_place *place, const char *text)
{
    const char *colon = strrchr(text, ':');
    unsigned long long port = 0;

    CHECK(colon && slice_to_u64(slice_str(colon + 1), &port)); /* address_parse saw to it */
    place->host = xstrndup(text, (size_t)(colon - text));
    place->watch = resolver_watch_start(place->server->resolver, place->host, (uint16_t)port,
                                        on_resolved, place);
}

static void place_init(struct fetch_place *place, struct fetch_server *server, const char *text)
{
    char host[ADDRESS_TEXT_BYTES];
    int code = address_parse(&place->addresses[0], slice_str(text));

    place->server = server;
    place->text = xstrdup(text);
    if (code == EG_E_RESOLVE) {
        place_resolve(place, text);
    } else if (code == EG_OK) {
        place->count = 1;
        if (place->addresses[0].sa.sa_family != AF_UNIX)
            place->host = xstrdup(address_format_host(&place->addresses[0], host));
    } else {
        snprintf(place->failure, sizeof(place->failure), "\"%.100s\" is no address", text);
    }
}

static void place_fini(struct fetch_place *place)
{
    resolver_watch_stop(&place->watch);
    free(place->text);
    free(place->host);
}

/* ---- life ---- */

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void copy_tls(struct fetch_server *server, const struct fetch_server_params *params)
{
    const struct config_pool_tls *tls = params->tls;

    if (!tls)
        return;
    server->secure = true;
    server->verify = tls->verify;
    server->sni = copy(tls->sni);
    server->ca_path = copy(tls->ca_path);
    server->cert_path = copy(tls->cert_path);
    server->key_path = copy(tls->key_path);
    server->ca_pem = copy(params->ca_pem);
    server->cert_pem = copy(params->cert_pem);
    server->key_pem = copy(params->key_pem);
}

struct fetch_server *fetch_server_new(struct loop *loop, struct resolver *resolver,
                                      const struct fetch_server_params *params)
{
    struct fetch_server *server = xcalloc(1, sizeof(*server));

    server->loop = loop;
    server->resolver = resolver;
    server->host = copy(params->host);
    list_init(&server->waiting);
    copy_tls(server, params);
    for (const char *const *text = params->addresses; *text && server->count < FETCH_ADDRESSES;
         text++)
        place_init(&server->places[server->count++], server, *text);
    CHECK(server->count > 0);
    return server;
}

void fetch_server_free(struct fetch_server **server)
{
    struct fetch_server *s = *server;

    *server = NULL;
    if (!s)
        return;
    CHECK(list_empty(&s->waiting));
    for (size_t i = 0; i < s->count; i++)
        place_fini(&s->places[i]);
    tls_context_free(s->tls);
    char *const texts[] = {s->host,     s->sni,    s->ca_path,  s->cert_path,
                           s->key_path, s->ca_pem, s->cert_pem, s->key_pem};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    free(s);
}

/* ---- TLS ---- */

void fetch_server_reload_tls(struct fetch_server *server)
{
    tls_context_free(server->tls); /* sessions go on with it */
    server->tls = NULL;
}

static bool name_fits(const char *name)
{
    return !name || strlen(name) <= SERVER_NAME_BYTES;
}

struct tls_context *fetch_server_tls(struct fetch_server *server, char *why)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct tls_client_params params = {
        .ca_path = server->ca_path,
        .verify = server->verify,
        .cert_path = server->cert_path,
        .key_path = server->key_path,
        .ca_pem = server->ca_pem,
        .cert_pem = server->cert_pem,
        .key_pem = server->key_pem,
        .alpn = alpn,
    };
    char *reason = NULL;

    if (!name_fits(server->sni)) {
        snprintf(why, FETCH_WHY_BYTES, "TLS: the name of the server is too long");
        return NULL;
    }
    if (!server->tls && tls_context_new_client(&server->tls, &params, &reason) != EG_OK) {
        snprintf(why, FETCH_WHY_BYTES, "TLS: %s", reason);
        free(reason);
    }
    return server->tls;
}

const char *fetch_server_name(const struct fetch_server *server, const struct fetch_place *place)
{
    return server->sni ? server->sni : place->host;
}

const char *fetch_server_host(const struct fetch_server *server, const struct fetch_place *place)
{
    if (server->host)
        return server->host;
    return place->host ? place->text : "localhost"; /* a Unix socket has no name */
}

/* ---- whom to ask first ---- */

void fetch_server_prefer(struct fetch_server *server, size_t place, size_t address)
{
    server->first = place;
    if (address < server->places[place].count) /* the name may have other addresses by now */
        server->places[place].first = address;
}

void fetch_server_avoid(struct fetch_server *server, size_t place, size_t address)
{
    struct fetch_place *p = &server->places[place];

    if (server->first != place || p->first != address || p->count == 0)
        return; /* another one is asked first already */
    p->first = (address + 1) % p->count;
    if (p->first == 0)
        server->first = (place + 1) % server->count;
}
