/*
 * Changes under threads. A plain program, so that ThreadSanitizer can watch it.
 *
 * A whole server with four workers serves visitors while its file is reloaded and its endpoints are
 * registered, changed and deregistered as fast as it takes them, and somebody reads all of it, as
 * management does. Every request must be answered with 200: one endpoint is always there, and those
 * that go finish what they hold.
 */
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"
#include "proxy/pool_runtime.h"
#include "proxy/server.h"
#include "proxy/server_change.h"

enum { BACKENDS = 4, VISITORS = 4, EDITORS = 2, EDITS = 150, RELOADS = 100, BUFFER_BYTES = 4096 };

static char directory[] = "/tmp/evergate-change-XXXXXX";
static char file[64];
static atomic_bool stopping;
static atomic_uint served;

/* ---- Unix sockets: paths that nobody else has ---- */

static struct sockaddr_un socket_path(const char *name)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};

    CHECK(snprintf(path.sun_path, sizeof(path.sun_path), "%s/%s", directory, name) <
          (int)sizeof(path.sun_path));
    return path;
}

/* ---- A backend: a thread for each connection, one answer for each head ---- */

static void *backend_serve(void *arg)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int fd = (int)(intptr_t)arg;
    char buffer[BUFFER_BYTES];

    while (recv(fd, buffer, sizeof(buffer), 0) > 0)
        if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
            break;
    close(fd);
    return NULL;
}

static void *backend_accept(void *arg)
{
    int fd, listener = (int)(intptr_t)arg;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, backend_serve, (void *)(intptr_t)fd) == 0);
        pthread_detach(thread);
    }
    return NULL;
}

static int backend_listen(unsigned number)
{
    char name[16];
    struct sockaddr_un path;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(name, sizeof(name), "b%u", number);
    path = socket_path(name);
    CHECK(bind(fd, (struct sockaddr *)&path, sizeof(path)) == 0 && listen(fd, 256) == 0);
    return fd;
}

/* ---- A visitor: requests on a kept connection, now and then on a new one ---- */

static int visitor_connect(void)
{
    struct sockaddr_un path = socket_path("in");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(connect(fd, (struct sockaddr *)&path, sizeof(path)) == 0);
    return fd;
}

static void visitor_ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: stress\r\n\r\n";
    char buffer[BUFFER_BYTES];
    size_t used = 0;

    CHECK(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1);
    do {
        ssize_t n = recv(fd, buffer + used, sizeof(buffer) - used, 0);

        CHECK(n > 0);
        used += (size_t)n;
    } while (memmem(buffer, used, "\r\n\r\nok", 6) == NULL);
    CHECK(memcmp(buffer, "HTTP/1.1 200 ", 13) == 0);
    atomic_fetch_add(&served, 1);
}

static void *visit(void *arg)
{
    while (!atomic_load(&stopping)) {
        int fd = visitor_connect();

        for (unsigned i = 0; i < 20 && !atomic_load(&stopping); i++)
            visitor_ask(fd);
        close(fd);
    }
    return NULL;
}

/* ---- Changes ---- */

/* What a change comes to; nothing may be refused. */
static void expect_done(struct server_outcome *outcome)
{
    if (outcome->verdict != SERVER_CHANGE_DONE)
        fprintf(stderr, "refused: %s, %zu mistakes\n", outcome->why ? outcome->why : "-",
                outcome->errors.count);
    CHECK(outcome->verdict == SERVER_CHANGE_DONE);
    server_outcome_free(outcome);
}

struct edit {
    char id[16];
    unsigned backend, weight; /* weight 0: deregistered */
    bool replace;
};

static int edit_endpoint(void *arg, struct config_overlay *overlay, const struct config *now,
                         char **ret_why)
{
    const struct edit *edit = arg;
    char address[160];
    json_t *fields = NULL;
    int code;

    snprintf(address, sizeof(address), "unix:%s/b%u", directory, edit->backend);
    if (edit->weight > 0)
        fields = edit->replace
                     ? json_pack("{s:s, s:i}", "address", address, "weight", (int)edit->weight)
                     : json_pack("{s:i}", "weight", (int)edit->weight);
    code = config_overlay_set_endpoint(overlay, "app", edit->id, fields, edit->replace);
    json_decref(fields);
    return code;
}

struct editor {
    struct server *server;
    unsigned number;
};

static void edit_once(struct editor *editor, unsigned step)
{
    struct edit edit = {.backend = step % BACKENDS, .weight = 1 + step % 5};
    struct server_outcome outcome;

    snprintf(edit.id, sizeof(edit.id), "e%u-%u", editor->number, step / 3 % 4);
    edit.replace = step % 3 == 0;
    if (step % 3 == 2)
        edit.weight = 0;
    server_edit(editor->server, edit_endpoint, &edit, &outcome);
    expect_done(&outcome);
}

static void *edit_many(void *arg)
{
    for (unsigned step = 0; step < EDITS; step++)
        edit_once(arg, step);
    return NULL;
}

static void write_file(unsigned step)
{
    FILE *out = fopen(file, "w");

    CHECK(out != NULL);
    fprintf(out,
            "workers = 4; admin = { bind = \"off\"; }; log = { level = \"error\"; access = "
            "\"off\"; };\n"
            "listeners = ( { name = \"in\"; bind = \"unix:%s/in\"; } );\n"
            "routes = ( { name = \"all\"; pool = \"app\"; } );\n",
            directory);
    fprintf(
        out,
        "pools = ( { name = \"app\"; max_connections = %u; outlier = { stall_min = \"60s\"; };\n"
        "  backends = ( { id = \"stays\"; address = \"unix:%s/b0\"; weight = %u; },\n"
        "               { id = \"moves\"; address = \"unix:%s/b%u\"; } ); }",
        1000 + step % 2, directory, 1 + step % 3, directory, step % BACKENDS);
    if (step % 2 == 0)
        fprintf(out, ",\n { name = \"beside\"; backends = ( { address = \"unix:%s/b1\"; } ); }",
                directory);
    fprintf(out, " );\n");
    CHECK(fclose(out) == 0);
}

static void on_reloaded(void *arg)
{
    sem_post(arg);
}

static void *reload_many(void *arg)
{
    struct server *server = arg;
    sem_t over;

    CHECK(sem_init(&over, 0, 0) == 0);

    for (unsigned step = 1; step <= RELOADS; step++) {
        struct server_outcome outcome;

        write_file(step);
        server_reload(server, &outcome, on_reloaded, &over);
        CHECK(sem_wait(&over) == 0);
        expect_done(&outcome);
    }
    sem_destroy(&over);
    return NULL;
}

/* Whoever leaves has no configuration any more. */
static void check_endpoint(const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);

    if (backend)
        CHECK(strcmp(backend->id, endpoint->id) == 0);
    else
        CHECK(atomic_load(&endpoint->leaving));
}

/* As management does: all of it, under the read lock. */
static void *read_all(void *arg)
{
    struct server *server = arg;

    while (!atomic_load(&stopping)) {
        server_read_lock(server);
        for (size_t i = 0; i < server->config->pool_count; i++) {
            struct balancer_pool *pool = server->runtimes[i]->balancer;

            for (unsigned j = 0; j < balancer_pool_size(pool); j++) {
                const struct endpoint *endpoint = balancer_pool_endpoint(pool, j);

                if (endpoint)
                    check_endpoint(endpoint);
            }
        }
        server_read_unlock(server);
        sched_yield();
    }
    return NULL;
}

static void *run_server(void *arg)
{
    CHECK(server_run(arg) == 0);
    return NULL;
}

static struct server *make_server(void)
{
    struct config_errors errors = {0};
    struct config *config = NULL;
    struct server *server = NULL;
    char *why = NULL;

    write_file(0);
    CHECK(config_load(&config, file, &errors) == EG_OK);
    config_errors_free(&errors);
    if (server_new(&server, config, &why) != EG_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(server != NULL);
    config_unref(&config);
    return server;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    CHECK(pthread_create(thread, NULL, run, arg) == 0);
}

static void clean_up(void)
{
    DIR *listed = opendir(directory);
    struct dirent *entry;

    while (listed && (entry = readdir(listed)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(listed), entry->d_name, 0);
    if (listed)
        closedir(listed);
    rmdir(directory);
}

/* All of it at once, until the last change is made. */
static void change_under_visits(struct server *server)
{
    pthread_t visitors[VISITORS], editors[EDITORS], reloader, reader;
    struct editor editor[EDITORS];

    for (unsigned i = 0; i < VISITORS; i++)
        start(&visitors[i], visit, NULL);
    start(&reader, read_all, server);
    start(&reloader, reload_many, server);
    for (unsigned i = 0; i < EDITORS; i++) {
        editor[i] = (struct editor){server, i};
        start(&editors[i], edit_many, &editor[i]);
    }
    for (unsigned i = 0; i < EDITORS; i++)
        pthread_join(editors[i], NULL);
    pthread_join(reloader, NULL);
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < VISITORS; i++)
        pthread_join(visitors[i], NULL);
    pthread_join(reader, NULL);
}

int main(void)
{
    pthread_t acceptors[BACKENDS], control;
    int listeners[BACKENDS];
    struct server *server;

    CHECK(mkdtemp(directory) != NULL);
    snprintf(file, sizeof(file), "%s/evergate.conf", directory);
    for (unsigned i = 0; i < BACKENDS; i++) {
        listeners[i] = backend_listen(i);
        start(&acceptors[i], backend_accept, (void *)(intptr_t)listeners[i]);
    }
    server = make_server();
    start(&control, run_server, server);
    while (server_phase(server) != SERVER_SERVING)
        sched_yield();
    change_under_visits(server);
    server_stop(server);
    pthread_join(control, NULL);
    server_free(server);
    for (unsigned i = 0; i < BACKENDS; i++) {
        shutdown(listeners[i], SHUT_RDWR);
        pthread_join(acceptors[i], NULL);
        close(listeners[i]);
    }
    clean_up();
    printf("%u requests, %u edits, %u reloads\n", atomic_load(&served), EDITORS * EDITS, RELOADS);
    return 0;
}
