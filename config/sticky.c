/* pools[].sticky: sessions kept on one backend by a cookie. */
#include <stdlib.h>

#include "config/files_internal.h"
#include "config/sections_internal.h"

enum { SECRET_MIN_BYTES = 16, SECRET_MAX_BYTES = 4096 };

static void sticky_load_secret(struct schema_walk *walk, const struct config_node *group,
                               struct config_sticky *sticky)
{
    unsigned line = config_node_line(group, "secret_file");
    struct whole_file content;
    char *why;

    if (!config_file_read_bytes(&content, walk->diag, sticky->secret_file, SECRET_MAX_BYTES,
                                &why)) {
        config_diag_add(walk->diag, line, "secret_file: cannot read \"%s\": %s",
                        sticky->secret_file, why);
        free(why);
        return;
    }
    if (content.size < SECRET_MIN_BYTES)
        config_diag_add(walk->diag, line,
                        "secret_file: \"%s\" holds %zu bytes; write 16 to 4096, such as the output "
                        "of \"openssl rand -hex 32\"",
                        sticky->secret_file, content.size);
    else
        sticky->secret = arena_dup(walk->arena, slice_from(content.text, content.size));
    sticky->secret_digest = config_digest_of(&content);
    free(content.text);
}

static void sticky_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_sticky *sticky = out;

    /* RFC 6265 section 4.1.1: a cookie's name is a token. */
    if (!http_is_token(slice_str(sticky->cookie)))
        config_diag_add(walk->diag, config_node_line(group, "cookie"),
                        "cookie: \"%s\" is not a cookie's name; write letters, digits and \"_\"",
                        sticky->cookie);
    if (sticky->secret_file != NULL)
        sticky_load_secret(walk, group, sticky);
}

static const struct schema_key sticky_keys[] = {
    {"cookie", SCHEMA_STRING, "EGSID", SCHEMA_AT(struct config_sticky, cookie),
     .example = "\"EGSID\""},
    {"ttl", SCHEMA_DURATION, "1h", SCHEMA_AT(struct config_sticky, ttl_ms), .min = 1000,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"secret_file", SCHEMA_PATH, SCHEMA_AT(struct config_sticky, secret_file),
     SCHEMA_DIGEST(struct config_sticky, secret_digest), .example = "\"/etc/evergate/sticky.key\""},
};

const struct schema_section config_sticky_section = {
    .title = "pools.sticky",
    .struct_bytes = sizeof(struct config_sticky),
    SCHEMA_KEYS(sticky_keys),
    .check = sticky_check,
};
