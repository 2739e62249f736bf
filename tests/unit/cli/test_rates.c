#include <criterion/criterion.h>

#include "cli/rates.h"
#include "cli/remote.h"

static json_t *pools(const char *name, int requests, int a, int a_failures)
{
    return json_pack("{s:[{s:s,s:i,s:[{s:s,s:i,s:i},{s:s,s:i,s:i}]}]}", "pools", "name", name,
                     "requests", requests, "endpoints", "id", "a", "requests", a, "failures",
                     a_failures, "id", "b", "requests", 7, "failures", 1);
}

static json_t *pool(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "pools"), 0);
}

static json_t *endpoint(const json_t *answer, size_t i)
{
    return json_array_get(json_object_get(pool(answer), "endpoints"), i);
}

Test(rates, are_what_was_counted_by_the_time_between)
{
    json_t *before = pools("api", 100, 90, 0), *now = pools("api", 150, 140, 5);

    rates_add(now, before, 2.0);
    cr_assert_eq(remote_number(pool(now), "requests_per_second"), 25.0);
    cr_assert_eq(remote_number(pool(now), "errors_per_second"), 2.5);
    cr_assert_eq(remote_number(endpoint(now, 0), "requests_per_second"), 25.0);
    cr_assert_eq(remote_number(endpoint(now, 0), "errors_per_second"), 2.5);
    cr_assert_eq(remote_number(endpoint(now, 1), "requests_per_second"), 0.0);
    json_decref(before);
    json_decref(now);
}

Test(rates, are_unknown_where_there_is_nothing_to_compare_with)
{
    json_t *before = pools("api", 100, 90, 0), *now = pools("other", 150, 140, 5);

    rates_add(now, before, 1.0);
    cr_assert(json_is_null(json_object_get(pool(now), "requests_per_second")));
    cr_assert(json_is_null(json_object_get(endpoint(now, 0), "errors_per_second")));
    rates_add(now, NULL, 0);
    cr_assert(json_is_null(json_object_get(pool(now), "requests_per_second")));
    json_decref(before);
    json_decref(now);
}

Test(rates, of_an_instance_that_began_anew_are_unknown)
{
    json_t *before = pools("api", 100, 90, 9), *now = pools("api", 3, 3, 0);

    rates_add(now, before, 1.0);
    cr_assert(json_is_null(json_object_get(pool(now), "requests_per_second")));
    cr_assert(json_is_null(json_object_get(endpoint(now, 0), "requests_per_second")));
    cr_assert(json_is_null(json_object_get(endpoint(now, 0), "errors_per_second")));
    json_decref(before);
    json_decref(now);
}
