/*
 * The metrics of requests, by listener and route. A pair has lines once it was used: with hundreds
 * of routes and some listeners, few of the pairs are. A listener that was taken away and a request
 * that no route took have the label "".
 */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/admin_metrics_text.h"
#include "base/alloc.h"

/* A pair's labels and its sums, which are the collection's. */
struct pair {
    char *labels;
    const struct admin_traffic_sums *sums;
};

static struct pair pair_at(const struct admin_collection *collection, size_t place)
{
    const struct config *config = collection->config;
    size_t columns = config->route_count + 1;
    size_t listener = place / columns, route = place % columns;

    return (struct pair){
        .labels = metrics_labels_of(
            "listener", listener < config->listener_count ? config->listeners[listener].name : "",
            "route", route < config->route_count ? config->routes[route].name : ""),
        .sums = collection->traffic[place],
    };
}

static void put_requests(struct evbuffer *out, const struct pair *pairs, size_t count)
{
    static const char *const classes[TRAFFIC_CLASSES] = {"code=\"499\"", "code=\"1xx\"",
                                                         "code=\"2xx\"", "code=\"3xx\"",
                                                         "code=\"4xx\"", "code=\"5xx\""};
    static const char name[] = "evergate_requests_total";

    metrics_family(out, name, "counter",
                   "Requests by class of status; 499: the client left or the answer was cut.");
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < TRAFFIC_CLASSES; c++)
            metrics_line(out, name, pairs[i].labels, classes[c], pairs[i].sums->by_class[c]);
}

static void put_durations(struct evbuffer *out, const struct pair *pairs, size_t count)
{
    static const char name[] = "evergate_request_duration_seconds";

    metrics_family(out, name, "histogram",
                   "Time from a request's first byte to its answer's last; without tunnels.");
    for (size_t i = 0; i < count; i++)
        metrics_histogram(out, name, pairs[i].labels, &pairs[i].sums->durations);
}

void admin_metrics_traffic(struct evbuffer *out, const struct admin_collection *collection)
{
    size_t places = traffic_places(collection->config), count = 0;
    struct pair *pairs = xcalloc(places, sizeof(*pairs));

    for (size_t i = 0; i < places; i++)
        if (collection->traffic[i])
            pairs[count++] = pair_at(collection, i);
    put_requests(out, pairs, count);
    put_durations(out, pairs, count);
    for (size_t i = 0; i < count; i++)
        free(pairs[i].labels);
    free(pairs);
}
