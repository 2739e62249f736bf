/* Rows of requests by listener and route, through changes of the configuration. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "proxy/traffic.h"

/* A configuration with these routes, in this order. */
static struct config *config_of(const char *const *routes)
{
    struct config_errors errors;
    struct config *config;
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "listeners = ( { name = \"in\"; bind = \"127.0.0.1:1\"; },\n"
                     "  { name = \"out\"; bind = \"127.0.0.1:2\"; } );\n"
                     "pools = ( { name = \"p\"; backends = ( { address = \"127.0.0.1:3\"; } ); } );"
                     "\nroutes = ( ");

    for (size_t i = 0; routes[i]; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s{ name = \"%s\"; pool = \"p\"; }",
                      i > 0 ? ", " : "", routes[i]);
    snprintf(text + n, sizeof(text) - (size_t)n, " );\n");
    cr_assert_eq(config_load_text(&config, "t.conf", text, &errors), EG_OK, "%s",
                 errors.count > 0 ? errors.v[0].message : "");
    config_errors_free(&errors);
    return config;
}

static const char *const abc[] = {"a", "b", "c", NULL}, *const cxa[] = {"c", "x", "a", NULL};

Test(traffic, a_pair_has_one_row_made_when_it_is_first_used)
{
    struct config *config = config_of(abc);
    struct traffic_table table;
    struct traffic traffic;
    struct traffic_row *row;

    traffic_init(&traffic);
    traffic_table_init(&table, config);
    cr_assert(list_empty(&traffic.rows));
    row = traffic_row(&table, config, &traffic, 1, 2);
    cr_assert_str_eq(row->listener, "out");
    cr_assert_str_eq(row->route, "c");
    cr_assert_eq(traffic_row(&table, config, &traffic, 1, 2), row);
    cr_assert_neq(traffic_row(&table, config, &traffic, 0, 2), row);
    row = traffic_row(&table, config, &traffic, 2, 3);
    cr_assert_str_empty(row->listener);
    cr_assert_str_empty(row->route);
    traffic_table_fini(&table, config);
    traffic_fini(&traffic);
    config_unref(&config);
}

Test(traffic, rows_are_found_again_by_name_and_go_with_the_last_view)
{
    struct config *before = config_of(abc), *after = config_of(cxa);
    struct traffic_table old, new;
    struct traffic traffic;
    struct traffic_row *a, *c, *none;

    traffic_init(&traffic);
    traffic_table_init(&old, before);
    a = traffic_row(&old, before, &traffic, 0, 0);
    traffic_row(&old, before, &traffic, 0, 1); /* "b", which goes */
    c = traffic_row(&old, before, &traffic, 1, 2);
    none = traffic_row(&old, before, &traffic, 0, 3);
    traffic_table_init(&new, after);
    traffic_table_adopt(&new, after, &traffic);
    traffic_table_fini(&old, before);
    config_unref(&before);
    cr_expect_eq(traffic_row(&new, after, &traffic, 0, 2), a);
    cr_expect_eq(traffic_row(&new, after, &traffic, 1, 0), c);
    cr_expect_eq(traffic_row(&new, after, &traffic, 0, 3), none);
    list_for_each(it, &traffic.rows)
        cr_expect_str_neq(container_of(it, struct traffic_row, node)->route, "b");
    traffic_table_fini(&new, after);
    traffic_fini(&traffic);
    config_unref(&after);
}

/* A request that began before a change may be the first of its pair after it. */
Test(traffic, an_old_view_and_the_new_one_count_in_the_same_row)
{
    struct config *before = config_of(abc), *after = config_of(cxa);
    struct traffic_table old, new;
    struct traffic traffic;
    struct traffic_row *row;

    traffic_init(&traffic);
    traffic_table_init(&old, before);
    traffic_table_init(&new, after);
    traffic_table_adopt(&new, after, &traffic);
    row = traffic_row(&old, before, &traffic, 0, 0);
    cr_expect_eq(traffic_row(&new, after, &traffic, 0, 2), row);
    traffic_table_fini(&old, before);
    cr_expect_str_eq(row->route, "a");
    traffic_table_fini(&new, after);
    traffic_fini(&traffic);
    config_unref(&before);
    config_unref(&after);
}
