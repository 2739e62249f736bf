/*
 * Which request of management goes where. To add one: a line in the table and a handler
 * (admin_internal.h). What the API will have besides stands in the table too, without a handler: it
 * is refused as not built yet.
 *
 * GET and HEAD change nothing, ever; every other method is held to the guard's Origin rule.
 */
#include <string.h>

#include "admin/admin_internal.h"
#include "proxy/server_change.h"

static void reply_text(struct evhttp_request *request, int status, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add(body, text, strlen(text));
    admin_reply(request, status, "text/plain; charset=utf-8", body);
    evbuffer_free(body);
}

static void health_live(struct admin_call *call)
{
    reply_text(call->request, 200, "live\n");
}

static void health_ready(struct admin_call *call)
{
    if (server_ready(call->server))
        reply_text(call->request, 200, "ready\n");
    else if (server_phase(call->server) == SERVER_LEAVING)
        reply_text(call->request, 503, "leaving\n");
    else if (server_phase(call->server) >= SERVER_DRAINING)
        reply_text(call->request, 503, "draining\n");
    else if (server_phase(call->server) == SERVER_RESOLVING)
        reply_text(call->request, 503, "starting\n");
    else
        reply_text(call->request, 503, "no pool has a usable endpoint\n");
}

#define API      "/api/v1"
#define POOL     API "/pools/{pool}"
#define ENDPOINT POOL "/endpoints/{endpoint}"

enum {
    GET = EVHTTP_REQ_GET, /* and HEAD */
    POST = EVHTTP_REQ_POST,
    PUT = EVHTTP_REQ_PUT,
    PATCH = EVHTTP_REQ_PATCH,
    DELETE = EVHTTP_REQ_DELETE,
};

static const char *const brief_query[] = {"endpoints", NULL};
static const char *const events_query[] = {"since", "limit", NULL};

static const struct admin_route {
    unsigned method; /* EVHTTP_REQ_*: an enum of libevent's */
    const char *path;
    void (*handle)(struct admin_call *call); /* NULL: not built yet */
    const char *const *query;                /* the parameters it takes; NULL: none */
    bool open;                               /* asks for no token */
    bool waits; /* for the server's control thread: takes the read lock by itself */
} routes[] = {
    {GET, "/health/live", .handle = health_live, .open = true},
    {GET, "/health/ready", .handle = health_ready, .open = true},
    {GET, "/metrics", .handle = admin_metrics},
    {GET, API "/status", .handle = admin_status},
    {GET, API "/pools", .handle = admin_pools, .query = brief_query},
    {GET, POOL, .handle = admin_pool, .query = brief_query},
    {POST, POOL "/failback", .handle = admin_fail_back},
    {GET, POOL "/policy", .handle = admin_policy},
    {PATCH, POOL "/policy", .handle = admin_change_policy, .waits = true},
    {POST, POOL "/revert", .handle = admin_revert, .waits = true},
    {POST, POOL "/select", .handle = admin_select},
    {POST, API "/explain", .handle = admin_explain},
    {POST, API "/plan", .handle = admin_plan, .waits = true},
    {POST, API "/reload", .handle = admin_reload, .waits = true},
    {GET, POOL "/endpoints", .handle = admin_endpoints},
    {GET, ENDPOINT, .handle = admin_endpoint},
    {POST, POOL "/endpoints", .handle = admin_register, .waits = true},
    {PUT, ENDPOINT, .handle = admin_replace, .waits = true},
    {PATCH, ENDPOINT, .handle = admin_change, .waits = true},
    {DELETE, ENDPOINT, .handle = admin_deregister, .waits = true},
    {POST, ENDPOINT "/drain", .handle = admin_drain, .waits = true},
    {POST, ENDPOINT "/undrain", .handle = admin_undrain, .waits = true},
    {POST, ENDPOINT "/trip", .handle = admin_trip},
    {POST, ENDPOINT "/reset", .handle = admin_reset},
    {POST, ENDPOINT "/check", .handle = admin_check},
    {GET, API "/providers", .handle = admin_providers},
    {GET, API "/events", .handle = admin_events, .query = events_query},

    {GET, "/", .handle = NULL},
    {GET, "/events/stream", .handle = NULL},
    {POST, API "/drill", .handle = NULL},
};

/* The routes of a path, whatever the method. */
struct route_set {
    const struct admin_route *wanted; /* with the request's method; NULL: none */
    unsigned methods;                 /* EVHTTP_REQ_*, built ones */
    bool known, malformed;
};

static struct route_set find_routes(struct admin_call *call, enum evhttp_cmd_type method)
{
    struct route_set set = {0};

    if (method == EVHTTP_REQ_HEAD)
        method = EVHTTP_REQ_GET;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct admin_parameters parameters;
        enum admin_match match = admin_match(routes[i].path, call->path, &parameters);

        set.malformed |= match == ADMIN_MATCH_MALFORMED;
        if (match != ADMIN_MATCH_YES)
            continue;
        set.known = true;
        if (routes[i].handle)
            set.methods |= routes[i].method;
        if (routes[i].method == method && !set.wanted) {
            set.wanted = &routes[i];
            call->parameters = parameters;
        } else {
            admin_parameters_free(&parameters);
        }
    }
    return set;
}

static void reply_unauthorized(struct evhttp_request *request)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "WWW-Authenticate", "Bearer");
    admin_reply_error(request, 401, "unauthorized",
                      "this needs \"Authorization: Bearer\" with the token of admin.token_file");
}

static void reply_wrong_method(struct admin_call *call, unsigned methods)
{
    static const struct {
        unsigned method;
        const char *text;
    } names[] = {
        {GET, "GET, HEAD"}, {POST, "POST"}, {PUT, "PUT"}, {PATCH, "PATCH"}, {DELETE, "DELETE"}};
    char allow[64] = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(allow);

        if (methods & names[i].method)
            snprintf(allow + n, sizeof(allow) - n, "%s%s", n > 0 ? ", " : "", names[i].text);
    }
    evhttp_add_header(evhttp_request_get_output_headers(call->request), "Allow", allow);
    admin_reply_error(call->request, 405, "method_not_allowed", "%s takes only %s", call->path,
                      allow);
}

static void reply_unrouted(struct admin_call *call, const struct route_set *set)
{
    if (set->malformed)
        admin_reply_error(call->request, 400, "validation", "%s: malformed %%-escape", call->path);
    else if (!set->known)
        admin_reply_error(call->request, 404, "not_found", "there is no %s", call->path);
    else if (set->wanted || set->methods == 0)
        admin_reply_error(call->request, 404, "not_found", "%s is not built yet", call->path);
    else
        reply_wrong_method(call, set->methods);
}

/* An answer is made of one moment: no change comes in between. */
static void run(struct admin_call *call, const struct admin_route *route)
{
    if (route->waits) {
        route->handle(call);
        return;
    }
    server_read_lock(call->server);
    route->handle(call);
    server_read_unlock(call->server);
}

static void handle(struct admin_call *call, const struct admin_route *route)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->request);
    const char *query = evhttp_uri_get_query(uri);

    if (query && *query && evhttp_parse_query_str(query, &call->query) < 0)
        admin_reply_error(call->request, 400, "validation", "malformed query \"%s\"", query);
    else if (admin_call_query_known(call, route->query))
        run(call, route);
    evhttp_clear_headers(&call->query);
}

static void dispatch(struct admin_call *call)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(call->request);
    enum evhttp_cmd_type method = evhttp_request_get_command(call->request);
    bool changes = method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD;
    struct route_set set = find_routes(call, method);
    const char *token = call->admin->token, *refusal;

    refusal = changes ? admin_guard_page(headers, token != NULL) : NULL;
    /* The token comes before anything is told, even which paths exist. */
    if (token && !(set.wanted && set.wanted->open) &&
        !admin_guard_token(token, evhttp_find_header(headers, "Authorization")))
        reply_unauthorized(call->request);
    else if (!set.wanted || !set.wanted->handle)
        reply_unrouted(call, &set);
    else if (refusal)
        admin_reply_error(call->request, 403, "forbidden", "%s", refusal);
    else
        handle(call, set.wanted);
    admin_parameters_free(&call->parameters);
}

void admin_on_request(struct evhttp_request *request, void *arg)
{
    struct admin_door *door = arg;
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *refusal = admin_guard_is_loopback(request) ? admin_guard_host(host) : NULL;
    struct admin_call call = {
        .admin = door->admin,
        .door = door,
        .server = door->admin->server,
        .request = request,
        .path = path ? path : "",
    };

    loop_enter(&door->admin->loop);
    if (door->admin->token_generation != atomic_load(&call.server->generation))
        admin_token_reload(door->admin); /* SIGHUP */
    admin_connection_hold(door->admin, request);
    if (refusal)
        admin_reply_error(request, 400, "validation", "%s", refusal);
    else
        dispatch(&call);
    if (!call.later)
        admin_connection_release(door->admin, request);
    loop_leave(&door->admin->loop);
}
