/*
 * Answers of Consul: an index on the first line, the JSON behind it. Properties: each endpoint that
 * is made has an id that can be one, an address and a word of how it is; the sum of endpoints and
 * refusals is the number of entries; the same answer
 * again makes the same endpoints; an index that was taken always blocks, or goes back to 0.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/consul_answer.h"
#include "discovery/consul_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_refused(void *arg, const char *why)
{
    CHECK(why[0] != '\0');
    ++*(size_t *)arg;
}

static void check_id(const char *id)
{
    size_t n = strlen(id);

    CHECK(n > 0 && n <= 128);
    for (size_t i = 0; i < n; i++)
        CHECK(id[i] > ' ' && id[i] < 0x7f && !strchr("\"\\/?#%", id[i]));
}

static void check_endpoint(const json_t *endpoint)
{
    const char *address = json_string_value(json_object_get(endpoint, "address"));

    check_id(json_string_value(json_object_get(endpoint, "id")));
    CHECK(address != NULL && address[0] != '\0');
    CHECK(json_is_string(json_object_get(endpoint, "reported")));
}

/* Twice: the second time the names of the first are known. */
static void read_answer(const char *text, size_t size)
{
    json_t *answer = json_loadb(text, size, JSON_DECODE_ANY, NULL), *endpoints[2], *endpoint;
    struct consul_names names;
    size_t i;

    consul_names_init(&names);
    for (unsigned round = 0; round < 2; round++) {
        size_t refused = 0;

        endpoints[round] = consul_answer_read(answer, &names, on_refused, &refused);
        CHECK((endpoints[round] != NULL) == json_is_array(answer));
        if (endpoints[round] != NULL)
            CHECK(json_array_size(endpoints[round]) + refused == json_array_size(answer));
    }
    CHECK(endpoints[0] == NULL || json_equal(endpoints[0], endpoints[1]));
    json_array_foreach(endpoints[0], i, endpoint) check_endpoint(endpoint);
    json_decref(endpoints[0]);
    json_decref(endpoints[1]);
    consul_names_fini(&names);
    json_decref(answer);
}

static void take_index(const char *header)
{
    struct consul_index index;

    consul_index_init(&index, 1);
    consul_index_take(&index, "12345");
    consul_index_take(&index, header);
    CHECK(index.index == 0 || index.index == 1 || index.index >= 12345);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t n = newline != NULL ? (size_t)(newline - data) : 0;
    char *header = xstrndup((const char *)data, n);

    take_index(header);
    free(header);
    if (newline != NULL)
        read_answer((const char *)newline + 1, size - n - 1);
    return 0;
}
