#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/queue.h>
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
        {"[::1", false},           {"[evil]", false},         {"[::1].evil", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(admin_guard_host(cases[i].host) == NULL, cases[i].good, "%s", cases[i].host);
    cr_assert_null(admin_guard_host(NULL));
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

static void add(struct evkeyvalq *headers, const char *name, const char *value)
{
    if (value)
        evhttp_add_header(headers, name, value);
}

/* May a page with these fields change something? */
static bool page_may(const char *origin, const char *site, const char *host, bool token)
{
    struct evkeyvalq headers;
    bool good;

    TAILQ_INIT(&headers);
    add(&headers, "Origin", origin);
    add(&headers, "Sec-Fetch-Site", site);
    add(&headers, "Host", host);
    good = admin_guard_page(&headers, token) == NULL;
    evhttp_clear_headers(&headers);
    return good;
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
        {"https://10.0.0.1", "10.0.0.1", true},
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
        cr_assert_eq(page_may(cases[i].origin, NULL, cases[i].host, false), cases[i].good, "%s",
                     cases[i].origin);
}

/* To the browser, a name that was rebound is the page's own origin. */
Test(admin_guard, a_page_under_a_name_needs_the_token_that_a_rebound_one_has_not)
{
    cr_assert_not(page_may("http://evil.example:9900", NULL, "evil.example:9900", false));
    cr_assert(page_may("https://ops.example", NULL, "ops.example", true));
    cr_assert_not(page_may("https://evil.example", NULL, "ops.example", true));
}

Test(admin_guard, believes_the_browser_about_the_site_that_asks)
{
    cr_assert_not(page_may(NULL, "cross-site", "127.0.0.1:9900", true));
    cr_assert_not(page_may(NULL, "same-site", "127.0.0.1:9900", true));
    cr_assert(page_may(NULL, "same-origin", "127.0.0.1:9900", false));
    cr_assert(page_may(NULL, "none", "127.0.0.1:9900", false));
}
