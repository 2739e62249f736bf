/* What tells two sources apart: a discovery block as canonical text. Blocks with the same text
 * share one watch, and a reload that leaves the text as it is leaves the watch alone. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/discovery_internal.h"

static json_t *key_hex(const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof(struct config_digest) + 1];

    CHECK(n <= sizeof(struct config_digest));
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
    return json_string(text);
}

json_t *config_discovery_show_secret(const char *secret)
{
    struct config_digest digest;

    if (secret == NULL || secret[0] == '\0')
        return NULL;
    CHECK(EVP_Digest(secret, strlen(secret), digest.bytes, NULL, EVP_sha256(), NULL) == 1);
    return key_hex(digest.bytes, sizeof(digest.bytes));
}

static void key_add_digest(json_t *digests, const struct config_digest *digest)
{
    json_array_append_new(digests, key_hex(digest->bytes, sizeof(digest->bytes)));
}

/* What the named files hold belongs to a source: with another certificate it is asked anew. Not so
 * token_file, which the source itself reads again. */
static json_t *key_digests(const struct config_discovery *block)
{
    json_t *digests = json_array();

    key_add_digest(digests, &block->password_digest);
    if (block->tls != NULL) {
        key_add_digest(digests, &block->tls->ca_digest);
        key_add_digest(digests, &block->tls->cert_digest);
        key_add_digest(digests, &block->tls->key_digest);
    }
    return digests;
}

/* Hints of EndpointSlices are read as from where this instance is. */
static void key_add_place(json_t *json, const struct config_place *place)
{
    json_object_set_new(json, "here", json_pack("[ss]", place->region, place->zone));
}

const char *config_discovery_key(struct schema_walk *walk, const struct config_discovery *block)
{
    json_t *json = config_schema_json(walk->config, &config_discovery_section, block);
    const char *key;
    char *text;

    json_object_del(json, "allow_empty");
    json_object_set_new(json, "digests", key_digests(block));
    if (block->type == CONFIG_DISCOVERY_KUBERNETES)
        key_add_place(json, &walk->config->place);
    text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(text != NULL);
    key = config_schema_dup(walk, text);
    free(text);
    json_decref(json);
    return key;
}
