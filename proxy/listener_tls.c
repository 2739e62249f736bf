/* See listener_tls.h. */
#include "proxy/listener_tls.h"

#include <stdlib.h>

#include "base/alloc.h"

static enum tls_verify verify_of(enum config_verify_client verify)
{
    switch (verify) {
    case CONFIG_VERIFY_OPTIONAL:
        return TLS_VERIFY_OPTIONAL;
    case CONFIG_VERIFY_REQUIRE:
        return TLS_VERIFY_REQUIRE;
    case CONFIG_VERIFY_OFF:
        break;
    }
    return TLS_VERIFY_OFF;
}

int listener_tls_new(struct tls_context **ret_context, const struct config_listener_tls *config,
                     char **ret_why)
{
    struct tls_certificate *certificates =
        xcalloc(config->certificate_count, sizeof(*certificates));
    struct tls_server_params params = {
        .certificates = certificates,
        .certificate_count = config->certificate_count,
        .client_ca_path = config->client_ca_path,
        .verify_client = verify_of(config->verify_client),
        .min_version = config->min_version_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2,
        .alpn = (const char *const *)config->alpn,
    };
    int rc;

    for (size_t i = 0; i < config->certificate_count; i++) {
        certificates[i].cert_path = config->certificates[i].cert_path;
        certificates[i].key_path = config->certificates[i].key_path;
    }
    rc = tls_context_new_server(ret_context, &params, ret_why);
    free(certificates);
    return rc;
}
