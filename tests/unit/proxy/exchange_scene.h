/*
 * What the tests of the exchange share: a server whose workers run on the test's own thread, turn
 * by turn, two scripted backends, and a client that is the exchange's sink and records what it is
 * told. So a test decides the order of events.
 */
#ifndef EVERGATE_TESTS_PROXY_EXCHANGE_SCENE_H
#define EVERGATE_TESTS_PROXY_EXCHANGE_SCENE_H

#include <criterion/criterion.h>

#include "base/clock.h"
#include "proxy/exchange_internal.h"
#include "proxy/server.h"
#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"

enum { SCENE_BACKENDS = 2, SCENE_WORKERS = 3 };

struct scene {
    struct loop outside; /* the backends' */
    struct fake_backend backends[SCENE_BACKENDS];
    struct config *config;
    struct server *server;
    struct pool_runtime *runtime;
};

/* `pool_text`: settings of the pool, as in a configuration file. Its backends are "a" and "b". */
void scene_init(struct scene *s, const char *pool_text);
/* Checks that no endpoint and no queue counts anybody, then frees everything. */
void scene_fini(struct scene *s);
void scene_turn(struct scene *s);
struct endpoint *scene_endpoint(struct scene *s, unsigned index);
/* The backend that has got the latest request, and its connection. */
struct fake_connection *scene_request(struct scene *s, unsigned backend);

#define SCENE_UNTIL(s, condition)                                                                  \
    do {                                                                                           \
        uint64_t scene_end_us = clock_monotonic_us() + RUN_UNTIL_LIMIT_US;                         \
        while (!(condition)) {                                                                     \
            CHECK(clock_monotonic_us() < scene_end_us);                                            \
            scene_turn(s);                                                                         \
        }                                                                                          \
    } while (0)

struct scene_client {
    struct exchange *x; /* NULL: over */
    struct worker *worker;
    int status;
    unsigned heads, ends, aborts, wanted;
    char body[256];
    size_t body_size;
};

/* `text`: the head of its request. */
void client_start(struct scene_client *c, struct scene *s, unsigned worker, const char *text);
void client_body(struct scene_client *c, const char *p, size_t n);
void client_leave(struct scene_client *c);

#define GET_TEXT  "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#endif
