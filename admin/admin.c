/* Management's life: sockets, thread, end. See admin.h. */
#include "admin/admin.h"

#include <event2/listener.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "proxy/server_change.h"
#include "proxy/upgrade.h"

static struct evhttp *http_new(struct admin_door *door)
{
    struct evhttp *http = evhttp_new(door->admin->loop.base);

    if (!http)
        return NULL;
    evhttp_set_max_headers_size(http, ADMIN_HEAD_BYTES);
    evhttp_set_max_body_size(http, ADMIN_BODY_BYTES);
    evhttp_set_timeout(http, ADMIN_TIMEOUT_S);
    /* Every method comes to us, so that a wrong one is answered with Allow. */
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                         EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE |
                                         EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE);
    evhttp_set_gencb(http, admin_on_request, door);
    return http;
}

static int door_open(struct admin_door *door, struct admin *admin, const char *key,
                     const char *bind, char **ret_why)
{
    char *why = NULL;
    int fd;

    door->admin = admin;
    if (listen_open(&door->listen, bind, 1, &why) != EG_OK) {
        *ret_why = xasprintf("%s: %s", key, why);
        free(why);
        return EG_E_INTERNAL;
    }
    door->is_tcp = door->listen.address.sa.sa_family != AF_UNIX;
    door->http = http_new(door);
    fd = listen_take(&door->listen, 0);
    if (door->http && admin_connections_watch(door) == EG_OK)
        door->bound = evhttp_accept_socket_with_handle(door->http, fd);
    if (door->bound) {
        /* Until we serve, the process before us is the one to ask. */
        if (upgrade_is_heir())
            evconnlistener_disable(evhttp_bound_socket_get_listener(door->bound));
        return EG_OK;
    }
    evutil_closesocket(fd);
    *ret_why = xasprintf("%s: cannot accept connections on %s", key, bind);
    return EG_E_INTERNAL;
}

static int doors_open(struct admin *admin, char **ret_why)
{
    const struct config *config = admin->server->config;
    int rc = EG_OK;

    if (config->admin.bind[0] != '\0')
        rc = door_open(&admin->doors[0], admin, "admin.bind", config->admin.bind, ret_why);
    if (rc == EG_OK && config->admin.socket) {
        char *bind = xasprintf("unix:%s", config->admin.socket);

        rc = door_open(&admin->doors[1], admin, "admin.socket", bind, ret_why);
        free(bind);
    }
    return rc;
}

static void on_open(void *arg)
{
    struct admin *admin = arg;

    for (size_t i = 0; i < ADMIN_SOCKETS; i++)
        if (admin->doors[i].bound)
            evconnlistener_enable(evhttp_bound_socket_get_listener(admin->doors[i].bound));
}

static void on_shut(void *arg)
{
    struct admin *admin = arg;

    for (size_t i = 0; i < ADMIN_SOCKETS; i++) {
        struct admin_door *door = &admin->doors[i];

        if (door->bound)
            evhttp_del_accept_socket(door->http, door->bound);
        door->bound = NULL;
    }
}

/* The control thread, which the sockets belong to. */
static void on_doors(void *arg, bool open)
{
    struct admin *admin = arg;

    for (size_t i = 0; i < ADMIN_SOCKETS && !open; i++)
        listen_stop(&admin->doors[i].listen);
    loop_post(&admin->loop, open ? on_open : on_shut, admin);
}

static void *admin_main(void *arg)
{
    struct admin *admin = arg;

    loop_run(&admin->loop);
    return NULL;
}

static void log_doors(const struct admin *admin)
{
    char text[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < ADMIN_SOCKETS; i++)
        if (admin->doors[i].http)
            log_info("management is listening on %s",
                     address_format(&admin->doors[i].listen.address, text));
}

static void admin_free(struct admin *admin)
{
    admin_connections_stop(admin);
    for (size_t i = 0; i < ADMIN_SOCKETS; i++) {
        if (admin->doors[i].http)
            evhttp_free(admin->doors[i].http);
        admin_connections_unwatch(&admin->doors[i]);
        if (admin->doors[i].listen.count > 0)
            listen_close(&admin->doors[i].listen);
    }
    admin_farewells_stop(admin);
    admin_collections_free(admin);
    loop_fini(&admin->loop);
    free(admin->token);
    free(admin);
}

int admin_start(struct admin **ret_admin, struct server *server, char **ret_why)
{
    const struct config *config = server->config;
    struct admin *admin;
    int rc;

    *ret_admin = NULL;
    if (config->admin.bind[0] == '\0' && !config->admin.socket)
        return EG_OK;
    admin = xcalloc(1, sizeof(*admin));
    admin->server = server;
    list_init(&admin->collections);
    rc = loop_init(&admin->loop);
    if (rc != EG_OK) {
        *ret_why = xstrdup("management: cannot set up its event loop");
        free(admin);
        return rc;
    }
    list_init(&admin->connections);
    list_init(&admin->farewells);
    admin_connections_start(admin);
    admin->token_generation = atomic_load(&server->generation);
    if (config->admin.token_file)
        rc = admin_token_load(&admin->token, "admin.token_file", config->admin.token_file, ret_why);
    if (rc == EG_OK)
        rc = doors_open(admin, ret_why);
    if (rc == EG_OK) {
        rc = thread_start(&admin->thread, "admin", admin_main, admin);
        if (rc != EG_OK)
            *ret_why = xstrdup("management: cannot start its thread");
    }
    if (rc != EG_OK) {
        admin_free(admin);
        return rc;
    }
    admin->running = true;
    server_watch_doors(server, on_doors, admin);
    log_doors(admin);
    *ret_admin = admin;
    return EG_OK;
}

/* Never opens what was shut: where there should be a token and none can be read, the old one stays,
 * and if there was none, no token is the right one. */
void admin_token_reload(struct admin *admin)
{
    const char *path;
    char *token = NULL, *why = NULL;
    int rc = EG_OK;

    server_read_lock(admin->server);
    admin->token_generation = atomic_load(&admin->server->generation);
    path = admin->server->config->admin.token_file;
    if (path)
        rc = admin_token_load(&token, "admin.token_file", path, &why);
    server_read_unlock(admin->server);
    if (rc != EG_OK) {
        log_warn("management: %s", why);
        token = xstrdup(admin->token ? admin->token : "");
    }
    free(admin->token);
    admin->token = token;
    free(why);
}

const char *admin_address(const struct admin *admin, char *out)
{
    if (!admin || !admin->doors[0].http)
        return NULL;
    return address_format(&admin->doors[0].listen.address, out);
}

static void on_stop(void *arg)
{
    struct admin *admin = arg;

    loop_stop(&admin->loop);
}

void admin_stop(struct admin **admin)
{
    if (!*admin)
        return;
    server_watch_doors((*admin)->server, NULL, NULL);
    loop_post(&(*admin)->loop, on_stop, *admin);
    pthread_join((*admin)->thread, NULL);
    admin_free(*admin);
    *admin = NULL;
}
