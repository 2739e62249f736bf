/* Good files: every key lands where it should, every default is the documented one, and snapshots
 * are counted. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

static bool is_slice(struct slice s, const char *text)
{
    return slice_eq(s, slice_str(text));
}

Test(config, the_smallest_file_gets_every_default)
{
    struct config *c = support_load("listeners = ( { bind = \":8080\"; } );\n"
                                    "pools = ( { backends = ( { address = \"10.0.0.1:80\"; },\n"
                                    "  { address = \"app.internal:81\"; } ); } );\n");
    const struct config_listener *l = &c->listeners[0];
    const struct config_pool *p = &c->pools[0];
    const struct config_route *r = &c->routes[0];

    cr_expect_str_eq(c->file, "edge.conf");
    cr_expect_eq(c->workers, 0);
    cr_expect_eq(c->drain_timeout_ms, 30000);
    cr_expect_eq(c->drain_delay_ms, 0);
    cr_expect_eq(c->listener_count, 1);
    cr_expect_str_eq(l->name, "listener-1");
    cr_expect_str_eq(l->bind, ":8080");
    cr_expect_not(l->proxy_protocol);
    cr_expect_null(l->tls);
    cr_expect_eq(l->max_connections, 10000);
    cr_expect_eq(l->timeouts.header_ms, 10000);
    cr_expect_eq(l->timeouts.body_ms, 60000);
    cr_expect_eq(l->timeouts.idle_ms, 75000);
    cr_expect_eq(l->timeouts.write_ms, 60000);
    cr_expect_eq(l->limits.head.head_bytes, 32768);
    cr_expect_eq(l->limits.head.fields, 100);
    cr_expect_eq(l->limits.body_bytes, 0);

    cr_expect_eq(c->pool_count, 1);
    cr_expect_str_eq(p->name, "pool-1");
    cr_expect_eq(p->algorithm, CONFIG_ROUND_ROBIN);
    cr_expect_eq(p->hash_key, CONFIG_HASH_IP);
    cr_expect_str_eq(p->hash_name, "");
    cr_expect_eq(p->keepalive.idle, 64);
    cr_expect_eq(p->keepalive.timeout_ms, 60000);
    cr_expect_eq(p->keepalive.max_requests, 0);
    cr_expect_null(p->tls);
    cr_expect_eq(p->timeouts.connect_ms, 2000);
    cr_expect_eq(p->timeouts.response_ms, 30000);
    cr_expect_eq(p->timeouts.idle_ms, 60000);
    cr_expect_eq(p->backend_count, 2);
    cr_expect_str_eq(p->backends[0].id, "10.0.0.1:80");
    cr_expect_str_eq(p->backends[0].address, "10.0.0.1:80");
    cr_expect_null(p->backends[0].host);
    cr_expect_eq(p->backends[0].port, 80);
    cr_expect_eq(p->backends[0].weight, 1);
    cr_expect_not(p->backends[0].drain);
    cr_expect_null(p->backends[0].tags[0]);
    cr_expect_eq(p->backends[0].metadata_count, 0);
    cr_expect_str_eq(p->backends[1].host, "app.internal");
    cr_expect_eq(p->backends[1].port, 81);

    cr_expect_eq(c->route_count, 1);
    cr_expect_str_eq(r->name, "default");
    cr_expect_str_eq(r->host, "");
    cr_expect_str_eq(r->path, "");
    cr_expect_eq(r->path_match, CONFIG_PATH_PREFIX);
    cr_expect_null(r->methods[0]);
    cr_expect_eq(r->header_count, 0);
    cr_expect_eq(r->action, CONFIG_ROUTE_POOL);
    cr_expect_eq(r->pool_count, 1);
    cr_expect_eq(r->pools[0].pool, 0);
    cr_expect_eq(r->pool_weight_total, 1);
    cr_expect_null(r->rewrite_prefix);
    cr_expect_eq(r->timeout_ms, 0);

    cr_expect_str_eq(c->admin.bind, "127.0.0.1:9900");
    cr_expect_null(c->admin.socket);
    cr_expect_null(c->admin.token_file);
    cr_expect_eq(c->log.level, LOG_LEVEL_INFO);
    cr_expect_eq(c->log.access, CONFIG_ACCESS_STDOUT);
    cr_expect(c->log.json);
    cr_expect_eq(c->log.buffer_bytes, 1024 * 1024);
    config_unref(&c);
}

Test(config, every_key_of_the_top_admin_and_log_is_read)
{
    struct config *c =
        support_load(LISTENER POOL "workers = 4; drain_timeout = \"0\";\n"
                                   "admin = { bind = \"off\"; socket = \"/run/a.sock\"; "
                                   "token_file = \"\"; dashboard = false; };\n"
                                   "log = { level = \"debug\"; access = \"/tmp/eg-access.log\"; "
                                   "format = \"text\"; buffer = \"64k\"; };\n");

    cr_expect_eq(c->workers, 4);
    cr_expect_eq(c->drain_timeout_ms, 0);
    cr_expect_str_eq(c->admin.bind, "");
    cr_expect_str_eq(c->admin.socket, "/run/a.sock");
    cr_expect_null(c->admin.token_file);
    cr_expect_eq(c->log.level, LOG_LEVEL_DEBUG);
    cr_expect_eq(c->log.access, CONFIG_ACCESS_FILE);
    cr_expect_str_eq(c->log.access_path, "/tmp/eg-access.log");
    cr_expect_not(c->log.json);
    cr_expect_eq(c->log.buffer_bytes, 65536);
    config_unref(&c);
}

Test(config, every_key_of_a_plain_listener_is_read)
{
    struct config *c = support_load(
        POOL "listeners = ( { name = \"edge\"; bind = \"[::1]:443\"; mode = \"http\";\n"
             "  proxy_protocol = true; max_connections = 0;\n"
             "  timeouts = { header = \"1s\"; body = \"2s\"; idle = \"3s\"; write = \"4s\"; };\n"
             "  limits = { header_bytes = \"60k\"; headers = 1000; body_bytes = \"10g\"; }; },\n"
             "  { bind = \"unix:/run/in.sock\"; }, { bind = \"127.0.0.1:0\"; } );\n");
    const struct config_listener *l = &c->listeners[0];

    cr_expect_eq(c->listener_count, 3);
    cr_expect_str_eq(l->name, "edge");
    cr_expect_str_eq(l->bind, "[::1]:443");
    cr_expect(l->proxy_protocol);
    cr_expect_eq(l->max_connections, 0);
    cr_expect_eq(l->timeouts.header_ms, 1000);
    cr_expect_eq(l->timeouts.body_ms, 2000);
    cr_expect_eq(l->timeouts.idle_ms, 3000);
    cr_expect_eq(l->timeouts.write_ms, 4000);
    cr_expect_eq(l->limits.head.head_bytes, 61440);
    cr_expect_eq(l->limits.head.fields, 1000);
    cr_expect_eq(l->limits.body_bytes, UINT64_C(10) << 30);
    cr_expect_str_eq(c->listeners[1].name, "listener-2");
    config_unref(&c);
}

Test(config, every_key_of_a_route_to_pools_is_read)
{
    struct config *c = support_load(
        LISTENER
        "pools = ( { name = \"v1\"; backends = ( { address = \"a:1\"; } ); },\n"
        "  { name = \"v2\"; backends = ( { address = \"b:1\"; } ); } );\n"
        "routes = ( { name = \"api\"; host = \"*.Example.COM\"; path = \"/v1/\"; path_match = "
        "\"prefix\";\n"
        "  methods = [ \"GET\", \"PURGE\" ];\n"
        "  headers = ( { name = \"x-canary\"; value = \"1\"; }, { name = \"x-any\"; } );\n"
        "  pools = ( { pool = \"v2\"; weight = 95; }, { pool = \"v1\"; weight = 5; } );\n"
        "  rewrite = { prefix = \"/\"; }; timeout = \"30s\";\n"
        "  request_headers = { set = ( { name = \"Host\"; value = \"a.b:80\"; } );\n"
        "    add = ( { name = \"A\"; value = \"1\"; }, { name = \"A\"; value = \"2\"; } ); remove "
        "= "
        "[ \"Cookie\" ]; };\n"
        "  response_headers = { remove = ( \"Server\", \"X-Powered-By\" ); }; } );\n");
    const struct config_route *r = &c->routes[0];

    cr_expect_str_eq(r->name, "api");
    cr_expect_str_eq(r->host, "*.example.com");
    cr_expect_str_eq(r->path, "/v1/");
    cr_expect_eq(r->path_match, CONFIG_PATH_PREFIX);
    cr_expect_str_eq(r->methods[0], "GET");
    cr_expect_str_eq(r->methods[1], "PURGE");
    cr_expect_null(r->methods[2]);
    cr_assert_eq(r->header_count, 2);
    cr_expect(is_slice(r->headers[0].name, "x-canary") && is_slice(r->headers[0].value, "1"));
    cr_expect(is_slice(r->headers[1].name, "x-any") && r->headers[1].value.n == 0);
    cr_expect_eq(r->action, CONFIG_ROUTE_POOL);
    cr_assert_eq(r->pool_count, 2);
    cr_expect(r->pools[0].pool == 1 && r->pools[0].weight == 95);
    cr_expect(r->pools[1].pool == 0 && r->pools[1].weight == 5);
    cr_expect_eq(r->pool_weight_total, 100);
    cr_expect_str_eq(r->rewrite_prefix, "/");
    cr_expect_eq(r->timeout_ms, 30000);
    cr_assert_eq(r->request_headers.set_count, 1);
    cr_expect(is_slice(r->request_headers.set[0].value, "a.b:80"));
    cr_assert_eq(r->request_headers.add_count, 2);
    cr_expect(is_slice(r->request_headers.add[1].value, "2"));
    cr_assert_eq(r->request_headers.remove_count, 1);
    cr_expect(is_slice(r->request_headers.remove[0], "Cookie"));
    cr_assert_eq(r->response_headers.remove_count, 2);
    cr_expect(is_slice(r->response_headers.remove[1], "X-Powered-By"));
    cr_expect_eq(r->response_headers.set_count, 0);
    config_unref(&c);
}

Test(config, redirects_and_answers_need_no_pool)
{
    struct config *c = support_load(
        LISTENER "routes = ( { host = \"old.example.com\"; redirect = { to = "
                 "\"https://new.example.com$path\"; status = 308; }; },\n"
                 "  { path = \"/gone\"; path_match = \"exact\"; redirect = { to = \"/\"; }; },\n"
                 "  { respond = { status = 503; body = \"{}\"; content_type = "
                 "\"application/json\"; }; response_headers = { add = ( { name = \"Retry-After\"; "
                 "value = \"5\"; } ); }; },\n"
                 "  { respond = { }; } );\n");

    cr_assert_eq(c->route_count, 4);
    cr_expect_eq(c->pool_count, 0);
    cr_expect_eq(c->routes[0].action, CONFIG_ROUTE_REDIRECT);
    cr_expect_str_eq(c->routes[0].redirect.to, "https://new.example.com$path");
    cr_expect_eq(c->routes[0].redirect.status, 308);
    cr_expect_str_eq(c->routes[1].name, "route-2");
    cr_expect_eq(c->routes[1].path_match, CONFIG_PATH_EXACT);
    cr_expect_eq(c->routes[1].redirect.status, 302);
    cr_expect_eq(c->routes[2].action, CONFIG_ROUTE_RESPOND);
    cr_expect_eq(c->routes[2].respond.status, 503);
    cr_expect_str_eq(c->routes[2].respond.body, "{}");
    cr_expect_str_eq(c->routes[2].respond.content_type, "application/json");
    cr_expect_eq(c->routes[2].response_headers.add_count, 1);
    cr_expect_eq(c->routes[3].respond.status, 200);
    cr_expect_str_eq(c->routes[3].respond.body, "");
    cr_expect_str_eq(c->routes[3].respond.content_type, "text/plain; charset=utf-8");
    config_unref(&c);
}

Test(config, regular_expressions_are_compiled)
{
    struct config *c =
        support_load(LISTENER POOL "routes = ( { path = \"^/v[0-9]+/(a|b){1,3}$\"; path_match = "
                                   "\"regex\"; pool = \"app\"; } );\n");
    const struct config_route *r = &c->routes[0];

    cr_expect_eq(r->path_match, CONFIG_PATH_REGEX);
    cr_expect_eq(regexec(&r->path_regex, "/v12/aba", 0, NULL, 0), 0);
    cr_expect_eq(regexec(&r->path_regex, "/vx/aba", 0, NULL, 0), REG_NOMATCH);
    config_unref(&c);
}

Test(config, ordinary_regular_expressions_are_not_taken_for_expensive_ones)
{
    static const char *const good[] = {
        "^/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "^/(user|team)/[^/]+/(posts|files)(/.*)?$",
        "^/a[])(]b[^]]{3}[{]",
        "\\\\.php$",
        "(a{40}){40}",
        "\\\\(\\\\{",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *text = xasprintf(LISTENER POOL "routes = ( { path = \"%s\"; path_match = "
                                             "\"regex\"; pool = \"app\"; } );\n",
                               good[i]);
        struct config *c = support_load(text);

        config_unref(&c);
        free(text);
    }
}

Test(config, every_key_of_a_pool_is_read)
{
    struct config *c = support_load(
        LISTENER
        "pools = ( { name = \"api\"; algorithm = \"consistent_hash\"; hash_key = "
        "\"header:X-User\";\n"
        "  keepalive = { idle = 0; timeout = \"5s\"; max_requests = 1000; }; protocol = "
        "\"http/1.1\";\n"
        "  tls = { sni = \"app.internal\"; ca = \"\"; verify = false; cert = \"\"; key = \"\"; };\n"
        "  timeouts = { connect = \"1s\"; response = \"2s\"; idle = \"3s\"; };\n"
        "  backends = ( { id = \"a\"; address = \"[::1]:8080\"; weight = 0; drain = true; priority "
        "= 1; backup = false;\n"
        "      tags = [ \"blue\", \"eu\" ]; metadata = { version = \"1.4.2\"; rack = \"7\"; }; },\n"
        "    { id = \"b\"; address = \"unix:/run/app.sock\"; } ); } );\n");
    const struct config_pool *p = &c->pools[0];
    const struct config_backend *b = &p->backends[0];

    cr_expect_str_eq(p->name, "api");
    cr_expect_eq(p->algorithm, CONFIG_CONSISTENT_HASH);
    cr_expect_eq(p->hash_key, CONFIG_HASH_HEADER);
    cr_expect_str_eq(p->hash_name, "X-User");
    cr_expect_eq(p->keepalive.idle, 0);
    cr_expect_eq(p->keepalive.timeout_ms, 5000);
    cr_expect_eq(p->keepalive.max_requests, 1000);
    cr_expect_str_eq(p->tls->sni, "app.internal");
    cr_expect_null(p->tls->ca_path);
    cr_expect_not(p->tls->verify);
    cr_expect_null(p->tls->cert_path);
    cr_expect_null(p->tls->key_path);
    cr_expect_eq(p->timeouts.connect_ms, 1000);
    cr_expect_eq(p->timeouts.response_ms, 2000);
    cr_expect_eq(p->timeouts.idle_ms, 3000);
    cr_expect_str_eq(b->id, "a");
    cr_expect_str_eq(b->address, "[::1]:8080");
    cr_expect_null(b->host);
    cr_expect_eq(b->port, 8080);
    cr_expect_eq(b->weight, 0);
    cr_expect(b->drain);
    cr_expect_str_eq(b->tags[1], "eu");
    cr_expect_null(b->tags[2]);
    cr_assert_eq(b->metadata_count, 2);
    cr_expect_str_eq(b->metadata[1].key, "rack");
    cr_expect_str_eq(b->metadata[1].value, "7");
    cr_expect_str_eq(p->backends[1].address, "unix:/run/app.sock");
    cr_expect_null(p->backends[1].host);
    cr_expect_eq(p->backends[1].port, 0);
    config_unref(&c);
}

Test(config, tls_to_backends_is_verified_by_default)
{
    struct config *c = support_load(LISTENER "pools = ( { tls = { }; hash_key = \"cookie:sid\"; "
                                             "backends = ( { address = \"a:443\"; } ); } );\n");

    cr_expect(c->pools[0].tls->verify);
    cr_expect_null(c->pools[0].tls->sni);
    cr_expect_eq(c->pools[0].hash_key, CONFIG_HASH_COOKIE);
    cr_expect_str_eq(c->pools[0].hash_name, "sid");
    config_unref(&c);
}

Test(config, hosts_and_paths_of_every_form_are_accepted)
{
    struct config *c = support_load(
        LISTENER POOL
        "routes = ( { host = \"[::1]\"; path = \"*\"; path_match = \"exact\"; methods = "
        "[ \"OPTIONS\" ]; pool = \"app\"; }, { pool = \"app\"; } );\n");

    cr_expect_str_eq(c->routes[0].host, "[::1]");
    cr_expect_str_eq(c->routes[0].path, "*");
    config_unref(&c);
}

Test(config, every_algorithm_has_the_name_it_is_written_with)
{
    for (int i = 0; i < CONFIG_ALGORITHM_COUNT; i++) {
        char text[256];
        struct config *c;

        snprintf(text, sizeof(text),
                 LISTENER
                 "pools = ( { algorithm = \"%s\"; backends = ( { address = \"a:1\"; } ); } );",
                 config_algorithm_name((enum config_algorithm)i));
        c = support_load(text);
        cr_expect_eq(c->pools[0].algorithm, (enum config_algorithm)i);
        config_unref(&c);
    }
}

/* ---- references ---- */

Test(config, a_snapshot_lives_until_its_last_reference)
{
    struct config *c = support_load(LISTENER POOL), *second = config_ref(c);

    cr_expect_eq(second, c);
    config_unref(&c);
    cr_expect_null(c);
    cr_expect_str_eq(second->pools[0].name, "app");
    config_unref(&second);
    config_unref(&second); /* NULL is fine */
}

static void *take_and_drop(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        struct config *mine = config_ref(arg);

        config_unref(&mine);
    }
    return NULL;
}

Test(config, references_are_taken_and_dropped_by_any_thread)
{
    struct config *c = support_load(LISTENER POOL);
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_and_drop, c), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(atomic_load(&c->refs), 1);
    config_unref(&c);
}
