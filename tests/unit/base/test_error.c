#include <criterion/criterion.h>

#include <ctype.h>
#include <string.h>

#include "base/error.h"

Test(error, every_code_has_a_text_and_a_status_that_can_be_sent)
{
    for (int code = -1; code >= -(int)ERROR_INDEX_COUNT; code--) {
        int status = error_http_status(code);

        cr_assert_gt(strlen(error_text(code)), 0u, "%d", code);
        cr_assert_gt(strlen(error_name(code)), 0u, "%d", code);
        cr_assert(status >= 400 && status <= 599, "%s: %d", error_name(code), status);
    }
}

Test(error, texts_are_clauses_that_fit_behind_a_colon)
{
    for (int code = -1; code >= -(int)ERROR_INDEX_COUNT; code--) {
        const char *text = error_text(code);

        cr_assert_neq(text[strlen(text) - 1], '.', "%s", text);
        cr_assert_null(strpbrk(text, "\"\\\n"), "%s", text);
    }
}

Test(error, what_is_logged_only_has_no_type)
{
    for (int code = -1; code >= -(int)ERROR_INDEX_COUNT; code--) {
        const char *type = error_type_name(error_type_of(code));

        if (error_http_status(code) == 499)
            cr_assert_null(type, "%s", error_name(code));
        else
            cr_assert_not_null(type, "%s", error_name(code));
    }
}

Test(error, the_contracts_statuses)
{
    static const struct {
        int code, status;
        const char *type;
    } cases[] = {
        {EG_E_HEAD_TOO_LARGE, 431, "validation"}, {EG_E_BODY_TOO_LARGE, 413, "validation"},
        {EG_E_NO_ROUTE, 404, "not_found"},        {EG_E_METHOD_NOT_ALLOWED, 405, "not_found"},
        {EG_E_CONNECT, 502, "connection"},        {EG_E_NO_ENDPOINT, 503, "connection"},
        {EG_E_OVERLOAD, 503, "overload"},         {EG_E_BREAKER_OPEN, 503, "circuit_breaker"},
        {EG_E_RESPONSE_TIMEOUT, 504, "timeout"},  {EG_E_UPSTREAM_PROTOCOL, 502, "connection"},
        {EG_E_HEAD_FRAMING, 400, "validation"},   {EG_E_CONNECT_TIMEOUT, 502, "connection"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(error_http_status(cases[i].code), cases[i].status, "%s",
                     error_name(cases[i].code));
        cr_assert_str_eq(error_type_name(error_type_of(cases[i].code)), cases[i].type);
    }
}

Test(error, codes_outside_of_the_table_are_unknown)
{
    cr_assert_str_eq(error_text(EG_OK), "no error");
    cr_assert_str_eq(error_name(1), "UNKNOWN");
    cr_assert_str_eq(error_name(-(int)ERROR_INDEX_COUNT - 1), "UNKNOWN");
    cr_assert_eq(error_http_status(-100000), 500);
}
