/* What `evergate providers` prints of what management answers. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/remote_tables.h"

static const char synced[] =
    "{\"type\":\"consul\",\"source\":\"api at 127.0.0.1:8500\",\"pools\":[\"api\",\"shop\"],"
    "\"state\":\"synced\",\"since\":\"2026-11-21T20:00:00.000Z\",\"endpoints\":5,"
    "\"last_sync\":\"2026-11-21T20:03:00.000Z\",\"last_sync_ago_s\":2,\"last_error\":null,"
    "\"next_try_in_s\":null,\"syncs\":7,\"failures\":0,\"refused\":{\"count\":0,\"reasons\":[]}}";

/* To be freed. */
static char *printed(const char *sources)
{
    json_t *array = json_loads(sources, 0, NULL);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    cr_assert_not_null(array);
    remote_print_providers(array, out, false);
    fclose(out);
    json_decref(array);
    return text;
}

static void expect(const char *sources, const char *want)
{
    char *text = printed(sources);

    cr_assert_str_eq(text, want);
    free(text);
}

/* A list of `synced` with one member replaced. To be freed. */
static char *with(const char *key, json_t *value)
{
    json_t *source = json_loads(synced, 0, NULL), *list = json_array();
    char *text;

    json_object_set_new(source, key, value);
    json_array_append_new(list, source);
    text = json_dumps(list, 0);
    json_decref(list);
    return text;
}

Test(providers, a_line_each)
{
    char *one = with("failures", json_integer(3));

    expect("[]", "TYPE  SOURCE  POOLS  STATE  ENDPOINTS  REFUSED  LAST SYNC  FAILURES\n");
    expect(one, "TYPE    SOURCE                 POOLS      STATE   ENDPOINTS  REFUSED  LAST SYNC  "
                "FAILURES\n"
                "consul  api at 127.0.0.1:8500  api, shop  synced          5        0  2 s ago    "
                "       3\n");
    free(one);
}

Test(providers, one_that_fails_has_a_sentence)
{
    json_t *source = json_loads(synced, 0, NULL);
    char *trouble;

    json_object_set_new(source, "state", json_string("failing"));
    json_object_set_new(source, "last_error", json_string("connection refused"));
    json_object_set_new(source, "next_try_in_s", json_real(1.5));
    trouble = remote_source_trouble(source);
    cr_assert_str_eq(trouble, "failing since 2026-11-21T20:00:00.000Z: connection refused; the "
                              "last 5 endpoints stay; next try in 1.5 s");
    free(trouble);
    json_object_set_new(source, "endpoints", json_integer(1));
    trouble = remote_source_trouble(source);
    cr_assert_not_null(strstr(trouble, "the last 1 endpoint stays;"));
    free(trouble);
    json_object_set_new(source, "endpoints", json_integer(0));
    trouble = remote_source_trouble(source);
    cr_assert_not_null(strstr(trouble, "; it has told of no endpoints; next try"));
    free(trouble);
    json_decref(source);
}

Test(providers, what_was_left_out_is_told_with_the_first_reason)
{
    char *one = with("refused",
                     json_pack("{s:i,s:[s,s]}", "count", 2, "reasons", "first\x1b[31m", "second"));
    char *text = printed(one);

    cr_assert_not_null(strstr(text, "\n\nconsul api at 127.0.0.1:8500: 2 left out of its last "
                                    "answer, the first: first?[31m\n"));
    free(text);
    free(one);
}

Test(providers, a_registration_that_fails_has_a_sentence)
{
    char *one = with("registration",
                     json_pack("{s:s,s:s,s:s,s:s}", "id", "edge-1", "state", "failing", "since",
                               "2026-11-21T20:00:00.000Z", "last_error", "status 403"));
    char *text = printed(one);

    cr_assert_not_null(strstr(text, "\n\nconsul api at 127.0.0.1:8500: this proxy's service "
                                    "\"edge-1\" is not registered since "
                                    "2026-11-21T20:00:00.000Z: status 403\n"));
    free(text);
    free(one);
}

Test(providers, answers_of_other_types_do_no_harm)
{
    char *text = printed("[{}, 3, null, {\"pools\": [1, null], \"refused\": 7, \"state\": []}, "
                         "{\"state\": \"failing\"}]");

    cr_assert_not_null(strstr(text, "failing since"));
    free(text);
}
