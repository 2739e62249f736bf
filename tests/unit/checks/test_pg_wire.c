#include <criterion/criterion.h>

#include "checks/pg_wire.h"

#define BYTES(text) slice_from(text, sizeof(text) - 1)

Test(pg_wire, a_message_is_taken_once_it_is_complete)
{
    const struct slice whole = BYTES("Z\0\0\0\5IR");
    struct pg_message message;
    struct slice rest;

    for (size_t n = 0; n < 6; n++) {
        rest = slice_from(whole.p, n);
        cr_expect_eq(pg_message_take(&rest, &message), EG_E_AGAIN, "%zu", n);
    }
    rest = whole;
    cr_assert_eq(pg_message_take(&rest, &message), 0);
    cr_expect(message.type == 'Z' && slice_eq(message.body, SLICE_LIT("I")));
    cr_expect(slice_eq(rest, SLICE_LIT("R")));
}

Test(pg_wire, what_can_be_no_message_is_refused_at_once)
{
    const struct slice wrong[] = {BYTES("\0"), BYTES("5"), BYTES("HTTP/1.1 400"),
                                  BYTES("R\0\0\0\3"), BYTES("R\377\377\377\377")};
    struct pg_message message;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct slice rest = wrong[i];

        cr_expect_eq(pg_message_take(&rest, &message), EG_E_UPSTREAM_PROTOCOL, "%zu", i);
    }
}

Test(pg_wire, the_fields_of_an_error_are_found)
{
    const struct slice body = BYTES("SFATAL\0VFATAL\0C57P03\0Mthe database is starting up\0\0");

    cr_expect(slice_eq(pg_error_field(body, 'C'), SLICE_LIT("57P03")));
    cr_expect(slice_eq(pg_error_field(body, 'M'), SLICE_LIT("the database is starting up")));
    cr_expect_eq(pg_error_field(body, 'H').n, 0);
    cr_expect_eq(pg_error_field(BYTES("Mno end"), 'M').n, 0);
    cr_expect_eq(pg_error_field(BYTES("M"), 'M').n, 0);
    cr_expect_eq(pg_error_field(BYTES(""), 'M').n, 0);
}

Test(pg_wire, a_row_is_its_columns)
{
    struct slice columns[PG_COLUMNS];

    cr_assert_eq(pg_row_columns(BYTES("\0\2\0\0\0\1t\377\377\377\377"), columns), 2);
    cr_expect(slice_eq(columns[0], SLICE_LIT("t")));
    cr_expect_null(columns[1].p);
    cr_expect_eq(pg_row_columns(BYTES("\0\1\0\0\0\2t"), columns), EG_E_UPSTREAM_PROTOCOL);
    cr_expect_eq(pg_row_columns(BYTES("\0\1\0\0"), columns), EG_E_UPSTREAM_PROTOCOL);
    cr_expect_eq(pg_row_columns(BYTES("\0\11"), columns), EG_E_UPSTREAM_PROTOCOL);
    cr_expect_eq(pg_row_columns(BYTES("\0"), columns), EG_E_UPSTREAM_PROTOCOL);
}

static bool written(const struct pg_out *out, struct slice expected)
{
    return !out->overflow && slice_eq(slice_from(out->data, out->size), expected);
}

Test(pg_wire, messages_are_written_with_their_sizes)
{
    struct pg_out out;

    pg_out_tls_request(&out);
    cr_expect(written(&out, BYTES("\0\0\0\10\4\322\26\57")));
    pg_out_startup(&out, "u", "d");
    cr_expect(written(&out, BYTES("\0\0\0\65\0\3\0\0user\0u\0database\0d\0"
                                  "application_name\0evergate\0\0")),
              "%zu", out.size);
    pg_out_query(&out, "SELECT 1");
    cr_expect(written(&out, BYTES("Q\0\0\0\15SELECT 1\0")));
    pg_out_terminate(&out);
    cr_expect(written(&out, BYTES("X\0\0\0\4")));
    pg_out_password(&out, SLICE_LIT("pw"));
    cr_expect(written(&out, BYTES("p\0\0\0\7pw\0")));
    pg_out_sasl_first(&out, "S", SLICE_LIT("n,,"));
    cr_expect(written(&out, BYTES("p\0\0\0\15S\0\0\0\0\3n,,")));
}

/* md5(md5(password user) salt), reckoned with md5sum. */
Test(pg_wire, an_md5_password_is_hashed_twice)
{
    struct pg_out out;

    cr_assert_eq(pg_out_md5_password(&out, "user", SLICE_LIT("secret"), SLICE_LIT("salt")), 0);
    cr_expect(written(&out, BYTES("p\0\0\0\50md5440c573f34f2e2f3ff4b6dbdd8a2686b\0")), "%s",
              out.data + 5);
}

Test(pg_wire, what_is_too_long_is_noticed)
{
    char user[PG_OUT_BYTES + 1];
    struct pg_out out;

    memset(user, 'u', sizeof(user));
    user[sizeof(user) - 1] = '\0';
    pg_out_startup(&out, user, "d");
    cr_expect(out.overflow);
}
