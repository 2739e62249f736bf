/* pools[].fallback, .sticky and .recovery: what is done when nothing can answer, and for whom. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

/* Three pools and a route; `a`, `b` and `c` are their fallbacks. */
static char *three_pools(const char *a, const char *b, const char *c)
{
    return xasprintf(LISTENER "pools = ( { name = \"a\"; backends = ( { address = \"a:1\"; } );\n"
                              "  fallback = { pool = \"%s\"; }; },\n"
                              "{ name = \"b\"; backends = ( { address = \"b:1\"; } );\n"
                              "  fallback = { pool = \"%s\"; }; },\n"
                              "{ name = \"c\"; backends = ( { address = \"c:1\"; } );\n"
                              "  fallback = { pool = \"%s\"; }; } );\n"
                              "routes = ( { pool = \"a\"; } );\n",
                     a, b, c);
}

Test(fallback, every_key_is_read)
{
    char *directory = support_directory_make();
    char *file = support_write(directory, "sorry.html", "<p>Sorry.</p>\n");
    char *text = xasprintf(IN_POOL("fallback = { stale = \"10m\"; cache = \"64m\"; cache_entry = "
                                   "\"64k\"; status = 200; body_file = \"%s\"; pool = \"\"; };"),
                           file);
    struct config *c = support_load(text);
    const struct config_fallback *f = &c->pools[0].fallback;

    cr_expect_eq(f->stale_ms, 600000);
    cr_expect_eq(f->cache_bytes, 64 << 20);
    cr_expect_eq(f->cache_entry_bytes, 64 << 10);
    cr_expect_eq(f->status, 200);
    cr_expect_str_eq(f->body_file, file);
    cr_expect(slice_eq(f->body, SLICE_LIT("<p>Sorry.</p>\n")));
    cr_expect_str_eq(f->body_type, "text/html; charset=utf-8");
    cr_expect_eq(f->pool, -1);
    config_unref(&c);
    free(text);
    free(file);
    support_directory_remove(&directory);
}

Test(fallback, the_files_name_says_its_type)
{
    static const char *const table[][2] = {
        {"a.html", "text/html; charset=utf-8"}, {"a.json", "application/json"},
        {"a.txt", "text/plain; charset=utf-8"}, {"a.png", "application/octet-stream"},
        {"html", "application/octet-stream"},
    };
    char *directory = support_directory_make();

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *file = support_write(directory, table[i][0], "");
        char *text = xasprintf(IN_POOL("fallback = { body_file = \"%s\"; };"), file);
        struct config *c = support_load(text);

        cr_expect_str_eq(c->pools[0].fallback.body_type, table[i][1]);
        cr_expect_eq(c->pools[0].fallback.body.n, 0);
        config_unref(&c);
        free(text);
        free(file);
    }
    support_directory_remove(&directory);
}

Test(fallback, a_file_need_not_be_text_and_is_found_beside_the_configuration)
{
    char *directory = support_directory_make();
    char *conf = support_write(directory, "edge.conf",
                               LISTENER "pools = ( { backends = ( { address = \"a:1\"; } ); "
                                        "fallback = { body_file = \"sorry.png\"; }; } );\n");
    char *path = xasprintf("%s/sorry.png", directory);
    FILE *f = fopen(path, "w");
    struct config *c = NULL;
    struct config_errors errors;

    cr_assert_not_null(f);
    fwrite("\x89P\0G", 1, 4, f);
    fclose(f);
    cr_assert_eq(config_load(&c, conf, &errors), 0);
    cr_expect_eq(c->pools[0].fallback.body.n, 4);
    cr_expect_eq(memcmp(c->pools[0].fallback.body.p, "\x89P\0G", 4), 0);
    config_unref(&c);
    free(path);
    free(conf);
    support_directory_remove(&directory);
}

Test(fallback, a_small_cache_has_small_entries)
{
    struct config *c = support_load(IN_POOL("fallback = { stale = \"1m\"; cache = \"64k\"; };"));

    cr_expect_eq(c->pools[0].fallback.cache_entry_bytes, 65536);
    config_unref(&c);
}

Test(fallback, pools_are_found_wherever_they_stand)
{
    char *text = three_pools("c", "a", "");
    struct config *c = support_load(text);

    cr_expect_eq(c->pools[0].fallback.pool, 2);
    cr_expect_eq(c->pools[1].fallback.pool, 0);
    cr_expect_eq(c->pools[2].fallback.pool, -1);
    config_unref(&c);
    free(text);
}

static void check_pools(const char *a, const char *b, const char *c, unsigned line,
                        const char *says)
{
    char *text = three_pools(a, b, c);
    struct support_mistake mistake = {text, line, says};

    support_check_mistakes(&mistake, 1);
    free(text);
}

Test(fallback, pools_that_lead_nowhere_are_mistakes)
{
    check_pools("x", "", "", 3, "there is no pool \"x\"; write the name of one in pools");
    check_pools("a", "", "", 3, "pool \"a\" cannot be its own fallback; write another pool");
    check_pools("b", "a", "", 3,
                "fallback pools go round in a circle: \"a\" -> \"b\" -> \"a\"; remove one of them");
    check_pools("", "c", "b", 5, "circle: \"b\" -> \"c\" -> \"b\"");
    check_pools("b", "c", "a", 3, "circle: \"a\" -> \"b\" -> \"c\" -> \"a\"");
    check_pools("b", "c", "b", 5, "circle: \"b\" -> \"c\" -> \"b\"");
    check_pools("c", "a", "b", 3, "circle: \"a\" -> \"c\" -> \"b\" -> \"a\"");
}

Test(fallback, mistakes_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("fallback = { stale = 10; };"), 3, "write stale = \"10s\""},
        {IN_POOL("fallback = { cache = \"63k\"; };"), 3, "write \"64k\" to \"64g\""},
        {IN_POOL("fallback = { cache_entry = \"1000b\"; };"), 3, "write \"1k\" to \"1g\""},
        {IN_POOL("fallback = { cache = \"1m\"; cache_entry = \"2m\"; };"), 3,
         "cache_entry: an answer cannot be larger than the cache; write at most \"1m\""},
        {IN_POOL("fallback = { status = 199; };"), 3, "status: 199 is out of range"},
        {IN_POOL("fallback = { body_file = \"/nowhere/x\"; };"), 3,
         "fallback: body_file: cannot read \"/nowhere/x\": No such file"},
        {IN_POOL("fallback = { body_file = \"/tmp\"; };"), 3, "it is not a file"},
        {IN_POOL("fallback = { status = 204; body_file = \"/etc/passwd\"; };"), 3,
         "body_file: an answer with status 204 has no body"},
        {IN_POOL("fallback = { pool = \"ap\"; };"), 3,
         "there is no pool \"ap\"; did you mean \"app\"?"},
        {IN_POOL("fallback = { pool = 1; };"), 3, "pool must be a pool's name, not an integer"},
    };

    SUPPORT_CHECK_ALL(table);
}

/* A file with `bytes` bytes; its path (heap). */
static char *file_of(const char *directory, size_t bytes)
{
    char *text = xmalloc(bytes + 1), *path;

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    path = support_write(directory, "file", text);
    free(text);
    return path;
}

static void check_file(size_t bytes, const char *format, const char *says)
{
    char *directory = support_directory_make(), *path = file_of(directory, bytes);
    char *key = xasprintf("%s = \"%s\";", format, path);
    char *text = xasprintf(IN_POOL("%s };"), key);
    struct support_mistake mistake = {text, 3, says};
    struct config *c;

    if (says != NULL) {
        support_check_mistakes(&mistake, 1);
    } else {
        c = support_load(text);
        config_unref(&c);
    }
    free(text);
    free(key);
    free(path);
    support_directory_remove(&directory);
}

Test(fallback, a_file_has_at_most_a_megabyte)
{
    check_file(1 << 20, "fallback = { body_file", NULL);
    check_file((1 << 20) + 1, "fallback = { body_file", "it is larger than 1048576 bytes");
}

/* ---- sticky ---- */

Test(sticky, has_defaults)
{
    struct config *c = support_load(IN_POOL("sticky = { };"));

    cr_expect_str_eq(c->pools[0].sticky->cookie, "EGSID");
    cr_expect_eq(c->pools[0].sticky->ttl_ms, 3600000);
    cr_expect_null(c->pools[0].sticky->secret_file);
    cr_expect_eq(c->pools[0].sticky->secret.n, 0);
    config_unref(&c);
}

Test(sticky, every_key_is_read)
{
    char *directory = support_directory_make(), *path = file_of(directory, 16);
    char *text = xasprintf(IN_POOL("sticky = { cookie = \"sid\"; ttl = \"2h\"; secret_file = "
                                   "\"%s\"; }; algorithm = \"consistent_hash\";"),
                           path);
    struct config *c = support_load(text);
    const struct config_sticky *s = c->pools[0].sticky;

    cr_expect_str_eq(s->cookie, "sid");
    cr_expect_eq(s->ttl_ms, 7200000);
    cr_expect_str_eq(s->secret_file, path);
    cr_expect(slice_eq(s->secret, SLICE_LIT("xxxxxxxxxxxxxxxx")));
    config_unref(&c);
    free(text);
    free(path);
    support_directory_remove(&directory);
}

Test(sticky, secrets_have_16_to_4096_bytes)
{
    check_file(15, "sticky = { secret_file",
               "holds 15 bytes; write 16 to 4096, such as the output");
    check_file(16, "sticky = { secret_file", NULL);
    check_file(4096, "sticky = { secret_file", NULL);
    check_file(4097, "sticky = { secret_file", "it is larger than 4096 bytes");
}

Test(sticky, mistakes_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("sticky = { cookie = \"a b\"; };"), 3,
         "sticky: cookie: \"a b\" is not a cookie's name; write letters, digits and \"_\""},
        {IN_POOL("sticky = { cookie = \"\"; };"), 3, "cookie: \"\" is not a cookie's name"},
        {IN_POOL("sticky = { ttl = \"0\"; };"), 3, "ttl: \"0\" is out of range; write \"1s\""},
        {IN_POOL("sticky = { secret_file = \"/nowhere/s\"; };"), 3,
         "secret_file: cannot read \"/nowhere/s\": No such file"},
    };

    SUPPORT_CHECK_ALL(table);
}

/* ---- recovery ---- */

Test(recovery, every_key_is_read)
{
    struct config *c = support_load(IN_POOL(
        "health = { }; recovery = { command = \"fix\"; webhook = \"https://[::1]:9000/a?b=c\"; "
        "max_attempts = 7; interval = \"5m\"; timeout = \"1m\"; };"));
    const struct config_recovery *r = c->pools[0].recovery;

    cr_expect_str_eq(r->command.argv[0], "fix");
    cr_expect_str_eq(r->webhook, "https://[::1]:9000/a?b=c");
    cr_expect_eq(r->max_attempts, 7);
    cr_expect_eq(r->interval_ms, 300000);
    cr_expect_eq(r->timeout_ms, 60000);
    config_unref(&c);
}

Test(recovery, has_defaults)
{
    struct config *c =
        support_load(IN_POOL("health = { }; recovery = { command = \"fix\"; webhook = \"\"; };"));
    const struct config_recovery *r = c->pools[0].recovery;

    cr_expect_str_eq(r->command.argv[0], "fix");
    cr_expect_null(r->webhook);
    cr_expect_eq(r->max_attempts, 3);
    cr_expect_eq(r->interval_ms, 60000);
    cr_expect_eq(r->timeout_ms, 30000);
    config_unref(&c);
}

Test(recovery, webhooks_are_urls)
{
    static const char *const good[] = {"http://127.0.0.1", "http://127.0.0.1/", "https://a.b:1/x",
                                       "http://[::1]/x"};

    for (size_t i = 0; i < 4; i++) {
        char *text = xasprintf(IN_POOL("health = { }; recovery = { webhook = \"%s\"; };"), good[i]);
        struct config *c = support_load(text);

        config_unref(&c);
        free(text);
    }
}

#define RECOVERY(keys) IN_POOL("health = { }; recovery = { " keys " };")

Test(recovery, mistakes_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("recovery = { command = \"x\"; };"), 3,
         "pool \"app\": recovery needs checks to know when it is called for and whether it helped; "
         "write health = { } beside it"},
        {RECOVERY(""), 3, "recovery: there is nothing to do; write command = \"PROGRAM"},
        {RECOVERY("command = \"\"; webhook = \"\";"), 3, "there is nothing to do"},
        {RECOVERY("command = \"a\"; max_attempts = 0;"), 3, "write 1 to 1000"},
        {RECOVERY("command = \"a\"; interval = \"0\";"), 3, "write \"1ms\" to \"30d\""},
        {RECOVERY("webhook = \"127.0.0.1:80/x\";"), 3,
         "webhook: \"127.0.0.1:80/x\" is no URL to call; write one such as "
         "\"http://127.0.0.1:9000/repair\""},
        {RECOVERY("webhook = \"ftp://127.0.0.1/\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http:///x\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://u@127.0.0.1/\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://127.0.0.1/a b\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://127.0.0.1/#a\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://127.0.0.1?a\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://127.0.0.1:99999/\";"), 3, "webhook: port 99999 is out"},
        {RECOVERY("webhook = \"http://a_b c/\";"), 3, "is no URL to call"},
        {RECOVERY("webhook = \"http://::1/\";"), 3, "webhook: "},
        {RECOVERY("webhook = \"http://10.0.0.300/\";"), 3, "neither an IP address nor a host name"},
    };

    SUPPORT_CHECK_ALL(table);
}
