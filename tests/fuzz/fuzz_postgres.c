/*
 * What a PostgreSQL server says. Properties: the stream of messages does not depend on how the
 * bytes were cut, and what is taken out of a message lies within it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/pg_lag.h"
#include "checks/pg_wire.h"
#include "checks/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct slice part, struct slice whole)
{
    if (part.n > 0)
        CHECK(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void read_row(struct slice body)
{
    struct slice columns[PG_COLUMNS];
    struct pg_standing standing;
    uint64_t caught_up_us = 0;
    char why[PG_LAG_WHY_BYTES];
    int count = pg_row_columns(body, columns);

    CHECK(count <= PG_COLUMNS);
    for (int i = 0; i < count; i++)
        check_within(columns[i], body);
    if (count >= 0 && pg_lag_read(&standing, columns, (unsigned)count) == 0)
        pg_lag_within(&standing, &caught_up_us, 1000, 1, why);
}

static void read_login(struct slice body)
{
    char answer[SCRAM_MESSAGE_BYTES];
    static struct scram_keys keys;
    struct scram scram;
    struct slice message;

    scram_first(&scram, "", "n");
    /* Real iterations would be all that is fuzzed: only what one of them can follow is tried. */
    if (memmem(body.p, body.n, "i=1", 3) == NULL || memmem(body.p, body.n, "i=10", 4) != NULL)
        return;
    if (scram_final(&scram, body, SLICE_LIT("secret"), &keys, answer, &message) == 0)
        CHECK(message.n < sizeof(answer) && answer[message.n] == '\0');
    scram_verify(&scram, body);
}

static void read_message(const struct pg_message *message)
{
    struct slice body = message->body;

    check_within(pg_error_field(body, 'M'), body);
    read_row(body);
    read_login(body);
}

/* How many messages there are, and how it ended. `cut` bytes come at a time, each time all that is
 * left in memory of exactly its size. */
static int read_stream(const uint8_t *data, size_t size, size_t cut, unsigned *ret_messages)
{
    size_t used = 0, come = 0;
    int err = EG_E_AGAIN;

    *ret_messages = 0;
    while (err == EG_E_AGAIN && come < size) {
        come = come + cut < size ? come + cut : size;
        char *copy = xmalloc(come - used + 1);
        memcpy(copy + 1, data + used, come - used);
        struct slice rest = slice_from(copy + 1, come - used);
        struct pg_message message;

        while ((err = pg_message_take(&rest, &message)) == 0) {
            read_message(&message);
            ++*ret_messages;
        }
        used = come - rest.n;
        free(copy);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned whole, pieces;

    if (size == 0 || size > 2048)
        return 0;
    int err = read_stream(data, size, size, &whole);
    CHECK(read_stream(data, size, 1, &pieces) == err && whole == pieces);
    return 0;
}
