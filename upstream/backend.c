/* What TLS to a backend needs: see backend.h. */
#include "upstream/backend.h"

#include "base/alloc.h"
#include "net/address.h"

int upstream_backend_tls_new(struct tls_context **ret_context, const struct config_pool_tls *tls,
                             const char *const *alpn, char **ret_why)
{
    if (!tls)
        return EG_OK;
    const struct tls_client_params params = {
        .ca_path = tls->ca_path,
        .verify = tls->verify,
        .cert_path = tls->cert_path,
        .key_path = tls->key_path,
        .alpn = alpn,
    };
    return tls_context_new_client(ret_context, &params, ret_why);
}

char *upstream_backend_server_name(const struct config_pool *config,
                                   const struct config_backend *backend)
{
    struct address numeric;
    char text[ADDRESS_TEXT_BYTES];

    if (!config->tls)
        return NULL;
    if (config->tls->sni)
        return xstrdup(config->tls->sni);
    if (backend->host)
        return xstrdup(backend->host);
    if (address_parse(&numeric, slice_str(backend->address)) != EG_OK ||
        numeric.sa.sa_family == AF_UNIX)
        return NULL;
    return xstrdup(address_format_host(&numeric, text));
}
