/* Requests by listener and route: see traffic.h. */
#include "proxy/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

void traffic_init(struct traffic *traffic)
{
    list_init(&traffic->rows);
}

void traffic_fini(struct traffic *traffic)
{
    CHECK(list_empty(&traffic->rows));
}

size_t traffic_places(const struct config *config)
{
    return (config->listener_count + 1) * (config->route_count + 1);
}

/* ---- Names ---- */

static const char *listener_name(const struct config *config, size_t listener)
{
    return listener < config->listener_count ? config->listeners[listener].name : "";
}

static const char *route_name(const struct config *config, size_t route)
{
    return route < config->route_count ? config->routes[route].name : "";
}

static size_t find_listener(const struct config *config, const char *name)
{
    size_t i = 0;

    while (i < config->listener_count && strcmp(config->listeners[i].name, name) != 0)
        i++;
    return i;
}

static size_t find_route(const struct config *config, const char *name, size_t from)
{
    for (size_t n = 0; n < config->route_count; n++) {
        size_t i = (from + n) % config->route_count;

        if (strcmp(config->routes[i].name, name) == 0)
            return i;
    }
    return config->route_count;
}

size_t traffic_place_of(const struct config *config, const struct traffic_row *row, size_t *route)
{
    size_t listener = find_listener(config, row->listener);

    *route = find_route(config, row->route, *route);
    /* A name that is not there any more is not "none". */
    if (strcmp(listener_name(config, listener), row->listener) != 0 ||
        strcmp(route_name(config, *route), row->route) != 0)
        return traffic_places(config);
    return listener * (config->route_count + 1) + *route;
}

/* ---- Rows ---- */

static struct traffic_row *row_new(struct traffic *traffic, const char *listener, const char *route)
{
    struct traffic_row *row = xcalloc(1, sizeof(*row));

    row->listener = xstrdup(listener);
    row->route = xstrdup(route);
    list_push_back(&traffic->rows, &row->node);
    return row;
}

static void row_unref(struct traffic_row *row)
{
    if (--row->refs > 0)
        return;
    list_remove(&row->node);
    free(row->listener);
    free(row->route);
    free(row);
}

static struct traffic_row *row_by_name(struct traffic *traffic, const char *listener,
                                       const char *route)
{
    list_for_each(it, &traffic->rows)
    {
        struct traffic_row *row = container_of(it, struct traffic_row, node);

        if (strcmp(row->route, route) == 0 && strcmp(row->listener, listener) == 0)
            return row;
    }
    return NULL;
}

/* ---- Tables ---- */

void traffic_table_init(struct traffic_table *table, const struct config *config)
{
    table->rows = xcalloc(traffic_places(config), sizeof(struct traffic_row *));
}

static void put(struct traffic_table *table, size_t place, struct traffic_row *row)
{
    row->refs++;
    table->rows[place] = row;
}

void traffic_table_adopt(struct traffic_table *table, const struct config *config,
                         struct traffic *traffic)
{
    size_t route = 0;

    list_for_each(it, &traffic->rows)
    {
        struct traffic_row *row = container_of(it, struct traffic_row, node);
        size_t place = traffic_place_of(config, row, &route);

        if (place < traffic_places(config))
            put(table, place, row);
    }
}

void traffic_table_fini(struct traffic_table *table, const struct config *config)
{
    for (size_t i = 0; i < traffic_places(config); i++)
        if (table->rows[i] != NULL)
            row_unref(table->rows[i]);
    free(table->rows);
    table->rows = NULL;
}

struct traffic_row *traffic_row(struct traffic_table *table, const struct config *config,
                                struct traffic *traffic, size_t listener, size_t route)
{
    size_t place = listener * (config->route_count + 1) + route;
    struct traffic_row *row = table->rows[place];

    if (row != NULL)
        return row;
    /* A view from before the present one may meet a pair that the present one has already. */
    row = row_by_name(traffic, listener_name(config, listener), route_name(config, route));
    if (row == NULL)
        row = row_new(traffic, listener_name(config, listener), route_name(config, route));
    put(table, place, row);
    return row;
}
