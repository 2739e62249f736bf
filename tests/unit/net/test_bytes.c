#include <criterion/criterion.h>

#include "net/bytes.h"

Test(bytes, keeps_order_over_appends_and_consumes)
{
    struct bytes b;
    unsigned char in = 0, out = 0;

    bytes_init(&b, 10000);
    for (int round = 0; round < 5000; round++) {
        char piece[7];
        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = (char)in++;
        cr_assert_eq(bytes_append(&b, piece, sizeof(piece)), 0);
        for (size_t i = 0; i < (size_t)(round % 3 ? 6 : 9) && b.size > 0; i++) {
            cr_assert_eq((unsigned char)*bytes_data(&b), out++);
            bytes_consume(&b, 1);
        }
    }
    bytes_fini(&b);
}

Test(bytes, never_passes_its_limit)
{
    struct bytes b;

    bytes_init(&b, 10);
    cr_expect_eq(bytes_append(&b, "12345678", 8), 0);
    cr_expect_eq(bytes_append(&b, "abc", 3), EG_E_OVERLOAD);
    cr_expect_eq(b.size, 8, "nothing was appended");
    cr_expect_eq(bytes_append(&b, "ab", 2), 0);
    bytes_consume(&b, 10);
    cr_expect_eq(bytes_append(&b, "0123456789", 10), 0);
    bytes_fini(&b);
    cr_expect_eq(b.limit, 10);
}

Test(bytes, holds_no_memory_while_empty)
{
    struct bytes b;

    bytes_init(&b, 100);
    cr_expect_null(b.data);
    cr_expect_eq(bytes_append(&b, "", 0), 0);
    cr_expect_null(b.data);
    cr_expect_eq(bytes_append(&b, "xyz", 3), 0);
    bytes_consume(&b, 3);
    cr_expect_null(b.data);
    bytes_fini(&b);
}
