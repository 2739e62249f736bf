/* A check of one endpoint against a fake database that the test plays, byte by byte. */
#ifndef EVERGATE_TESTS_UNIT_CHECKS_DB_FIXTURE_H
#define EVERGATE_TESTS_UNIT_CHECKS_DB_FIXTURE_H

#include "checks/probe.h"
#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"

struct db_fixture {
    struct loop loop;
    struct config_pool config;
    struct config_pool_tls tls;
    struct config_health health;
    struct config_backend backend;
    struct probe_pool pool;
    struct probe_target target;
    void *memory; /* of the endpoint */
    const struct probe_type *type;
    struct fake_backend server; /* the endpoint */
    struct probe *probe;
    bool told;
    enum check_verdict verdict;
    char why[HEALTH_WHY_BYTES];
};

/* Change `health` and `pool` afterwards, then open. */
void db_init(struct db_fixture *f, const struct probe_type *type);
void db_open(struct db_fixture *f);
void db_start(struct db_fixture *f);
/* Both; returns the connection that comes of it. */
struct fake_connection *db_ask(struct db_fixture *f);
struct fake_connection *db_connection(struct db_fixture *f, unsigned index);
/* Until the verdict. */
void db_wait(struct db_fixture *f);
void db_fini(struct db_fixture *f);

/* A password file in the test's own directory; the path is static. */
const char *db_password_file(const char *content);

/* Verdict and evidence. */
#define db_expect(f, expected, text)                                                               \
    do {                                                                                           \
        db_wait(f);                                                                                \
        cr_expect_eq((f)->verdict, expected, "%d: %s", (f)->verdict, (f)->why);                    \
        cr_expect_str_eq((f)->why, text);                                                          \
    } while (0)

/* A server that hangs up, one that is silent and one that refuses; `init` is the test's own
 * db_init.
 */
void db_expect_dead_servers_told(struct db_fixture *f, void (*init)(void));

#endif
