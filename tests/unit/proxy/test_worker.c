#include <criterion/criterion.h>

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/timestamp.h"
#include "proxy/server.h"

static struct config *config_of(const char *text)
{
    struct config_errors errors = {0};
    struct config *config = NULL;

    cr_assert_eq(config_load_text(&config, "test", text, &errors), EG_OK, "%s",
                 errors.count ? errors.v[0].message : "");
    config_errors_free(&errors);
    return config;
}

static struct config *usual_config(void)
{
    return config_of("workers = 2;\n"
                     "listeners = ( { name = \"edge\"; bind = \"127.0.0.1:0\"; } );\n"
                     "pools = ( { name = \"p\"; backends = (\n"
                     "  { id = \"a\"; address = \"127.0.0.1:9\"; }, \n"
                     "  { id = \"b\"; address = \"127.0.0.1:10\"; drain = true; } ); } );\n"
                     "log = { access = \"off\"; };\n");
}

static struct server *server_of(struct config *config)
{
    struct server *server = NULL;
    char *why = NULL;

    cr_assert_eq(server_new(&server, config, &why), EG_OK, "%s", why);
    return server;
}

Test(server, is_made_and_ended_without_having_run)
{
    struct config *config = usual_config();
    struct server *server = server_of(config);

    cr_assert_eq(server->worker_count, 2);
    cr_assert_eq(server_phase(server), SERVER_RESOLVING);
    cr_assert_not(server_ready(server), "nothing is served yet");
    cr_assert_gt(atomic_load(&config->refs), 1u, "the server holds it");
    server_free(server);
    cr_assert_eq(atomic_load(&config->refs), 1u);
    config_unref(&config);
}

Test(server, a_listener_that_cannot_be_bound_is_named_and_nothing_is_left)
{
    struct config *config =
        config_of("listeners = ( { name = \"good\"; bind = \"127.0.0.1:0\"; },\n"
                  "              { name = \"bad\"; bind = \"192.0.2.1:8080\"; } );\n"
                  "pools = ( { name = \"p\"; backends = ( { id = \"a\"; address = \"127.0.0.1:9\"; "
                  "} ); } );\n"
                  "log = { access = \"off\"; };\n");
    struct server *server = NULL;
    char *why = NULL;

    cr_assert_neq(server_new(&server, config, &why), EG_OK);
    cr_assert_null(server);
    cr_assert_not_null(strstr(why, "listener \"bad\": cannot listen on 192.0.2.1:8080"), "%s", why);
    cr_assert_eq(atomic_load(&config->refs), 1u);
    free(why);
    config_unref(&config);
}

Test(server, totals_are_summed_over_workers)
{
    struct config *config = usual_config();
    struct server *server = server_of(config);
    struct server_totals totals;

    stat_add(&server->workers[0].stats.requests_total, 3);
    stat_add(&server->workers[1].stats.requests_total, 4);
    stat_add(&server->workers[1].stats.requests_by_class[5], 2);
    stat_add(&server->workers[0].stats.connections, 5);
    stat_sub(&server->workers[0].stats.connections, 1);
    totals = server_totals(server);
    cr_assert_eq(totals.requests_total, 7u);
    cr_assert_eq(totals.requests_by_class[5], 2u);
    cr_assert_eq(totals.connections, 4u);
    server_free(server);
    config_unref(&config);
}

Test(worker, random_numbers_differ_between_calls_and_workers)
{
    struct config *config = usual_config();
    struct server *server = server_of(config);
    uint64_t a = worker_random(&server->workers[0]), b = worker_random(&server->workers[1]);

    cr_assert_neq(a, b);
    for (int i = 0; i < 1000; i++)
        cr_assert_neq(worker_random(&server->workers[0]), a);
    server_free(server);
    config_unref(&config);
}

Test(worker, the_date_is_an_http_date_of_now)
{
    struct config *config = usual_config();
    struct server *server = server_of(config);
    char before[TIMESTAMP_HTTP_BYTES], after[TIMESTAMP_HTTP_BYTES];
    struct slice date;

    timestamp_http(before, (uint64_t)time(NULL));
    date = worker_date(&server->workers[0]);
    timestamp_http(after, (uint64_t)time(NULL));
    cr_assert_eq(date.n, (size_t)TIMESTAMP_HTTP_BYTES);
    cr_assert(memcmp(date.p, before, date.n) == 0 || memcmp(date.p, after, date.n) == 0);
    server_free(server);
    config_unref(&config);
}
