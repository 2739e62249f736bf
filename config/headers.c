/* Headers in routes: the ones a request must have, and the changes made to heads. */
#include "config/sections_internal.h"

bool config_check_header_name(struct schema_walk *walk, unsigned line, struct slice name)
{
    if (http_is_token(name))
        return true;
    config_diag_add(walk->diag, line,
                    "\"%.*s\" is not a header name; write letters, digits and \"-\" only",
                    SLICE_FMT(name));
    return false;
}

bool config_check_header_value(struct schema_walk *walk, unsigned line, struct slice value)
{
    if (http_is_field_value(value))
        return true;
    config_diag_add(walk->diag, line,
                    "a header value has control characters or white space at its ends; remove "
                    "them");
    return false;
}

/* ---- changes ---- */

/* Fields that frame the message or belong to one connection are the proxy's own: a changed one
 * could make two requests out of one (RFC 9112 section 11.2). */
static void header_change_check(struct schema_walk *walk, unsigned line, struct slice name)
{
    if (config_check_header_name(walk, line, name) && http_field_is_reserved(name))
        config_diag_add(walk->diag, line,
                        "\"%.*s\" belongs to the connection and is written by the proxy; remove it",
                        SLICE_FMT(name));
}

static void header_edit_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct http_header_edit *edit = out;

    if (edit->name.p != NULL)
        header_change_check(walk, config_node_line(group, "name"), edit->name);
    if (edit->value.p != NULL)
        config_check_header_value(walk, config_node_line(group, "value"), edit->value);
}

/* By its name: a plan is read by more people than the file, and goes into tickets. */
static bool header_is_secret(const void *in)
{
    static const char *const words[] = {"auth", "cookie", "key", "token", "secret", "password"};
    const struct http_header_edit *edit = in;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasestr(edit->name.p, words[i]) != NULL)
            return true;
    }
    return false;
}

static const struct schema_key header_edit_keys[] = {
    {"name", SCHEMA_SLICE, SCHEMA_AT(struct http_header_edit, name), .required = true,
     .example = "\"X-NAME\""},
    {"value", SCHEMA_SLICE, "", SCHEMA_AT(struct http_header_edit, value), .example = "\"VALUE\"",
     .is_secret = header_is_secret},
};

const struct schema_section config_header_edit_section = {
    .title = "routes.request_headers.set",
    .label = "header",
    .identity = {"name"},
    .struct_bytes = sizeof(struct http_header_edit),
    SCHEMA_KEYS(header_edit_keys),
    .check = header_edit_check,
};

static bool is_authority(struct slice value)
{
    const char *colon = value.n > 0 ? memrchr(value.p, ':', value.n) : NULL;
    unsigned long long port;

    if (colon != NULL) {
        size_t n = (size_t)(colon - value.p);

        if (!slice_to_u64(slice_from(colon + 1, value.n - n - 1), &port) || port > 65535)
            return false;
        value.n = n;
    }
    return config_is_host_name(value);
}

static void host_value_check(struct schema_walk *walk, unsigned line, struct slice value)
{
    if (!is_authority(value))
        config_diag_add(walk->diag, line,
                        "Host: \"%.*s\" is not a host; write \"app.internal\" or "
                        "\"app.internal:8080\"",
                        SLICE_FMT(value));
}

void config_check_host_headers(struct schema_walk *walk, unsigned line,
                               const struct http_header_edit *headers, size_t count)
{
    size_t hosts = 0;

    for (size_t i = 0; i < count; i++) {
        if (!slice_ieq(headers[i].name, SLICE_LIT("host")))
            continue;
        host_value_check(walk, line, headers[i].value);
        if (++hosts == 2)
            config_diag_add(walk->diag, line, "a request has one Host; remove the others");
    }
}

static bool header_in_edits(struct slice name, const struct http_header_edit *edits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_ieq(edits[i].name, name))
            return true;
    }
    return false;
}

/* The proxy writes exactly one Host (RFC 9112 section 3.2): a route may choose its value, not its
 * number. */
static void header_host_check(struct schema_walk *walk, const struct config_node *group,
                              const struct http_header_edits *edits)
{
    struct slice host = SLICE_LIT("host");

    if (header_in_edits(host, edits->add, edits->add_count))
        config_diag_add(walk->diag, config_node_line(group, "add"),
                        "a request has one Host; write it in set instead of add");
    for (size_t i = 0; i < edits->remove_count; i++) {
        if (slice_ieq(edits->remove[i], host))
            config_diag_add(walk->diag, config_node_line(group, "remove"),
                            "a request cannot be without Host; remove it from remove");
    }
    for (size_t i = 0; i < edits->set_count; i++) {
        if (slice_ieq(edits->set[i].name, host))
            host_value_check(walk, config_node_line(group, "set"), edits->set[i].value);
    }
}

static void header_edits_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct http_header_edits *edits = out;
    unsigned set_line = config_node_line(group, "set"), remove_line;

    remove_line = config_node_line(group, "remove");
    header_host_check(walk, group, edits);
    for (size_t i = 0; i < edits->set_count; i++) {
        if (header_in_edits(edits->set[i].name, edits->set, i))
            config_diag_add(walk->diag, set_line,
                            "\"%.*s\" is set twice; keep one, or write the other in add",
                            SLICE_FMT(edits->set[i].name));
    }
    for (size_t i = 0; i < edits->remove_count; i++) {
        header_change_check(walk, remove_line, edits->remove[i]);
        if (header_in_edits(edits->remove[i], edits->set, edits->set_count))
            config_diag_add(walk->diag, remove_line,
                            "\"%.*s\" is both set and removed; set replaces it already",
                            SLICE_FMT(edits->remove[i]));
    }
}

static const struct schema_key header_edits_keys[] = {
    {"set", SCHEMA_LIST, SCHEMA_AT(struct http_header_edits, set),
     SCHEMA_COUNT(struct http_header_edits, set_count), .max = 64,
     .section = &config_header_edit_section},
    {"add", SCHEMA_LIST, SCHEMA_AT(struct http_header_edits, add),
     SCHEMA_COUNT(struct http_header_edits, add_count), .max = 64,
     .section = &config_header_edit_section},
    {"remove", SCHEMA_SLICES, SCHEMA_AT(struct http_header_edits, remove),
     SCHEMA_COUNT(struct http_header_edits, remove_count), .example = "[ \"X-NAME\" ]"},
};

const struct schema_section config_header_edits_section = {
    .title = "routes.request_headers",
    .struct_bytes = sizeof(struct http_header_edits),
    SCHEMA_KEYS(header_edits_keys),
    .check = header_edits_check,
};

/* ---- conditions ---- */

static void route_header_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct http_header_edit *header = out;

    if (header->name.p != NULL)
        config_check_header_name(walk, config_node_line(group, "name"), header->name);
    if (header->value.p != NULL)
        config_check_header_value(walk, config_node_line(group, "value"), header->value);
}

const struct schema_section config_route_header_section = {
    .title = "routes.headers",
    .label = "header",
    .identity = {"name"},
    .struct_bytes = sizeof(struct http_header_edit),
    SCHEMA_KEYS(header_edit_keys),
    .check = route_header_check,
};
