/* Requests that are asked about. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "admin/admin_question.h"

static const struct http_limits limits = {4096, 10};

static struct admin_question question;

/* NULL when it could be read; else why not. `question` is to be freed in the first case. */
static const char *read_it(const char *text, bool with_listener)
{
    static char told[256];
    json_error_t error;
    json_t *object = json_loads(text, 0, &error);
    char *why = NULL;
    int rc;

    cr_assert_not_null(object, "%s: %s", text, error.text);
    rc = admin_question_read(&question, object, with_listener, &limits, &why);
    cr_assert_eq(rc != EG_OK, why != NULL, "%s", text);
    json_decref(object);
    if (rc == EG_OK)
        return NULL;
    snprintf(told, sizeof(told), "%s", why);
    free(why);
    return told;
}

static void expect_slice(struct slice got, const char *want)
{
    cr_expect(slice_eq(got, slice_str(want)), "\"%.*s\", not \"%s\"", SLICE_FMT(got), want);
}

Test(admin_question, nothing_said_is_a_get_of_the_root_from_here)
{
    cr_assert_null(read_it("{}", false));
    expect_slice(question.head.method, "GET");
    expect_slice(question.path, "/");
    expect_slice(question.head.authority, "");
    expect_slice(question.client_host, "127.0.0.1");
    cr_assert_null(question.listener);
    admin_question_fini(&question);
}

Test(admin_question, is_read_as_the_proxy_would_read_the_request)
{
    cr_assert_null(read_it("{\"listener\":\"edge\",\"client_ip\":\"::ffff:10.0.0.1\","
                           "\"method\":\"POST\",\"host\":\"a.example:8080\","
                           "\"path\":\"/x/../%61?q=1\","
                           "\"headers\":{\"X-A\":\" 1 \",\"Accept\":[\"a\",\"b\"]}}",
                           true));
    expect_slice(question.head.method, "POST");
    expect_slice(question.head.authority, "a.example:8080");
    expect_slice(question.head.path, "/x/../%61?q=1");
    expect_slice(question.path, "/a");
    expect_slice(question.client_host, "10.0.0.1");
    cr_assert_str_eq(question.listener, "edge");
    cr_assert_eq(question.head.fields.count, 4);
    expect_slice(http_fields_find(&question.head.fields, SLICE_LIT("x-a"))->value, "1");
    admin_question_fini(&question);
}

Test(admin_question, connect_asks_for_its_host)
{
    cr_assert_null(read_it("{\"method\":\"CONNECT\",\"host\":\"db.example:5432\"}", false));
    cr_expect_eq(question.head.method_id, HTTP_METHOD_CONNECT);
    expect_slice(question.head.authority, "db.example:5432");
    admin_question_fini(&question);
}

Test(admin_question, cannot_be_two_requests)
{
    static const char *const bad[] = {
        "{\"path\":\"/ HTTP/1.1\\r\\nHost: b\\r\\n\\r\\nGET /\"}",
        "{\"path\":\"/a b\"}",
        "{\"method\":\"GET / HTTP/1.1\\r\\nX:\"}",
        "{\"method\":\"\"}",
        "{\"method\":\"G T\"}",
        "{\"host\":\"a\\r\\nX: y\"}",
        "{\"host\":\"a\\nX: y\"}",
        "{\"host\":\"a\",\"headers\":{\"Host\":\"b\"}}",
        "{\"headers\":{\"X\":\"a\\r\\n\\r\\n\"}}",
        "{\"headers\":{\"X: y\\r\\nZ\":\"a\"}}",
        "{\"headers\":{\"\":\"a\"}}",
        "{\"headers\":{\"Content-Length\":[\"1\",\"2\"]}}",
        "{\"host\":\"a\",\"headers\":{\"Transfer-Encoding\":\"chunked\",\"Content-Length\":\"1\"}}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not_null(read_it(bad[i], false), "%s", bad[i]);
}

Test(admin_question, says_what_is_wrong)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"listener\":\"edge\"}", "\"listener\" is not known here"},
        {"{\"method\":1}", "method: a text of one line is needed"},
        {"{\"client_ip\":\"somebody\"}", "client_ip: \"somebody\" is no IP address, nor \"unix\""},
        {"{\"headers\":[]}", "headers: an object is needed, {\"name\": \"value\"}"},
        {"{\"path\":\"nowhere\"}",
         "such a request would be refused: status 400, malformed request target"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = read_it(cases[i].text, false);

        cr_assert_not_null(why, "%s", cases[i].text);
        cr_expect_str_eq(why, cases[i].why);
    }
}

Test(admin_question, is_held_to_the_listeners_limits)
{
    char text[8192];

    snprintf(text, sizeof(text), "{\"path\":\"/%05000d\"}", 1);
    cr_assert(strstr(read_it(text, false), "over the limit"));
    cr_assert(strstr(read_it("{\"headers\":{\"x\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
                             "\"8\",\"9\",\"a\",\"b\"]}}",
                             false),
                     "more header fields"));
}
