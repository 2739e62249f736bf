/* The demo's backends: see demo_backends.h. */
#include "cli/demo_backends.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <pthread.h>
#include <stdlib.h>

#include "admin/admin_reply.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/thread.h"
#include "net/loop.h"

enum { SLOW_MAX_MS = 30000 };

enum backend_state { BACKEND_UP, BACKEND_BROKEN, BACKEND_HANGING, BACKEND_STOPPED };

struct backend {
    struct demo_backends *all;
    const char *id;
    enum backend_state state;
    struct evhttp *http; /* NULL while stopped */
    uint16_t port;       /* kept over a stop */
    uint64_t requests;
    struct list slow; /* answers that wait for their time, or for the end of its hanging */
};

struct demo_backends {
    struct loop loop;
    pthread_t thread;
    struct backend v[DEMO_BACKENDS];
    struct evhttp *control;
    uint16_t control_port;
};

struct slow_answer {
    struct list node;
    struct loop_timer timer;
    struct backend *backend;
    struct evhttp_request *request;
};

static const char *const state_names[] = {"up", "broken", "hanging", "stopped"};

const char *demo_backend_id(unsigned index)
{
    static const char *const ids[DEMO_BACKENDS] = {"a", "b", "c"};

    return ids[index];
}

uint16_t demo_backend_port(const struct demo_backends *backends, unsigned index)
{
    return backends->v[index].port;
}

uint16_t demo_control_port(const struct demo_backends *backends)
{
    return backends->control_port;
}

static void reply_string(struct evhttp_request *request, const char *content_type, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add(body, text, strlen(text));
    admin_reply(request, 200, content_type, body);
    evbuffer_free(body);
}

static json_t *headers_of(struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    json_t *object = json_object();

    for (struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next)
        json_object_set_new(object, h->key, admin_json_text(h->value));
    return object;
}

/* Who answered, how often it has, and what arrived here after the proxy's changes. */
static void reply_hello(struct backend *backend, struct evhttp_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    json_t *object = json_object();

    admin_json_set_text(object, "backend", backend->id);
    admin_json_set_number(object, "count", backend->requests);
    admin_json_set_text(object, "path", evhttp_request_get_uri(request));
    admin_json_set_number(object, "body_bytes", evbuffer_get_length(body));
    admin_json_set(object, "headers", headers_of(request));
    admin_reply_json(request, 200, object);
}

/* A decimal parameter of the query; 0 when it is missing or no number. */
static uint64_t query_number(const struct evhttp_uri *uri, const char *name)
{
    const char *query = evhttp_uri_get_query(uri), *value;
    struct evkeyvalq parameters = {0};
    unsigned long long number = 0;

    if (!query || evhttp_parse_query_str(query, &parameters) < 0)
        return 0;
    value = evhttp_find_header(&parameters, name);
    if (value && !slice_to_u64(slice_str(value), &number))
        number = 0;
    evhttp_clear_headers(&parameters);
    return number;
}

static void slow_free(struct slow_answer *slow)
{
    loop_timer_cancel(&slow->timer);
    list_remove(&slow->node);
    free(slow);
}

static void slow_reply(struct slow_answer *slow)
{
    reply_hello(slow->backend, slow->request);
    slow_free(slow);
}

static void on_slow_timer(struct loop_timer *timer)
{
    slow_reply(container_of(timer, struct slow_answer, timer));
}

/* evhttp frees the request with its connection; but when the peer has left, that is ours to do. */
static void slow_drop(struct slow_answer *slow)
{
    if (!evhttp_request_get_connection(slow->request))
        evhttp_request_free(slow->request);
    slow_free(slow);
}

/* After `ms`; 0: when somebody ends its hanging. */
static void reply_later(struct backend *backend, struct evhttp_request *request, uint64_t ms)
{
    struct slow_answer *slow = xcalloc(1, sizeof(*slow));

    slow->backend = backend;
    slow->request = request;
    loop_timer_init(&slow->timer, on_slow_timer);
    list_push_back(&backend->slow, &slow->node);
    if (ms > 0)
        loop_timer_set(&backend->all->loop, &slow->timer, ms < SLOW_MAX_MS ? ms : SLOW_MAX_MS);
}

static void answer_traffic(struct backend *backend, struct evhttp_request *request,
                           const struct evhttp_uri *uri, const char *path)
{
    uint64_t ms = query_number(uri, "ms");

    backend->requests++;
    if (strcmp(path, "/") == 0)
        reply_string(request, "text/html; charset=utf-8", demo_page);
    else if (backend->state == BACKEND_BROKEN)
        admin_reply_error(request, 500, "broken", "backend %s was told to break", backend->id);
    else if (strcmp(path, "/flaky") == 0 && query_number(uri, "fail") > 0)
        admin_reply_error(request, 500, "flaky", "backend %s fails as asked", backend->id);
    else if (strcmp(path, "/slow") == 0 && ms > 0)
        reply_later(backend, request, ms);
    else
        reply_hello(backend, request);
}

static void answer(struct backend *backend, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    if (!path)
        path = "";
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Backend", backend->id);
    if (backend->state == BACKEND_HANGING)
        reply_later(backend, request, 0);
    else if (strcmp(path, "/health") == 0) /* says fine even while everything else fails */
        reply_string(request, "text/plain; charset=utf-8", "fine\n");
    else
        answer_traffic(backend, request, uri, path);
}

static void on_backend_request(struct evhttp_request *request, void *arg)
{
    struct backend *backend = arg;

    loop_enter(&backend->all->loop);
    answer(backend, request);
    loop_leave(&backend->all->loop);
}

/* An evhttp on 127.0.0.1 at *port, or at a port that the kernel chooses when that is 0. */
static struct evhttp *serve(struct loop *loop, uint16_t *port,
                            void (*on_request)(struct evhttp_request *request, void *arg),
                            void *arg)
{
    struct evhttp *http = evhttp_new(loop->base);
    struct evhttp_bound_socket *bound;
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);

    if (!http)
        return NULL;
    evhttp_set_gencb(http, on_request, arg);
    bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", *port);
    if (!bound ||
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length) < 0) {
        evhttp_free(http);
        return NULL;
    }
    *port = ntohs(address.sin_port);
    return http;
}

static void backend_stop(struct backend *backend)
{
    list_for_each_safe(it, tmp, &backend->slow)
        slow_drop(container_of(it, struct slow_answer, node));
    if (backend->http)
        evhttp_free(backend->http); /* closes its connections too */
    backend->http = NULL;
    backend->state = BACKEND_STOPPED;
}

/* Serving, in that state; what waited for the end of its hanging is answered. */
static bool backend_start(struct backend *backend, enum backend_state state)
{
    if (!backend->http)
        backend->http = serve(&backend->all->loop, &backend->port, on_backend_request, backend);
    if (!backend->http)
        return false;
    backend->state = state;
    if (state == BACKEND_HANGING)
        return true;
    list_for_each_safe(it, tmp, &backend->slow)
    {
        struct slow_answer *slow = container_of(it, struct slow_answer, node);

        if (slow->timer.deadline_ms == 0)
            slow_reply(slow);
    }
    return true;
}

static void reply_states(struct demo_backends *backends, struct evhttp_request *request)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < DEMO_BACKENDS; i++) {
        const struct backend *b = &backends->v[i];
        json_t *object = json_object();

        admin_json_set_text(object, "id", b->id);
        admin_json_set_text(object, "state", state_names[b->state]);
        admin_json_set_number(object, "port", b->port);
        admin_json_set_number(object, "requests", b->requests);
        json_array_append_new(array, object);
    }
    admin_reply_json(request, 200, array);
}

static bool act(struct backend *backend, struct slice verb)
{
    if (slice_eq(verb, SLICE_LIT("start")))
        return backend_start(backend, BACKEND_UP);
    if (slice_eq(verb, SLICE_LIT("break")))
        return backend_start(backend, BACKEND_BROKEN);
    if (slice_eq(verb, SLICE_LIT("hang")))
        return backend_start(backend, BACKEND_HANGING);
    if (!slice_eq(verb, SLICE_LIT("stop")))
        return false;
    backend_stop(backend);
    return true;
}

/* Takes "/backends/ID/VERB" apart and acts; false when there is no such thing. */
static bool control(struct demo_backends *backends, struct slice path)
{
    static const struct slice prefix = {"/backends/", 10};

    if (!slice_starts_with(path, prefix) || path.n < prefix.n + 3 || path.p[prefix.n + 1] != '/')
        return false;
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        if (path.p[prefix.n] == backends->v[i].id[0])
            return act(&backends->v[i], slice_from(path.p + prefix.n + 2, path.n - prefix.n - 2));
    return false;
}

static void on_control_request(struct evhttp_request *request, void *arg)
{
    struct demo_backends *backends = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    loop_enter(&backends->loop);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_GET &&
        !control(backends, slice_str(path)))
        admin_reply_error(request, 404, "not_found",
                          "POST /backends/ID/stop, /start, /break or /hang, with ID a, b or c");
    else
        reply_states(backends, request);
    loop_leave(&backends->loop);
}

static void *demo_main(void *arg)
{
    struct demo_backends *backends = arg;

    loop_run(&backends->loop);
    return NULL;
}

static void demo_free(struct demo_backends *backends)
{
    for (unsigned i = 0; i < DEMO_BACKENDS; i++)
        backend_stop(&backends->v[i]);
    if (backends->control)
        evhttp_free(backends->control);
    loop_fini(&backends->loop);
    free(backends);
}

static bool bind_all(struct demo_backends *backends)
{
    bool ok = true;

    for (unsigned i = 0; i < DEMO_BACKENDS; i++) {
        backends->v[i].all = backends;
        backends->v[i].id = demo_backend_id(i);
        list_init(&backends->v[i].slow);
        ok = backend_start(&backends->v[i], BACKEND_UP) && ok;
    }
    backends->control =
        serve(&backends->loop, &backends->control_port, on_control_request, backends);
    return ok && backends->control;
}

int demo_backends_start(struct demo_backends **ret_backends)
{
    struct demo_backends *backends = xcalloc(1, sizeof(*backends));

    if (loop_init(&backends->loop) != EG_OK) {
        free(backends);
        return EG_E_INTERNAL;
    }
    if (!bind_all(backends) ||
        thread_start(&backends->thread, "demo-backends", demo_main, backends) != EG_OK) {
        demo_free(backends);
        return EG_E_INTERNAL;
    }
    *ret_backends = backends;
    return EG_OK;
}

static void on_stop(void *arg)
{
    struct demo_backends *backends = arg;

    loop_stop(&backends->loop);
}

void demo_backends_stop(struct demo_backends **backends)
{
    loop_post(&(*backends)->loop, on_stop, *backends);
    pthread_join((*backends)->thread, NULL);
    demo_free(*backends);
    *backends = NULL;
}
