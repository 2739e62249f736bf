#include <criterion/criterion.h>

#include <event2/buffer.h>
#include <string.h>

#include "admin/admin_json.h"

static void writes(json_t *value, const char *want)
{
    struct evbuffer *out = evbuffer_new();

    admin_json_add(out, value);
    cr_assert_eq(evbuffer_get_length(out), strlen(want), "%.*s", (int)evbuffer_get_length(out),
                 (const char *)evbuffer_pullup(out, -1));
    cr_assert_arr_eq(evbuffer_pullup(out, -1), want, strlen(want));
    evbuffer_free(out);
}

Test(admin_json, text_is_always_a_string)
{
    writes(admin_json_text("a\"b\x01\n"), "\"a\\\"b\\u0001\\n\"");
    writes(admin_json_text(""), "\"\"");
    writes(admin_json_text("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    writes(admin_json_text("gr\xfc\xdf"), "\"gr\xef\xbf\xbd\xef\xbf\xbd\"");
    writes(admin_json_text(NULL), "null");
}

Test(admin_json, times_are_rfc_3339)
{
    writes(admin_json_time(1795256760123456), "\"2026-11-21T10:26:00.123Z\"");
}

Test(admin_json, an_object_keeps_the_order_and_short_numbers_short)
{
    json_t *object = json_object();

    admin_json_set_text(object, "z", "last");
    admin_json_set_number(object, "a", 18446744073709551ULL);
    admin_json_set_seconds(object, "tenth", 100000);
    admin_json_set_seconds(object, "us", 1);
    admin_json_set_ms(object, "ms", 2500);
    admin_json_set_bool(object, "yes", true);
    writes(object, "{\"z\":\"last\",\"a\":18446744073709551,\"tenth\":0.1,\"us\":1e-6,\"ms\":2.5,"
                   "\"yes\":true}");
}
