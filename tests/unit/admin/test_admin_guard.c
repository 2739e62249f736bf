#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin_internal.h"

Test(admin_guard, a_loopback_address_answers_only_to_addresses_and_localhost)
{
    static const struct {
        const char *host;
        bool good;
    } cases[] = {
        {"127.0.0.1:9900", true},  {"127.0.0.1", true},       {"localhost:9900", true},
        {"LocalHost", true},       {"[::1]:9900", true},      {"[::1]", true},
        {"10.1.2.3", true},        {"evil.example", false},   {"evil.example:9900", false},
        {"localhost.evil", false}, {"127.0.0.1.evil", false}, {"", false},
        {"[::1", false},           {"[evil]", false},
    };
    struct admin_door door = {.loopback = true};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(admin_guard_host(&door, cases[i].host) == NULL, cases[i].good, "%s",
                     cases[i].host);
    cr_assert_null(admin_guard_host(&door, NULL));
}

Test(admin_guard, elsewhere_every_host_is_good)
{
    struct admin_door door = {.loopback = false};

    cr_assert_null(admin_guard_host(&door, "evergate.monitoring.svc:9900"));
}

Test(admin_guard, only_the_whole_token_opens)
{
    static const struct {
        const char *header;
        bool good;
    } cases[] = {
        {"Bearer sesame", true},
        {"bearer sesame", true},
        {"Bearer  sesame ", true},
        {"Bearer sesam", false},
        {"Bearer sesames", false},
        {"Bearer sesamesesame", false},
        {"Bearer ", false},
        {"Bearer", false},
        {"Basic sesame", false},
        {"sesame", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(admin_guard_token("sesame", cases[i].header), cases[i].good, "%s",
                     cases[i].header);
    cr_assert_not(admin_guard_token("sesame", NULL));
}

static int load(char **ret_token, const char *text, size_t n)
{
    char path[] = "/tmp/evergate-token-XXXXXX", *why = NULL;
    int fd = mkstemp(path), rc;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, n), (ssize_t)n);
    close(fd);
    rc = admin_token_load(ret_token, "key", path, &why);
    cr_assert_eq(rc != EG_OK, why != NULL);
    if (why)
        cr_assert_not_null(strstr(why, path));
    free(why);
    unlink(path);
    return rc;
}

Test(admin_guard, the_token_is_one_line_of_the_file)
{
    static char large[ADMIN_TOKEN_BYTES + 1];
    char *token = NULL, *why = NULL;

    cr_assert_eq(load(&token, "sesame\n", 7), EG_OK);
    cr_assert_str_eq(token, "sesame");
    free(token);
    cr_assert_neq(load(&token, "", 0), EG_OK);
    cr_assert_neq(load(&token, " \n", 2), EG_OK);
    cr_assert_neq(load(&token, "a\nb\n", 4), EG_OK);
    memset(large, 'x', sizeof(large));
    cr_assert_neq(load(&token, large, sizeof(large)), EG_OK);
    cr_assert_neq(admin_token_load(&token, "key", "/nonexistent", &why), EG_OK);
    free(why);
}

Test(admin_guard, only_managements_own_pages_may_change_something)
{
    static const struct {
        const char *origin, *host;
        bool good;
    } cases[] = {
        {NULL, "127.0.0.1:9900", true},
        {NULL, NULL, true},
        {"http://127.0.0.1:9900", "127.0.0.1:9900", true},
        {"HTTP://LocalHost:9900", "localhost:9900", true},
        {"https://ops.example", "ops.example", true},
        {"http://127.0.0.1:8080", "127.0.0.1:9900", false},
        {"http://127.0.0.1", "127.0.0.1:9900", false},
        {"http://evil.example", "127.0.0.1:9900", false},
        {"http://127.0.0.1:9900.evil.example", "127.0.0.1:9900", false},
        {"null", "127.0.0.1:9900", false},
        {"", "127.0.0.1:9900", false},
        {"http://", "", false},
        {"file://", "127.0.0.1:9900", false},
        {"http://127.0.0.1:9900", NULL, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(admin_guard_origin(cases[i].origin, cases[i].host) == NULL, cases[i].good,
                     "%s", cases[i].origin);
}
