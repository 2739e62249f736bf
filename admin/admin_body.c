/* JSON bodies of requests: see admin_body.h. */
#include "admin/admin_body.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

/* Counted before it is parsed: jansson goes down 2048 levels, and so would whoever reads the value
 * or frees it. In what is no JSON the count may be wrong; that is refused anyway. */
static bool is_too_deep(const char *text, size_t n)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > ADMIN_BODY_DEPTH)
            return true;
    }
    return false;
}

json_t *admin_body_parse(const char *text, size_t n, char **ret_why)
{
    json_error_t error;
    json_t *value;

    if (is_too_deep(text, n)) {
        *ret_why = xasprintf("the body is nested deeper than %d", ADMIN_BODY_DEPTH);
        return NULL;
    }
    value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        *ret_why = xasprintf("the body is no JSON: line %d: %s", error.line, error.text);
    return value;
}

const char *admin_body_unknown(const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return key;
    }
    return NULL;
}

/* A page of another site can send a body, but not call it JSON without asking first (CORS). */
static bool is_json(struct evhttp_request *request)
{
    static const struct slice json = {"application/json", 16};
    struct slice type =
        slice_str(evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type"));

    return type.n >= json.n && slice_ieq(slice_from(type.p, json.n), json) &&
           (type.n == json.n || type.p[json.n] == ';' || type.p[json.n] == ' ');
}

static json_t *read_object(struct admin_call *call, struct evbuffer *body)
{
    size_t n = evbuffer_get_length(body);
    char *why = NULL;
    json_t *value;

    if (!is_json(call->request)) {
        admin_reply_error(call->request, 400, "validation",
                          "a body needs \"Content-Type: application/json\"");
        return NULL;
    }
    value = admin_body_parse((const char *)evbuffer_pullup(body, -1), n, &why);
    if (json_is_object(value))
        return value;
    if (value)
        admin_reply_error(call->request, 422, "validation", "the body must be an object");
    else
        admin_reply_error(call->request, 400, "validation", "%s", why);
    json_decref(value);
    free(why);
    return NULL;
}

bool admin_body_optional(struct admin_call *call, json_t **ret_object)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(call->request);

    *ret_object = NULL;
    if (evbuffer_get_length(body) == 0)
        return true;
    *ret_object = read_object(call, body);
    return *ret_object != NULL;
}

json_t *admin_body_object(struct admin_call *call)
{
    json_t *object;

    if (!admin_body_optional(call, &object))
        return NULL;
    if (!object)
        admin_reply_error(call->request, 400, "validation", "%s needs a body: a JSON object",
                          call->path);
    return object;
}

bool admin_body_known(struct admin_call *call, const json_t *object, const char *const *known)
{
    const char *key = admin_body_unknown(object, known);

    if (key)
        admin_reply_error(call->request, 422, "validation", "\"%s\" is not known here", key);
    return !key;
}

bool admin_body_says_nothing(struct admin_call *call)
{
    static const char *const nothing[] = {NULL};
    json_t *body;
    bool good;

    if (!admin_body_optional(call, &body))
        return false;
    good = admin_body_known(call, body, nothing);
    json_decref(body);
    return good;
}
