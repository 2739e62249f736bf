/* Building evergate's own answers: see own_answer.h. */
#include "proxy/own_answer.h"

#include <stdio.h>
#include <string.h>

#include "proxy/exchange_internal.h"

enum {
    OWN_ANSWER_FIELDS = 8,
    OWN_ANSWER_RETRY_AFTER_S = 5, /* without a pool: the default interval of health checks */
};

struct own_answer {
    struct http_response_head head;
    struct http_field fields[OWN_ANSWER_FIELDS];
    struct slice body;
};

static void own_answer_init(struct own_answer *answer, int status)
{
    *answer = (struct own_answer){0};
    answer->head.minor_version = 1;
    answer->head.status = status;
    answer->head.reason = slice_str(http_reason(status));
    answer->head.fields.v = answer->fields;
    answer->head.fields.capacity = OWN_ANSWER_FIELDS;
    answer->head.keep_alive = true;
}

static void own_answer_field(struct own_answer *answer, const char *name, struct slice value)
{
    struct http_fields *fields = &answer->head.fields;
    struct http_field *field = &fields->v[fields->count++];

    field->name = slice_str(name);
    field->value = value;
    field->id = http_field_id_of(field->name);
    fields->present |= (uint64_t)1 << field->id;
}

/* Statuses without content (RFC 9110 section 8.6) carry no Content-Length either. */
static bool status_has_content(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void own_answer_send(struct exchange *x, struct own_answer *answer)
{
    const struct http_header_edits *edits = x->route != NULL ? &x->route->response_headers : NULL;

    if (status_has_content(answer->head.status)) {
        answer->head.framing = HTTP_FRAMING_LENGTH;
        answer->head.content_length = answer->body.n;
        answer->head.has_content_length = true;
    }
    x->status = answer->head.status;
    x->head_sent = true;
    stat_add(&x->worker->stats.own_answers, 1);
    x->sink->head(x->front, &answer->head, edits);
    if (answer->head.framing == HTTP_FRAMING_LENGTH && answer->body.n > 0)
        x->sink->data(x->front, answer->body);
}

/* A client accepts JSON when it says so by name; a wildcard is what every browser and tool sends.
 */
static bool accepts_json(const struct http_fields *fields)
{
    const struct http_field *accept = http_fields_get(fields, HTTP_FIELD_ACCEPT);

    if (accept == NULL)
        return false;
    for (size_t i = 1; i + 4 <= accept->value.n; i++) {
        struct slice at = slice_from(accept->value.p + i, 4);

        if ((at.p[-1] == '/' || at.p[-1] == '+') && slice_ieq(at, SLICE_LIT("json")))
            return true;
    }
    return false;
}

/* RFC 9110 section 15.5.6 wants an Allow: the methods of the first route that would have matched.
 */
static struct slice allowed_methods(struct exchange *x)
{
    struct slice list = slice_from("", 0);
    char *out;
    size_t n = 0, bound = 1;

    if (x->route == NULL || x->route->methods == NULL)
        return list;
    for (const char **m = x->route->methods; *m != NULL; m++)
        bound += strlen(*m) + 2;
    out = arena_alloc(&x->arena, bound);
    for (const char **m = x->route->methods; *m != NULL; m++) {
        size_t size = strlen(*m);

        if (n > 0) {
            memcpy(out + n, ", ", 2);
            n += 2;
        }
        memcpy(out + n, *m, size);
        n += size;
    }
    return slice_from(out, n);
}

/* All parts are ours or checked (request ids hold no quotes), so nothing needs escaping. */
static struct slice error_body(struct exchange *x, int code, const char *type, bool json)
{
    enum { CAPACITY = 512 };
    char *out = arena_alloc(&x->arena, CAPACITY);
    const char *message = error_text(code);
    int status = error_http_status(code), n;

    if (json)
        n = snprintf(out, CAPACITY,
                     "{\"error\":{\"type\":\"%s\",\"message\":\"%s\",\"code\":%d,"
                     "\"request_id\":\"%.*s\"}}\n",
                     type, message, status, SLICE_FMT(x->request_id));
    else
        n = snprintf(out, CAPACITY, "evergate: %s: %s (%d, request %.*s)\n", type, message, status,
                     SLICE_FMT(x->request_id));
    return slice_from(out, n < CAPACITY ? (size_t)n : CAPACITY - 1);
}

/* When something may be better: health knows what its breakers and checks wait for. */
static struct slice retry_after(struct exchange *x)
{
    char *text = arena_alloc(&x->arena, 16);
    unsigned seconds = OWN_ANSWER_RETRY_AFTER_S;
    int n;

    if (x->runtime != NULL)
        seconds = health_retry_after_s(x->runtime->health, x->worker->loop.now_us);
    n = snprintf(text, 16, "%u", seconds);
    return slice_from(text, (size_t)n);
}

void own_answer_error(struct exchange *x, int code)
{
    const char *type = error_type_name(error_type_of(code));
    bool json = accepts_json(&x->head.fields);
    struct own_answer answer;

    if (type == NULL)
        type = "internal";
    own_answer_init(&answer, error_http_status(code));
    own_answer_field(&answer, "Content-Type",
                     json ? SLICE_LIT("application/json") : SLICE_LIT("text/plain; charset=utf-8"));
    own_answer_field(&answer, "X-Evergate-Error", slice_str(type));
    own_answer_field(&answer, "Cache-Control", SLICE_LIT("no-store"));
    if (answer.head.status == 405)
        own_answer_field(&answer, "Allow", allowed_methods(x));
    if (answer.head.status == 503)
        own_answer_field(&answer, "Retry-After", retry_after(x));
    answer.body = error_body(x, code, type, json);
    own_answer_send(x, &answer);
}

void own_answer_file(struct exchange *x, const struct config_fallback *fallback, int code)
{
    const char *type = error_type_name(error_type_of(code));
    struct own_answer answer;

    own_answer_init(&answer, (int)fallback->status);
    own_answer_field(&answer, "Content-Type", slice_str(fallback->body_type));
    own_answer_field(&answer, "X-Evergate-Error", slice_str(type != NULL ? type : "internal"));
    own_answer_field(&answer, "Cache-Control", SLICE_LIT("no-store"));
    if (fallback->status == 503)
        own_answer_field(&answer, "Retry-After", retry_after(x));
    answer.body = fallback->body;
    own_answer_send(x, &answer);
}

/* A trailing "$path" in the target stands for the request's path and query. */
static struct slice redirect_target(struct exchange *x, const char *to)
{
    struct slice target = slice_str(to), mark = SLICE_LIT("$path");
    char *out;

    if (!slice_ends_with(target, mark))
        return target;
    target.n -= mark.n;
    if (target.n > 0 && target.p[target.n - 1] == '/' && x->head.path.n > 0)
        target.n--;
    out = arena_alloc(&x->arena, target.n + x->head.path.n);
    memcpy(out, target.p, target.n);
    if (x->head.path.n > 0)
        memcpy(out + target.n, x->head.path.p, x->head.path.n);
    return slice_from(out, target.n + x->head.path.n);
}

void own_answer_redirect(struct exchange *x, const struct config_route *route)
{
    struct own_answer answer;

    own_answer_init(&answer, route->redirect.status);
    own_answer_field(&answer, "Location", redirect_target(x, route->redirect.to));
    own_answer_send(x, &answer);
}

void own_answer_respond(struct exchange *x, const struct config_route *route)
{
    struct own_answer answer;

    own_answer_init(&answer, route->respond.status);
    answer.body = slice_str(route->respond.body);
    if (answer.body.n > 0)
        own_answer_field(&answer, "Content-Type", slice_str(route->respond.content_type));
    own_answer_send(x, &answer);
}
