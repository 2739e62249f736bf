/* See db_fixture.h. */
#include "tests/unit/checks/db_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void db_init(struct db_fixture *f, const struct probe_type *type)
{
    memset(f, 0, sizeof(*f));
    f->type = type;
    CHECK(loop_init(&f->loop) == 0);
    fake_backend_start(&f->server, &f->loop, "127.0.0.1:0");
    f->health = (struct config_health){
        .timeout_ms = 5000, .user = "", .database = "postgres", .master_name = ""};
    f->backend = (struct config_backend){.id = "db", .address = f->server.text};
    f->config = (struct config_pool){
        .name = "app", .health = &f->health, .backends = &f->backend, .backend_count = 1};
    f->pool = (struct probe_pool){.loop = &f->loop};
    f->target = (struct probe_target){
        .pool = &f->pool,
        .config = &f->config,
        .backend = &f->backend,
        .memory = &f->memory,
        .address = f->server.address,
    };
}

void db_open(struct db_fixture *f)
{
    char *why = NULL;

    if (f->type->open(&f->pool, &f->health, &why) != 0) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
}

static void on_done(void *arg, const struct check_result *result)
{
    struct db_fixture *f = arg;

    f->told = true;
    f->probe = NULL;
    f->verdict = result->verdict;
    snprintf(f->why, sizeof(f->why), "%s", result->why);
}

void db_start(struct db_fixture *f)
{
    f->told = false;
    IN_TURN(&f->loop, f->probe = probe_start(f->type, &f->target, on_done, f));
}

struct fake_connection *db_ask(struct db_fixture *f)
{
    db_open(f);
    db_start(f);
    return db_connection(f, 0);
}

struct fake_connection *db_connection(struct db_fixture *f, unsigned index)
{
    RUN_UNTIL(&f->loop, f->server.count > index);
    return f->server.connections[index];
}

void db_wait(struct db_fixture *f)
{
    RUN_UNTIL(&f->loop, f->told);
}

void db_fini(struct db_fixture *f)
{
    IN_TURN(&f->loop, probe_cancel(&f->probe));
    fake_backend_stop(&f->server);
    if (f->memory)
        f->type->forget(f->memory);
    IN_TURN(&f->loop, f->type->close(&f->pool));
    loop_fini(&f->loop);
}

const char *db_password_file(const char *content)
{
    static char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/tmp/evergate-password-%d", (int)getpid());
    file = fopen(path, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
    return path;
}

void db_expect_dead_servers_told(struct db_fixture *f, void (*init)(void))
{
    init();
    fake_finish(db_ask(f));
    db_expect(f, CHECK_FAIL, "closed the connection without an answer");
    db_fini(f);

    init();
    f->health.timeout_ms = 50;
    db_ask(f);
    db_expect(f, CHECK_FAIL, "no answer within 50 ms");
    db_fini(f);

    init();
    fake_backend_refuse(&f->server);
    db_open(f);
    db_start(f);
    db_expect(f, CHECK_FAIL, "connection refused");
    db_fini(f);
}
