/* The sources of endpoints in /metrics. */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/admin_metrics_text.h"
#include "base/alloc.h"
#include "discovery/discovery.h"

/* Asked for in one moment, so that a source has the same labels in every family. */
struct sources {
    struct discovery_source_stats *v;
    char **labels;
    size_t count;
};

static struct sources sources_read(struct discovery *discovery)
{
    struct sources sources = {0};
    size_t there = discovery != NULL ? discovery_stats(discovery, NULL, 0) : 0;

    sources.v = xcalloc(there + 1, sizeof(*sources.v));
    sources.labels = xcalloc(there + 1, sizeof(char *));
    if (there > 0)
        sources.count = discovery_stats(discovery, sources.v, there);
    if (sources.count > there) /* more have come meanwhile */
        sources.count = there;
    for (size_t i = 0; i < sources.count; i++)
        sources.labels[i] =
            metrics_labels_of("type", sources.v[i].type, "source", sources.v[i].source);
    return sources;
}

static void sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->labels[i]);
    free(sources->labels);
    free(sources->v);
}

static uint64_t up_of(const struct discovery_source_stats *source)
{
    return source->up;
}

static uint64_t endpoints_of(const struct discovery_source_stats *source)
{
    return source->endpoints;
}

static uint64_t syncs_of(const struct discovery_source_stats *source)
{
    return source->syncs;
}

static uint64_t failures_of(const struct discovery_source_stats *source)
{
    return source->failures;
}

static uint64_t refused_of(const struct discovery_source_stats *source)
{
    return source->refused;
}

static void put_synced(struct evbuffer *out, const struct sources *sources)
{
    static const char name[] = "evergate_discovery_last_sync_timestamp_seconds";

    metrics_family(out, name, "gauge",
                   "When a source last answered, in seconds since the epoch; 0: never.");
    for (size_t i = 0; i < sources->count; i++)
        metrics_line_seconds(out, name, sources->labels[i], NULL, sources->v[i].synced_wall_us);
}

void admin_metrics_discovery(struct evbuffer *out, const struct server *server)
{
    static const struct {
        const char *name, *type, *help;
        uint64_t (*value)(const struct discovery_source_stats *source);
    } families[] = {
        {"evergate_discovery_up", "gauge", "Was the last try of a source answered?", up_of},
        {"evergate_discovery_endpoints", "gauge", "Endpoints of its last good answer.",
         endpoints_of},
        {"evergate_discovery_syncs_total", "counter", "Good answers.", syncs_of},
        {"evergate_discovery_failures_total", "counter", "Tries that failed.", failures_of},
        {"evergate_discovery_refused_total", "counter",
         "Endpoints that were left out of an answer for their mistakes.", refused_of},
    };
    struct sources sources = sources_read(server->discovery);

    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        metrics_family(out, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < sources.count; i++)
            metrics_line(out, families[f].name, sources.labels[i], NULL,
                         families[f].value(&sources.v[i]));
    }
    put_synced(out, &sources);
    sources_free(&sources);
}
