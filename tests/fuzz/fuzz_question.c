/*
 * Bodies of management's select and explain. Properties: what is read as a request has no line end
 * in any of its parts and fits its limits; what is refused says why; a body is never nested deeper
 * than its limit.
 */
#include <stdint.h>
#include <stdlib.h>

#include "admin/admin_body.h"
#include "admin/admin_question.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {8192, 40};

static void check_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        CHECK(s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0');
}

static void check_question(const struct admin_question *question)
{
    const struct http_fields *fields = &question->head.fields;

    CHECK(fields->count <= limits.fields);
    check_line(question->head.method);
    check_line(question->head.authority);
    check_line(question->head.path);
    check_line(question->path);
    check_line(question->client_host);
    for (unsigned i = 0; i < fields->count; i++) {
        check_line(fields->v[i].name);
        check_line(fields->v[i].value);
    }
}

static unsigned depth_of(const json_t *value)
{
    unsigned depth = 0, below;
    const char *key;
    json_t *member;
    size_t i;

    json_object_foreach((json_t *)value, key, member)
    {
        below = depth_of(member);
        depth = below > depth ? below : depth;
    }
    json_array_foreach(value, i, member)
    {
        below = depth_of(member);
        depth = below > depth ? below : depth;
    }
    return depth + (json_is_object(value) || json_is_array(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct admin_question question;
    char *why = NULL;
    json_t *value = admin_body_parse((const char *)data, size, &why);

    CHECK((value == NULL) == (why != NULL));
    if (value)
        CHECK(depth_of(value) <= ADMIN_BODY_DEPTH);
    if (value && json_is_object(value) &&
        admin_question_read(&question, value, true, &limits, &why) == EG_OK) {
        check_question(&question);
        admin_question_fini(&question);
    }
    json_decref(value);
    free(why);
    return 0;
}
