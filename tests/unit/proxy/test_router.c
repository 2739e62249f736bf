/* Routes: which one a request takes, its normalised path, its rewritten path. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "proxy/router.h"

static struct config *config;
static struct arena arena;

static const char text[] =
    "listeners = ( { name = \"edge\"; bind = \"127.0.0.1:0\"; },\n"
    "              { name = \"inner\"; bind = \"127.0.0.2:0\"; } );\n"
    "pools = ( { name = \"p\"; backends = ( { address = \"127.0.0.1:1\"; } ); },\n"
    "          { name = \"q\"; backends = ( { address = \"127.0.0.1:2\"; } ); } );\n"
    "routes = (\n"
    " { name = \"inner\"; listener = \"inner\"; host = \"orders\"; pool = \"q\"; },\n"
    " { name = \"outer\"; listener = \"edge\"; host = \"orders\"; pool = \"p\"; },\n"
    " { name = \"exact-host\"; host = \"api.example.com\"; path = \"/v1/\"; pool = \"p\"; },\n"
    " { name = \"wildcard\"; host = \"*.example.com\"; path = \"/w\"; pool = \"p\"; },\n"
    " { name = \"get-only\"; path = \"/get\"; methods = [ \"GET\" ]; pool = \"p\"; },\n"
    " { name = \"canary\"; path = \"/c\"; headers = ( { name = \"x-canary\"; value = \"1\"; } ); "
    "pool = \"q\"; },\n"
    " { name = \"stable\"; path = \"/c\"; pool = \"p\"; },\n"
    " { name = \"regex\"; path = \"^/item/[0-9]+$\"; path_match = \"regex\"; pool = \"p\"; },\n"
    " { name = \"exact\"; path = \"/exact\"; path_match = \"exact\"; pool = \"p\"; },\n"
    " { name = \"strip\"; path = \"/strip/\"; rewrite = { prefix = \"/\"; }; pool = \"p\"; },\n"
    " { name = \"mount\"; path = \"/mount\"; rewrite = { prefix = \"/base/\"; }; pool = \"p\"; },\n"
    " { name = \"star\"; host = \"star\"; path = \"*\"; path_match = \"exact\"; pool = \"p\"; },\n"
    " { name = \"star-2\"; host = \"star-2\"; path = \"*\"; pool = \"p\"; },\n"
    " { name = \"tunnel\"; host = \"tunnel\"; methods = [ \"CONNECT\" ]; pool = \"p\"; },\n"
    " { name = \"split\"; path = \"/split\"; pools = ( { pool = \"p\"; weight = 95; }, { pool = "
    "\"q\"; weight = 5; } ); }\n"
    ");\n";

static void setup(void)
{
    struct config_errors errors;

    cr_assert_eq(config_load_text(&config, "router.conf", text, &errors), EG_OK, "%s",
                 errors.count > 0 ? errors.v[0].message : "");
    config_errors_free(&errors);
    arena_init(&arena);
}

static void teardown(void)
{
    arena_fini(&arena);
    config_unref(&config);
}

TestSuite(router, .init = setup, .fini = teardown);

static struct http_request_head request(const char *method, const char *host, const char *path)
{
    struct http_request_head head = {
        .method = slice_str(method), .authority = slice_str(host), .path = slice_str(path)};

    if (strcmp(method, "CONNECT") == 0)
        head.method_id = HTTP_METHOD_CONNECT;
    return head;
}

static const char *route_of(const char *method, const char *host, const char *path)
{
    struct http_request_head head = request(method, host, path);
    struct slice normal = route_path_normalise(head.path, &arena);
    struct router_result result = router_match(config, "edge", &head, normal, &arena);

    return result.route != NULL ? result.route->name : "none";
}

/* Whatever a client writes into Host, it cannot take the routes of another listener. */
Test(router, a_route_of_one_listener_is_closed_to_requests_by_another)
{
    struct http_request_head head = request("GET", "orders", "/");

    cr_expect_str_eq(router_match(config, "edge", &head, head.path, &arena).route->name, "outer");
    cr_expect_str_eq(router_match(config, "inner", &head, head.path, &arena).route->name, "inner");
    cr_expect_null(router_match(config, "third", &head, head.path, &arena).route);
}

Test(router, matches_hosts_whatever_their_case_port_and_final_dot)
{
    cr_expect_str_eq(route_of("GET", "api.example.com", "/v1/x"), "exact-host");
    cr_expect_str_eq(route_of("GET", "API.Example.com:8080", "/v1/x"), "exact-host");
    cr_expect_str_eq(route_of("GET", "api.example.com.", "/v1/x"), "exact-host");
    cr_expect_str_eq(route_of("GET", "other.com", "/v1/x"), "none");
}

Test(router, a_wildcard_host_takes_sub_domains_but_not_the_domain)
{
    cr_expect_str_eq(route_of("GET", "a.example.com", "/w"), "wildcard");
    cr_expect_str_eq(route_of("GET", "a.b.example.com", "/w"), "wildcard");
    cr_expect_str_eq(route_of("GET", "example.com", "/w"), "none");
    cr_expect_str_eq(route_of("GET", "badexample.com", "/w"), "none");
}

Test(router, a_prefix_matches_whole_segments_only)
{
    cr_expect_str_eq(route_of("GET", "a.example.com", "/w/x"), "wildcard");
    cr_expect_str_eq(route_of("GET", "a.example.com", "/www"), "none");
    cr_expect_str_eq(route_of("GET", "api.example.com", "/v1"), "exact-host");
    cr_expect_str_eq(route_of("GET", "api.example.com", "/v1?x=1"), "exact-host");
    cr_expect_str_eq(route_of("GET", "api.example.com", "/v10"), "none");
}

Test(router, exact_and_regex_paths_ignore_the_query)
{
    cr_expect_str_eq(route_of("GET", "h", "/exact?a=b"), "exact");
    cr_expect_str_eq(route_of("GET", "h", "/exact/"), "none");
    cr_expect_str_eq(route_of("GET", "h", "/item/42?x"), "regex");
    cr_expect_str_eq(route_of("GET", "h", "/item/x"), "none");
}

Test(router, first_match_wins_and_headers_take_part)
{
    struct http_field field = {SLICE_LIT("X-Canary"), SLICE_LIT("1"), HTTP_FIELD_OTHER};
    struct http_request_head head = request("GET", "h", "/c");

    cr_expect_str_eq(router_match(config, "edge", &head, head.path, &arena).route->name, "stable");
    head.fields = (struct http_fields){.v = &field, .count = 1, .capacity = 1};
    cr_expect_str_eq(router_match(config, "edge", &head, head.path, &arena).route->name, "canary");
    field.value = SLICE_LIT("2");
    cr_expect_str_eq(router_match(config, "edge", &head, head.path, &arena).route->name, "stable");
}

Test(router, another_method_is_told_apart_from_no_route)
{
    struct http_request_head head = request("POST", "h", "/get");
    struct router_result result = router_match(config, "edge", &head, head.path, &arena);

    cr_expect_null(result.route);
    cr_assert_not_null(result.method_mismatch);
    cr_expect_str_eq(result.method_mismatch->name, "get-only");
    head = request("POST", "h", "/nowhere");
    result = router_match(config, "edge", &head, head.path, &arena);
    cr_expect_null(result.route);
    cr_expect_null(result.method_mismatch);
}

Test(router, connect_needs_a_route_that_names_it)
{
    cr_expect_str_eq(route_of("CONNECT", "tunnel:443", ""), "tunnel");
    cr_expect_str_eq(route_of("CONNECT", "elsewhere:443", ""), "none");
}

Test(router, a_path_that_hides_meets_the_route_it_hides_from)
{
    static const struct {
        const char *path, *normal;
    } cases[] = {
        {"/a/b", "/a/b"},      {"/%61/b", "/a/b"},   {"/a/./b", "/a/b"},   {"/a/../b", "/b"},
        {"/../../b", "/b"},    {"/a/b/..", "/a/"},   {"/a/b/.", "/a/b/"},  {"/%2e%2e/b", "/b"},
        {"/a/%2E%2e/b", "/b"}, {"/a%2fb", "/a%2Fb"}, {"/a%zzb", "/a%zzb"}, {"/a%", "/a%"},
        {"/a%4", "/a%4"},      {"/.", "/"},          {"/..", "/"},         {"/.hidden", "/.hidden"},
        {"/...", "/..."},      {"//x/../y", "//y"},  {"/a?x=/../b", "/a"}, {"/", "/"},
        {"/a%7Eb", "/a~b"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice got = route_path_normalise(slice_str(cases[i].path), &arena);

        cr_expect(slice_eq(got, slice_str(cases[i].normal)), "%s: got %.*s, expected %s",
                  cases[i].path, SLICE_FMT(got), cases[i].normal);
    }
}

Test(router, a_rewrite_replaces_the_prefix_and_keeps_the_query)
{
    static const struct {
        const char *path, *sent;
    } cases[] = {
        {"/strip/a?q=1", "/a?q=1"},  {"/strip/", "/"},     {"/strip", "/"},
        {"/mount/a", "/base/a"},     {"/mount", "/base/"}, {"/mount?q", "/base/?q"},
        {"/strip/../strip/a", "/a"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request_head head = request("GET", "h", cases[i].path);
        struct slice normal = route_path_normalise(head.path, &arena);
        struct router_result result = router_match(config, "edge", &head, normal, &arena);
        struct slice sent;

        cr_assert_not_null(result.route, "%s", cases[i].path);
        sent = router_rewrite(result.route, &head, normal, &arena);
        cr_expect(slice_eq(sent, slice_str(cases[i].sent)), "%s: got %.*s, expected %s",
                  cases[i].path, SLICE_FMT(sent), cases[i].sent);
    }
}

Test(router, a_path_that_is_not_rewritten_is_sent_as_it_came)
{
    struct http_request_head head = request("GET", "h", "/c/%61/../b?x=%20");
    struct slice normal = route_path_normalise(head.path, &arena);
    struct router_result result = router_match(config, "edge", &head, normal, &arena);

    cr_expect(slice_eq(router_rewrite(result.route, &head, normal, &arena), head.path));
}

Test(router, weighted_pools_get_their_share)
{
    struct http_request_head head = request("GET", "h", "/split");
    const struct config_route *route = router_match(config, "edge", &head, head.path, &arena).route;
    unsigned second = 0;

    for (unsigned random = 0; random < 1000; random++)
        second += router_pick_pool(route, random) == 1;
    cr_expect_eq(second, 50);
}

Test(router, a_route_for_the_asterisk_takes_it_and_nothing_else)
{
    cr_expect_str_eq(route_of("OPTIONS", "star", "*"), "star");
    cr_expect_str_eq(route_of("OPTIONS", "star-2", "*"), "star-2");
    cr_expect_str_eq(route_of("OPTIONS", "star", "/x"), "none");
    cr_expect_str_eq(route_of("OPTIONS", "star-2", "/x"), "none");
    cr_expect_str_eq(route_of("OPTIONS", "star-2", ""), "none");
}
