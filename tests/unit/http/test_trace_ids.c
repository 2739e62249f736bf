#include "http_fixture.h"

Test(trace_ids, a_request_id_is_short_and_safe_in_logs)
{
    char longest[129];

    memset(longest, 'a', sizeof(longest));
    cr_expect(http_request_id_valid(SLICE_LIT("aZ09._-+/=:@~")));
    cr_expect(http_request_id_valid(slice_from(longest, 128)));
    cr_expect_not(http_request_id_valid(slice_from(longest, 129)));
    for (const char *const *id = (const char *const[]){"", " ", "a b", "a\"b", "a\\b", "<a>",
                                                       "\xff", "a,b", "a;b", "a\nb", NULL};
         *id; id++)
        cr_expect_not(http_request_id_valid(slice_str(*id)), "%s", *id);
}

Test(trace_ids, our_request_ids_are_valid_hex)
{
    static const unsigned char random[16] = {0, 1, 0xfe, 0xff};
    char out[HTTP_REQUEST_ID_BYTES];

    http_request_id_make(out, random);
    cr_expect_slice(slice_from(out, sizeof(out)), "0001feff000000000000000000000000");
    cr_expect(http_request_id_valid(slice_from(out, sizeof(out))));
}

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZEROS  "00000000000000000000000000000000"

Test(trace_ids, traceparent_is_version_00_in_lower_case_and_not_all_zero)
{
    cr_expect(http_traceparent_valid(SLICE_LIT("00-" TRACE "-" PARENT "-01")));
    cr_expect(http_traceparent_valid(SLICE_LIT("00-" TRACE "-" PARENT "-00")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("01-" TRACE "-" PARENT "-01")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("00-" ZEROS "-" PARENT "-01")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("00-" TRACE "-0000000000000000-01")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("00-" TRACE "_" PARENT "-01")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("00-" TRACE "-" PARENT "-0")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("00-" TRACE "-" PARENT "-01-x")));
    cr_expect_not(
        http_traceparent_valid(SLICE_LIT("00-4BF92F3577b34da6a3ce929d0e0e4736-" PARENT "-01")));
    cr_expect_not(http_traceparent_valid(SLICE_LIT("")));
}

Test(trace_ids, our_traceparent_is_valid_whatever_the_random_bytes)
{
    unsigned char random[24] = {0};
    char out[HTTP_TRACEPARENT_BYTES];

    http_traceparent_make(out, random);
    cr_expect(http_traceparent_valid(slice_from(out, sizeof(out))));
    memset(random, 0xab, sizeof(random));
    http_traceparent_make(out, random);
    cr_expect(http_traceparent_valid(slice_from(out, sizeof(out))));
    cr_expect_slice(slice_from(out + 52, 3), "-01");
}
