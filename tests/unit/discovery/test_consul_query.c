/* What is sent to Consul. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "discovery/consul_query.h"

static void expect_target(const struct config_discovery *config, uint64_t index, const char *target)
{
    char *got = consul_query_health(config, index);

    cr_expect_str_eq(got, target);
    free(got);
}

Test(consul_query, without_an_index_it_does_not_block)
{
    const struct config_discovery config = {.service = "api", .datacenter = "", .wait_ms = 300000};

    expect_target(&config, 0, "/v1/health/service/api");
    expect_target(&config, 7, "/v1/health/service/api?index=7&wait=300000ms");
}

Test(consul_query, every_tag_and_the_datacenter_are_asked_for)
{
    const char *tags[] = {"blue", "v2", NULL};
    const struct config_discovery config = {
        .service = "api", .datacenter = "eu", .service_tags = tags, .wait_ms = 1500};

    expect_target(&config, 0, "/v1/health/service/api?dc=eu&tag=blue&tag=v2");
    expect_target(&config, UINT64_MAX,
                  "/v1/health/service/api?index=18446744073709551615&wait=1500ms&dc=eu"
                  "&tag=blue&tag=v2");
}

Test(consul_query, what_means_something_in_a_target_is_encoded)
{
    const char *tags[] = {"a b&c=d", "\xc3\xa9", NULL};
    const struct config_discovery config = {
        .service = "a/../b?c#d%\r\n", .datacenter = "x&y", .service_tags = tags, .wait_ms = 1};

    expect_target(&config, 0,
                  "/v1/health/service/a%2F..%2Fb%3Fc%23d%25%0D%0A?dc=x%26y&tag=a%20b%26c%3Dd"
                  "&tag=%C3%A9");
}

Test(consul_query, an_id_is_one_segment_of_a_path)
{
    char *got = consul_query_segment("/v1/agent/check/pass/service%3A", "a/b:1", "?note=serving");

    cr_expect_str_eq(got, "/v1/agent/check/pass/service%3Aa%2Fb%3A1?note=serving");
    free(got);
}

/* ---- the token ---- */

static void expect_token(struct consul_token *token, const char *text)
{
    struct http_header_edit header;
    size_t count = 7;
    char *why = NULL;

    cr_assert_eq(consul_token_read(token, &header, &count, &why), 0, "%s", why);
    cr_assert_eq(count, 1);
    cr_expect(slice_eq(header.name, SLICE_LIT("X-Consul-Token")));
    cr_expect(slice_eq(header.value, slice_str(text)), "%.*s", SLICE_FMT(header.value));
}

static void expect_no_token(struct consul_token *token, const char *word)
{
    struct http_header_edit header;
    size_t count;
    char *why = NULL;

    cr_assert_neq(consul_token_read(token, &header, &count, &why), 0);
    cr_expect(strstr(why, word), "%s", why);
    free(why);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

Test(consul_token, without_one_there_is_no_header)
{
    const struct config_discovery config = {.token = ""};
    struct consul_token token;
    struct http_header_edit header;
    size_t count = 7;
    char *why = NULL;
    char text[] = "all of this stays";

    consul_token_init(&token, &config);
    cr_expect_eq(consul_token_read(&token, &header, &count, &why), 0);
    cr_expect_eq(count, 0);
    consul_token_redact(&token, text);
    cr_expect_str_eq(text, "all of this stays");
    consul_token_fini(&token);
}

Test(consul_token, that_of_the_configuration_is_sent)
{
    const struct config_discovery config = {.token = "b1gs33cr3t"};
    struct consul_token token;

    consul_token_init(&token, &config);
    expect_token(&token, "b1gs33cr3t");
    consul_token_fini(&token);
}

Test(consul_token, a_file_is_read_anew_each_time)
{
    char *path = xasprintf("/tmp/consul_token_test.%d", (int)getpid());
    const struct config_discovery config = {.token = "", .token_file = path};
    struct consul_token token;

    consul_token_init(&token, &config);
    expect_no_token(&token, path);
    write_text(path, "first\n");
    expect_token(&token, "first");
    write_text(path, "second\n");
    expect_token(&token, "second");
    unlink(path);
    expect_token(&token, "second"); /* a rotation may take a moment */
    write_text(path, "third\r\nX-Evil: 1\n");
    expect_no_token(&token, path);
    consul_token_fini(&token);
    unlink(path);
    free(path);
}

Test(consul_token, what_would_end_the_header_is_none)
{
    static const char *const wrong[] = {"a b", "a\r\nHost: b", "\x7f", "\xc3\xa9"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct config_discovery config = {.token = wrong[i]};
        struct consul_token token;

        consul_token_init(&token, &config);
        expect_no_token(&token, "token");
        consul_token_fini(&token);
    }
}

Test(consul_token, it_is_overwritten_where_a_server_quotes_it)
{
    const struct config_discovery config = {.token = "s3cr3t"};
    struct consul_token token;
    char text[] = "s3cr3t: no token s3cr3ts3cr3t is known (s3cr3)";

    consul_token_init(&token, &config);
    consul_token_redact(&token, text);
    cr_expect_str_eq(text, "******: no token ************ is known (s3cr3)");
    consul_token_fini(&token);
}

Test(consul_token, is_redacted_where_a_quote_was_cut_within_it)
{
    static const struct {
        char text[32];
        const char *wanted;
    } cases[] = {
        {"no token b1gs33cr3", "no token *********"},
        {"no JSON: \"b1gs\"", "no JSON: \"****\""},
        {"a b1g", "a b1g"},
        {"b1gs3", "*****"},
    };
    const struct config_discovery config = {.token = "b1gs33cr3t"};
    struct consul_token token;
    char text[32];

    consul_token_init(&token, &config);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(text, cases[i].text, sizeof(text));
        consul_token_redact(&token, text);
        cr_expect_str_eq(text, cases[i].wanted);
    }
    consul_token_fini(&token);
}
