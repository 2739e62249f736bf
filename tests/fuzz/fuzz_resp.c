/*
 * Replies of Redis. Properties: the verdict does not depend on how the bytes were cut; a measured
 * reply is taken apart into exactly its own bytes; understanding it reads nothing else.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/redis_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Byte after byte, each time in memory of exactly that size, so that a sanitizer sees one byte too
 * far. Returns the first verdict that is not "more". */
static int measure_in_pieces(const uint8_t *data, size_t size, size_t *ret_size)
{
    int err = EG_E_AGAIN;

    for (size_t n = 0; n <= size && err == EG_E_AGAIN; n++) {
        char *copy = xmalloc(n + 1);
        char *exact = copy + 1; /* its end is the allocation's */

        if (n > 0)
            memcpy(exact, data, n);
        err = resp_measure(slice_from(exact, n), ret_size);
        free(copy);
    }
    return err;
}

static void take_apart(struct slice reply)
{
    const char *end = reply.p + reply.n;
    struct resp_element element;
    unsigned count = 0;

    while (resp_take(&reply, &element)) {
        CHECK(++count <= RESP_ELEMENTS);
        CHECK(reply.p + reply.n == end);
        if (element.type == RESP_STRING || element.type == RESP_ERROR)
            CHECK(element.text.p + element.text.n <= reply.p);
    }
    CHECK(reply.n == 0);
}

static void understand(struct slice reply)
{
    const struct config_backend backend = {.address = "db:6379"};
    struct redis_standing standing;
    struct address own;
    struct slice host, port;

    CHECK(address_parse(&own, SLICE_LIT("127.0.0.1:6379")) == 0);
    if (redis_standing_read(&standing, reply) && standing.standby)
        CHECK(standing.master_host.p >= reply.p);
    if (redis_master_read(&host, &port, reply))
        redis_master_is(host, port, &own, &backend);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole_size = 0, pieces_size = 0;

    if (size > 2048)
        return 0; /* cutting it everywhere is quadratic */
    int whole = resp_measure(slice_from((const char *)data, size), &whole_size);
    CHECK(whole == measure_in_pieces(data, size, &pieces_size));
    if (whole != 0)
        return 0;
    CHECK(whole_size == pieces_size && whole_size <= size);
    take_apart(slice_from((const char *)data, whole_size));
    understand(slice_from((const char *)data, whole_size));
    return 0;
}
