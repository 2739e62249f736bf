#include <criterion/criterion.h>

#include <stdio.h>

#include "admin/admin_match.h"

#define ENDPOINT "/pools/{pool}/endpoints/{endpoint}"

static enum admin_match match(const char *template, const char *path)
{
    struct admin_parameters parameters;
    enum admin_match match = admin_match(template, path, &parameters);

    if (match == ADMIN_MATCH_YES)
        admin_parameters_free(&parameters);
    return match;
}

Test(admin_match, a_path_without_parameters_is_matched_as_a_whole)
{
    cr_assert_eq(match("/metrics", "/metrics"), ADMIN_MATCH_YES);
    cr_assert_eq(match("/", "/"), ADMIN_MATCH_YES);
    cr_assert_eq(match("/metrics", "/metric"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/metrics", "/metrics/"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/metrics", "/metricsandmore"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/metrics", "metrics"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/metrics", ""), ADMIN_MATCH_NO);
    cr_assert_eq(match("/a/b", "/a"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/a", "/a/b"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/a/b", "/a//b"), ADMIN_MATCH_NO);
}

Test(admin_match, parameters_are_decoded_after_the_path_was_split)
{
    struct admin_parameters parameters;

    cr_assert_eq(admin_match(ENDPOINT, "/pools/api/endpoints/unix:%2Frun%2fa.sock", &parameters),
                 ADMIN_MATCH_YES);
    cr_assert_eq(parameters.count, 2);
    cr_assert_str_eq(parameters.v[0], "api");
    cr_assert_str_eq(parameters.v[1], "unix:/run/a.sock");
    admin_parameters_free(&parameters);
    cr_assert_eq(admin_match(ENDPOINT, "/pools/%7Bx%7d%20/endpoints/%", &parameters),
                 ADMIN_MATCH_MALFORMED);
    cr_assert_eq(match(ENDPOINT, "/pools/{pool}/endpoints/a"), ADMIN_MATCH_YES);
}

Test(admin_match, a_parameter_is_never_empty)
{
    cr_assert_eq(match(ENDPOINT, "/pools//endpoints/a"), ADMIN_MATCH_NO);
    cr_assert_eq(match(ENDPOINT, "/pools/a/endpoints/"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/pools/{pool}", "/pools/"), ADMIN_MATCH_NO);
    cr_assert_eq(match("/pools/{pool}", "/pools/a/"), ADMIN_MATCH_NO);
}

Test(admin_match, a_wrong_escape_is_malformed_where_the_rest_fits)
{
    static const char *const wrong[] = {"%", "%4", "%zz", "%4g", "a%", "%00", "a%00b"};
    char path[64];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(path, sizeof(path), "/pools/%s", wrong[i]);
        cr_assert_eq(match("/pools/{pool}", path), ADMIN_MATCH_MALFORMED, "%s", path);
        cr_assert_eq(match("/pools/{pool}/endpoints", path), ADMIN_MATCH_NO, "%s", path);
        cr_assert_eq(match("/spools/{pool}", path), ADMIN_MATCH_NO, "%s", path);
    }
}

/* Every prefix of a good path, and every byte of it changed, is looked at without a sanitizer's
 * complaint. */
Test(admin_match, anything_may_be_asked)
{
    static const char good[] = "/pools/a%2Fb/endpoints/%41";

    for (size_t n = 0; n < sizeof(good); n++) {
        for (int c = 1; c < 256; c++) {
            char path[sizeof(good) + 1];

            snprintf(path, sizeof(path), "%.*s", (int)n, good);
            path[n] = (char)c;
            path[n + 1] = '\0';
            match(ENDPOINT, path);
        }
    }
    cr_assert_eq(match(ENDPOINT, good), ADMIN_MATCH_YES);
}
