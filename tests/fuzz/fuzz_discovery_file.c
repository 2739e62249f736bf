/*
 * The text of a file of endpoints, in either language. Whatever it is, it gives an array or a
 * sentence; an array that is written down as JSON and read back is the same, however it was
 * written first; and every entry of it is either an endpoint or refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found.h"
#include "discovery/file_parse.h"

static void check_written(const json_t *endpoints)
{
    char why[FILE_PARSE_WHY_BYTES];
    char *text = json_dumps(endpoints, JSON_REAL_PRECISION(17));
    json_t *again = file_parse(slice_str(text), why);

    CHECK(again != NULL && json_equal(again, endpoints));
    json_decref(again);
    free(text);
}

static void check_endpoints(const json_t *endpoints)
{
    struct config_refused refused;
    struct config_found *found = config_found_new(endpoints, NULL, &refused);

    CHECK(config_found_count(found) + refused.count == json_array_size(endpoints));
    config_refused_fini(&refused);
    config_found_unref(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xcalloc(1, size + 1), why[FILE_PARSE_WHY_BYTES] = "";
    json_t *endpoints;

    if (size > 0)
        memcpy(text, data, size);
    endpoints = file_parse(slice_from(text, size), why);
    if (endpoints == NULL) {
        CHECK(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    } else {
        CHECK(json_is_array(endpoints));
        check_written(endpoints);
        check_endpoints(endpoints);
    }
    json_decref(endpoints);
    free(text);
    return 0;
}
