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

enum backend_state { BACKEND_UP, BACKEND_BROKEN, BACKEND_STOPPED };

struct backend {
    struct demo_backends *all;
    const char *id;
    enum backend_state state;
    struct evhttp *http; /* NULL while stopped */
    uint16_t port;       /* kept over a stop */
    uint64_t requests;
    struct list slow; /* answers that wait for their time */
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

static const char *const state_names[] = {"up", "broken", "stopped"};

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

static void put_headers(struct evbuffer *out, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *separator = "";

    evbuffer_add_printf(out, ",\"headers\":{");
    for (struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next) {
        evbuffer_add_printf(out, "%s\n  ", separator);
        admin_json_string(out, h->key);
        evbuffer_add_printf(out, ": ");
        admin_json_string(out, h->value);
        separator = ",";
    }
    evbuffer_add_printf(out, "}");
}

/* Who answered, how often it has, and what arrived here after the proxy's changes. */
static void reply_hello(struct backend *backend, struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add_printf(body, "{\"backend\":\"%s\",\"count\":%llu,\"path\":", backend->id,
                        (unsigned long long)backend->requests);
    admin_json_string(body, evhttp_request_get_uri(request));
    evbuffer_add_printf(body, ",\"body_bytes\":%zu",
                        evbuffer_get_length(evhttp_request_get_input_buffer(request)));
    put_headers(body, request);
    evbuffer_add_printf(body, "}\n");
    admin_reply(request, 200, "application/json", body);
    evbuffer_free(body);
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

static void on_slow_timer(struct loop_timer *timer)
{
    struct slow_answer *slow = container_of(timer, struct slow_answer, timer);

    reply_hello(slow->backend, slow->request);
    slow_free(slow);
}

static void reply_later(struct backend *backend, struct evhttp_request *request, uint64_t ms)
{
    struct slow_answer *slow = xcalloc(1, sizeof(*slow));

    slow->backend = backend;
    slow->request = request;
    loop_timer_init(&slow->timer, on_slow_timer);
    list_push_back(&backend->slow, &slow->node);
    loop_timer_set(&backend->all->loop, &slow->timer, ms < SLOW_MAX_MS ? ms : SLOW_MAX_MS);
}

static void answer(struct backend *backend, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    if (!path)
        path = "";
    backend->requests++;
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Backend", backend->id);
    if (strcmp(path, "/") == 0)
        reply_string(request, "text/html; charset=utf-8", demo_page);
    else if (backend->state == BACKEND_BROKEN)
        admin_reply_error(request, 500, "broken", "backend %s was told to break", backend->id);
    else if (strcmp(path, "/flaky") == 0 && query_number(uri, "fail") > 0)
        admin_reply_error(request, 500, "flaky", "backend %s fails as asked", backend->id);
    else if (strcmp(path, "/slow") == 0)
        reply_later(backend, request, query_number(uri, "ms"));
    else
        reply_hello(backend, request);
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
        slow_free(container_of(it, struct slow_answer, node));
    if (backend->http)
        evhttp_free(backend->http); /* closes its connections too */
    backend->http = NULL;
    backend->state = BACKEND_STOPPED;
}

static bool backend_start(struct backend *backend)
{
    if (!backend->http)
        backend->http = serve(&backend->all->loop, &backend->port, on_backend_request, backend);
    if (backend->http)
        backend->state = BACKEND_UP;
    return backend->http != NULL;
}

static void reply_states(struct demo_backends *backends, struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add_printf(body, "[");
    for (unsigned i = 0; i < DEMO_BACKENDS; i++) {
        const struct backend *b = &backends->v[i];

        evbuffer_add_printf(
            body, "%s{\"id\":\"%s\",\"state\":\"%s\",\"port\":%u,\"requests\":%llu}", i ? "," : "",
            b->id, state_names[b->state], b->port, (unsigned long long)b->requests);
    }
    evbuffer_add_printf(body, "]\n");
    admin_reply(request, 200, "application/json", body);
    evbuffer_free(body);
}

/* Takes "/backends/ID/VERB" apart and acts; false when there is no such thing. */
static bool control(struct demo_backends *backends, struct slice path)
{
    static const struct slice prefix = {"/backends/", 10};

    if (!slice_starts_with(path, prefix) || path.n < prefix.n + 3 || path.p[prefix.n + 1] != '/')
        return false;
    for (unsigned i = 0; i < DEMO_BACKENDS; i++) {
        struct backend *backend = &backends->v[i];
        struct slice verb = slice_from(path.p + prefix.n + 2, path.n - prefix.n - 2);

        if (path.p[prefix.n] != backend->id[0])
            continue;
        if (slice_eq(verb, SLICE_LIT("start")))
            return backend_start(backend);
        if (slice_eq(verb, SLICE_LIT("stop"))) {
            backend_stop(backend);
            return true;
        }
        if (slice_eq(verb, SLICE_LIT("break")) && backend_start(backend)) {
            backend->state = BACKEND_BROKEN;
            return true;
        }
    }
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
                          "POST /backends/ID/stop, /start or /break, with ID a, b or c");
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
        ok = backend_start(&backends->v[i]) && ok;
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
