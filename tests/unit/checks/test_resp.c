#include <criterion/criterion.h>
#include <stdio.h>

#include "checks/resp.h"

static int measure(const char *text)
{
    size_t size;
    int err = resp_measure(slice_str(text), &size);

    return err ? err : (int)size;
}

Test(resp, every_kind_of_reply_is_measured_and_taken_apart)
{
    const char *text = "*7\r\n+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n";
    struct slice reply = slice_str(text);
    struct resp_element e;

    cr_assert_eq(measure(text), (int)reply.n);
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_ARRAY && e.number == 7);
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_STRING && slice_eq(e.text, SLICE_LIT("OK")));
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_ERROR && slice_eq(e.text, SLICE_LIT("ERR no")));
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_NUMBER && e.number == -42);
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_STRING && slice_eq(e.text, SLICE_LIT("a\r\nbc")));
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_STRING && e.text.n == 0);
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_NULL);
    cr_assert(resp_take(&reply, &e));
    cr_expect(e.type == RESP_NULL);
    cr_expect_not(resp_take(&reply, &e));
}

Test(resp, a_reply_is_incomplete_until_its_last_byte_came)
{
    const char *text = "*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    size_t size = 0, length = strlen(text);

    for (size_t n = 0; n < length; n++)
        cr_expect_eq(resp_measure(slice_from(text, n), &size), EG_E_AGAIN, "%zu", n);
    cr_assert_eq(resp_measure(slice_from(text, length), &size), 0);
    cr_expect_eq(size, length);
}

Test(resp, what_follows_a_reply_is_not_part_of_it)
{
    cr_expect_eq(measure("+PONG\r\n*1\r\n"), 7);
    cr_expect_eq(measure("*0\r\n+OK\r\n"), 4);
}

Test(resp, what_is_no_resp_is_refused_at_once)
{
    static const char *const wrong[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "+a\nb\r\n",
        "+a\rb\r\n",
        ":\r\n",
        ":1x\r\n",
        ":-\r\n",
        "$-2\r\n",
        "$2\r\nabc\r\n",
        "*-2\r\n",
        "$99999\r\n",
        "*99999\r\n",
        ":99999999999999999999\r\n",
        "$5",
    };

    for (size_t i = 0; i + 1 < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect_eq(measure(wrong[i]), EG_E_UPSTREAM_PROTOCOL, "%s", wrong[i]);
    cr_expect_eq(measure("$5"), EG_E_AGAIN);
}

Test(resp, neither_depth_nor_breadth_nor_length_passes_the_limits)
{
    static char text[4 * RESP_REPLY_BYTES];
    size_t size;

    for (size_t i = 0; i < 2000; i++) /* nested without end */
        memcpy(text + 4 * i, "*1\r\n", 4);
    cr_expect_eq(resp_measure(slice_from(text, 8000), &size), EG_E_UPSTREAM_PROTOCOL);
    memset(text, 'x', sizeof(text));
    text[0] = '+';
    cr_expect_eq(resp_measure(slice_from(text, RESP_REPLY_BYTES - 1), &size), EG_E_AGAIN);
    cr_expect_eq(resp_measure(slice_from(text, RESP_REPLY_BYTES), &size), EG_E_UPSTREAM_PROTOCOL);
}

Test(resp, commands_are_arrays_of_strings)
{
    const struct slice words[] = {SLICE_LIT("AUTH"), SLICE_LIT(""), SLICE_LIT("p\r\nq")};
    const char *expected = "*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$4\r\np\r\nq\r\n";
    char out[64];

    cr_assert_eq(resp_write_command(out, sizeof(out), words, 3), strlen(expected));
    cr_expect_eq(memcmp(out, expected, strlen(expected)), 0);
    for (size_t capacity = 0; capacity < strlen(expected); capacity++)
        cr_expect_eq(resp_write_command(out, capacity, words, 3), strlen(expected));
}
