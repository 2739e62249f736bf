/*
 * Streams of JSON objects. Properties: the texts and the verdict do not depend on how the bytes
 * were cut; no text is larger than the limit; what is kept never is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/json_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 256 };

struct outcome {
    int code; /* EG_E_AGAIN: the stream may go on */
    char *texts;
    size_t size;
};

/* All texts of one piece, in memory of exactly its size. */
static int take_piece(struct json_lines *lines, const uint8_t *data, size_t n, FILE *out)
{
    char *piece = xmalloc(n ? n : 1);
    size_t position = 0;
    int code = EG_OK;

    memcpy(piece, data, n);
    while (code == EG_OK) {
        size_t used = 0;
        json_t *json = NULL;

        code = json_lines_next(lines, piece + position, n - position, &used, &json);
        position += used;
        CHECK(position <= n);
        CHECK(lines->kept.size <= MAX_BYTES);
        if (code == EG_OK) {
            CHECK(json_is_object(json));
            json_dumpf(json, out, JSON_COMPACT);
            fputc('\n', out);
            json_decref(json);
        }
    }
    CHECK(code != EG_E_AGAIN || position == n);
    free(piece);
    return code;
}

/* The sizes of the pieces follow from `random`; 0: one piece. */
static struct outcome run(const uint8_t *data, size_t size, uint32_t random)
{
    struct outcome outcome = {.code = EG_E_AGAIN};
    FILE *out = open_memstream(&outcome.texts, &outcome.size);
    struct json_lines lines;
    size_t at = 0;

    CHECK(out != NULL);
    json_lines_init(&lines, MAX_BYTES);
    while (at < size && outcome.code == EG_E_AGAIN) {
        size_t n = random ? 1 + (random >> 16) % 32 : size;

        random = random ? random * 1664525u + 1013904223u : 0;
        n = n < size - at ? n : size - at;
        outcome.code = take_piece(&lines, data + at, n, out);
        at += n;
    }
    json_lines_fini(&lines);
    CHECK(fclose(out) == 0);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    uint32_t random;
    memcpy(&random, data, sizeof(random));
    struct outcome whole = run(data + 4, size - 4, 0);
    struct outcome pieces = run(data + 4, size - 4, random | 1);

    CHECK(whole.code == pieces.code);
    CHECK(whole.size == pieces.size && memcmp(whole.texts, pieces.texts, whole.size) == 0);
    free(whole.texts);
    free(pieces.texts);
    return 0;
}
