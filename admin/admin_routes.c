/*
 * Which request of management goes where. To add an endpoint: one line in the table and one
 * function (admin_internal.h).
 */
#include <string.h>

#include "admin/admin_internal.h"

static void reply_text(struct evhttp_request *request, int status, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add(body, text, strlen(text));
    admin_reply(request, status, "text/plain; charset=utf-8", body);
    evbuffer_free(body);
}

static void health_live(struct admin *admin, struct evhttp_request *request)
{
    reply_text(request, 200, "live\n");
}

static void health_ready(struct admin *admin, struct evhttp_request *request)
{
    if (server_ready(admin->server))
        reply_text(request, 200, "ready\n");
    else if (server_phase(admin->server) >= SERVER_DRAINING)
        reply_text(request, 503, "draining\n");
    else if (server_phase(admin->server) == SERVER_RESOLVING)
        reply_text(request, 503, "starting\n");
    else
        reply_text(request, 503, "no pool has a usable endpoint\n");
}

static const struct admin_route {
    const char *path;
    bool open; /* asks for no token */
    void (*get)(struct admin *admin, struct evhttp_request *request);
} routes[] = {
    {"/health/live", true, health_live},
    {"/health/ready", true, health_ready},
    {"/metrics", false, admin_metrics},
    {"/api/v1/status", false, admin_status},
};

/* The rest of the contract's section 4; the table shrinks as they are built. A path ending in '/'
 * stands for everything below it. */
static const char *const not_built[] = {
    "/",
    "/events/stream",
    "/api/v1/pools",
    "/api/v1/pools/",
    "/api/v1/explain",
    "/api/v1/events",
    "/api/v1/providers",
    "/api/v1/plan",
    "/api/v1/reload",
    "/api/v1/drill",
};

static const struct admin_route *route_of(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

static bool is_not_built(const char *path)
{
    for (size_t i = 0; i < sizeof(not_built) / sizeof(not_built[0]); i++) {
        size_t n = strlen(not_built[i]);

        if (strcmp(not_built[i], path) == 0)
            return true;
        if (n > 1 && not_built[i][n - 1] == '/' && strncmp(not_built[i], path, n) == 0)
            return true;
    }
    return false;
}

static void reply_unauthorized(struct evhttp_request *request)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "WWW-Authenticate", "Bearer");
    admin_reply_error(request, 401, "unauthorized",
                      "this needs \"Authorization: Bearer\" with the token of admin.token_file");
}

static void reply_unrouted(struct evhttp_request *request, const char *path)
{
    if (is_not_built(path))
        admin_reply_error(request, 404, "not_found", "%s is not built yet", path);
    else
        admin_reply_error(request, 404, "not_found", "there is no %s", path);
}

static void dispatch(struct admin *admin, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const struct admin_route *route = path ? route_of(path) : NULL;
    enum evhttp_cmd_type method = evhttp_request_get_command(request);

    /* Before anything is told, even which paths exist. */
    if (admin->token && !(route && route->open) &&
        !admin_guard_token(admin->token, evhttp_find_header(headers, "Authorization"))) {
        reply_unauthorized(request);
    } else if (!route) {
        reply_unrouted(request, path ? path : "");
    } else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        admin_reply_error(request, 405, "method_not_allowed", "%s can only be read (GET)", path);
    } else {
        route->get(admin, request);
    }
}

void admin_on_request(struct evhttp_request *request, void *arg)
{
    struct admin_door *door = arg;
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const char *refusal = admin_guard_host(door, host);

    loop_enter(&door->admin->loop);
    if (refusal)
        admin_reply_error(request, 400, "validation", "%s", refusal);
    else
        dispatch(door->admin, request);
    loop_leave(&door->admin->loop);
}
