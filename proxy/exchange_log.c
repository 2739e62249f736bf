/* What is told of an exchange when it has ended: one line of the access log, and the counters. */
#include "proxy/exchange_internal.h"
#include "proxy/worker_listener.h"

static struct traffic_row *traffic_row_of(const struct exchange *x)
{
    struct worker_view *view = x->view;
    const struct config *config = view->config;
    size_t route = x->route != NULL ? (size_t)(x->route - config->routes) : config->route_count;

    return traffic_row(&view->traffic, config, &x->worker->traffic, x->listener_index, route);
}

static void exchange_count_result(const struct exchange *x)
{
    struct worker_stats *stats = &x->worker->stats;
    struct traffic_row *row = traffic_row_of(x);
    int class = x->status == 499 || x->status < 100 ? 0 : x->status / 100;

    stat_add(&stats->requests_by_class[class], 1);
    stat_add(&stats->bytes_in, x->bytes_in);
    stat_add(&stats->bytes_out, x->bytes_out);
    row->by_class[class]++;
    if (!x->tunnel) /* a conversation of hours says nothing about requests */
        durations_add(&row->durations, x->worker->loop.now_us - x->start_us);
}

/* The trace id is the second part of a traceparent (W3C Trace Context): 32 digits behind "00-". */
static struct slice trace_id_of(struct slice traceparent)
{
    return traceparent.n >= 35 ? slice_from(traceparent.p + 3, 32) : slice_from("", 0);
}

static struct slice user_agent_of(const struct http_fields *fields)
{
    const struct http_field *agent = http_fields_get(fields, HTTP_FIELD_USER_AGENT);

    return agent != NULL ? agent->value : slice_from("", 0);
}

static void exchange_log_line(const struct exchange *x, struct access_log_line *line)
{
    const char *type = x->error != EG_OK ? error_type_name(error_type_of(x->error)) : NULL;

    *line = (struct access_log_line){
        .time_us = x->wall_us,
        .request_id = x->request_id,
        .client = x->client_host,
        .listener = slice_str(x->listener->config->name),
        .route = slice_str(x->route != NULL ? x->route->name : ""),
        .pool = slice_str(x->pool_config != NULL ? x->pool_config->name : ""),
        .endpoint = x->endpoint_id,
        .attempts = x->attempts,
        .method = x->head.method,
        .host = x->head.authority,
        .path = x->head.path,
        .protocol = slice_str(x->protocol),
        .status = x->status,
        .error_type = slice_str(type),
        .error = slice_str(x->error != EG_OK ? error_text(x->error) : ""),
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
        .total_us = x->worker->loop.now_us - x->start_us,
        .connect_us = x->connect_us,
        .first_byte_us = x->first_byte_us,
        .user_agent = user_agent_of(&x->head.fields),
        .trace_id = trace_id_of(x->traceparent),
    };
}

void exchange_log(const struct exchange *x)
{
    struct access_log_line line;

    exchange_count_result(x);
    if (x->worker->access_log == NULL)
        return;
    exchange_log_line(x, &line);
    access_log_write(x->worker->access_log, &line);
}
