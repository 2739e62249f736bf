/*
 * Kubeconfigs. Properties: whatever is read is complete (a server; a certificate with its key; one
 * way to log in) and fit for headers and paths; whatever is refused is told with the file's name,
 * and nothing leaks either way.
 *
 * The first byte says which context is asked for; the rest is the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/base64.h"
#include "discovery/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plain(const char *text)
{
    CHECK(!text || text[0] != '\0');
    for (; text && *text; text++)
        CHECK((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_read(const struct kubeconfig *k)
{
    const char *const plain[] = {k->server,    k->namespace, k->tls_server_name, k->ca_path,
                                 k->cert_path, k->key_path,  k->token,           k->token_path,
                                 k->username,  k->password};

    CHECK(k->server != NULL);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        check_plain(plain[i]);
    CHECK(!(k->ca_path && k->ca_pem) && !(k->cert_path && k->cert_pem));
    CHECK((k->cert_path || k->cert_pem) == (k->key_path || k->key_pem));
    CHECK(!((k->token || k->token_path) && k->username));
}

/* What is decoded is encoded to the same again, but for white space. */
static void check_base64(struct slice text)
{
    size_t size, again_size;
    char *decoded = base64_decode(text, &size);

    if (!decoded)
        return;
    char *encoded = base64_encode(slice_from(decoded, size));
    char *again = base64_decode(slice_str(encoded), &again_size);
    CHECK(again && again_size == size && memcmp(again, decoded, size) == 0);
    free(decoded);
    free(encoded);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubeconfig kubeconfig;
    char *why = NULL;

    if (size == 0 || size > 16 * 1024)
        return 0;
    struct slice text = slice_from((const char *)data + 1, size - 1);
    const char *context = data[0] % 2 ? "x" : "";

    check_base64(text);
    if (kubeconfig_read(&kubeconfig, text, "/k/config", context, &why) == EG_OK) {
        CHECK(why == NULL);
        check_read(&kubeconfig);
        kubeconfig_fini(&kubeconfig);
    } else {
        CHECK(strncmp(why, "kubeconfig \"/k/config\": ", 24) == 0);
        free(why);
    }
    return 0;
}
