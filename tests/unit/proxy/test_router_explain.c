/* Routes in words: the same verdicts as the router's, and the reason. */
#include <criterion/criterion.h>

#include "proxy/router.h"
#include "proxy/router_explain.h"

static struct config *config;
static struct arena arena;

static const char text[] =
    "listeners = ( { name = \"edge\"; bind = \"127.0.0.1:0\"; },\n"
    "              { name = \"inner\"; bind = \"127.0.0.2:0\"; } );\n"
    "pools = ( { name = \"p\"; backends = ( { address = \"127.0.0.1:1\"; } ); } );\n"
    "routes = (\n"
    " { name = \"inner\"; listener = \"inner\"; host = \"orders\"; pool = \"p\"; },\n"
    " { name = \"outer\"; listener = \"edge\"; path = \"/outer\"; pool = \"p\"; },\n"
    " { name = \"host\"; host = \"api.example.com\"; pool = \"p\"; },\n"
    " { name = \"wild\"; host = \"*.example.org\"; pool = \"p\"; },\n"
    " { name = \"exact\"; path = \"/exact\"; path_match = \"exact\"; pool = \"p\"; },\n"
    " { name = \"regex\"; path = \"^/item/[0-9]+$\"; path_match = \"regex\"; pool = \"p\"; },\n"
    " { name = \"header\"; path = \"/h\"; headers = ( { name = \"x-canary\"; value = \"1\"; } );"
    "   pool = \"p\"; },\n"
    " { name = \"method\"; path = \"/m/\"; methods = [ \"GET\", \"HEAD\" ]; pool = \"p\"; },\n"
    " { name = \"rest\"; path = \"/rest\"; pool = \"p\"; },\n"
    " { name = \"all\"; pool = \"p\"; }\n"
    ");\n";

static void setup(void)
{
    struct config_errors errors;

    cr_assert_eq(config_load_text(&config, "router.conf", text, &errors), EG_OK);
    config_errors_free(&errors);
    arena_init(&arena);
}

static void teardown(void)
{
    arena_fini(&arena);
    config_unref(&config);
}

TestSuite(router_explain, .init = setup, .fini = teardown);

static const struct config_route *route_named(const char *name)
{
    size_t i = 0;

    while (strcmp(config->routes[i].name, name) != 0)
        i++;
    return &config->routes[i];
}

static void expect(const char *route, const struct http_request_head *head,
                   enum router_verdict verdict, const char *why)
{
    struct slice path = route_path_normalise(head->path, &arena);
    struct router_explanation told = router_explain(route_named(route), "edge", head, path, &arena);

    cr_expect_eq(told.verdict, verdict, "%s: %s", route, router_verdict_name(told.verdict));
    cr_expect_str_eq(told.why.p, why);
    cr_expect_eq(told.why.n, strlen(why));
}

static struct http_request_head get(const char *host, const char *path)
{
    return (struct http_request_head){.method = SLICE_LIT("GET"),
                                      .method_id = HTTP_METHOD_GET,
                                      .authority = slice_str(host),
                                      .path = slice_str(path)};
}

Test(router_explain, tells_the_condition_that_failed)
{
    struct http_request_head head = get("www.example.com:80", "/x?y");

    expect("host", &head, ROUTER_OTHER_HOST,
           "the host is \"www.example.com\", not \"api.example.com\"");
    expect("wild", &head, ROUTER_OTHER_HOST,
           "the host \"www.example.com\" is no sub-domain of \"example.org\"");
    expect("exact", &head, ROUTER_OTHER_PATH, "the path \"/x\" is not exactly \"/exact\"");
    expect("regex", &head, ROUTER_OTHER_PATH,
           "the path \"/x\" does not match the expression \"^/item/[0-9]+$\"");
    expect("rest", &head, ROUTER_OTHER_PATH, "the path \"/x\" is not under \"/rest\"");
    head.authority = slice_str("");
    expect("host", &head, ROUTER_OTHER_HOST,
           "the request names no host, and \"api.example.com\" is asked for");
}

Test(router_explain, tells_of_the_listener)
{
    struct http_request_head head = get("orders", "/outer");

    expect("inner", &head, ROUTER_OTHER_LISTENER,
           "it came by the listener \"edge\", not by \"inner\"");
    expect("outer", &head, ROUTER_TAKES_IT, "it came by \"edge\", the path is under \"/outer\"");
}

Test(router_explain, tells_of_headers_and_methods)
{
    struct http_field field = {.name = SLICE_LIT("X-Canary"), .value = SLICE_LIT("2")};
    struct http_request_head head = get("a", "/h");

    expect("header", &head, ROUTER_OTHER_HEADER, "there is no header x-canary");
    head.fields = (struct http_fields){.v = &field, .count = 1, .capacity = 1};
    expect("header", &head, ROUTER_OTHER_HEADER, "the header x-canary is \"2\", not \"1\"");
    field.value = SLICE_LIT("1");
    expect("header", &head, ROUTER_TAKES_IT, "the path is under \"/h\", the headers fit");
    head = get("a", "/m/1");
    expect("method", &head, ROUTER_TAKES_IT, "the path is under \"/m/\", the method is taken");
    head.method = SLICE_LIT("PUT");
    expect("method", &head, ROUTER_OTHER_METHOD, "the method is PUT, and it takes only GET, HEAD");
    head.method_id = HTTP_METHOD_CONNECT;
    expect("all", &head, ROUTER_OTHER_METHOD, "CONNECT must be among the route's methods by name");
}

Test(router_explain, tells_why_it_takes_a_request)
{
    struct http_request_head head = get("api.example.com", "/exact");

    expect("host", &head, ROUTER_TAKES_IT, "the host fits \"api.example.com\"");
    expect("exact", &head, ROUTER_TAKES_IT, "the path is exactly \"/exact\"");
    expect("all", &head, ROUTER_TAKES_IT, "it takes every request");
}

/* The first route that it says would take a request is the one that the router chooses. */
Test(router_explain, agrees_with_the_router)
{
    static const char *const hosts[] = {"api.example.com", "b.example.org", "", "example.org"};
    static const char *const paths[] = {"/",  "/exact", "/item/7", "/item/x",  "/h",
                                        "/m", "/rest/", "/%72est", "/restless"};

    for (size_t h = 0; h < 4; h++) {
        for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
            struct http_request_head head = get(hosts[h], paths[p]);
            struct slice path = route_path_normalise(head.path, &arena);
            size_t i = 0;

            while (router_explain(&config->routes[i], "edge", &head, path, &arena).verdict !=
                   ROUTER_TAKES_IT)
                i++;
            cr_expect_eq(router_match(config, "edge", &head, path, &arena).route,
                         &config->routes[i]);
        }
    }
}
