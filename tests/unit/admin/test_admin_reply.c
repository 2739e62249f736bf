#include <criterion/criterion.h>

#include "admin/admin_reply.h"

Test(admin_reply, strings_are_json)
{
    struct evbuffer *out = evbuffer_new();
    const char *want = "\"a\\\"b\\u0001\"\"\"";

    admin_json_string(out, "a\"b\x01");
    admin_json_string(out, "");
    cr_assert_eq(evbuffer_get_length(out), strlen(want));
    cr_assert_arr_eq(evbuffer_pullup(out, -1), want, strlen(want));
    evbuffer_free(out);
}
