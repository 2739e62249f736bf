/* A stream of objects is the same wherever it is cut. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/json_lines.h"

enum { MAX_BYTES = 64 };

/* Feeds `text` in pieces of `step` bytes, each in memory of its own size. Returns the first code
 * that is neither a text nor "more", and writes every text to `out`. */
static int feed(struct json_lines *lines, const char *text, size_t step, FILE *out)
{
    size_t n = strlen(text);

    for (size_t at = 0; at < n; at += step) {
        size_t left = n - at < step ? n - at : step;
        char *piece = xstrndup(text + at, left);
        size_t position = 0;
        int code = EG_OK;

        while (code == EG_OK) {
            size_t used = 0;
            json_t *json = NULL;
            code = json_lines_next(lines, piece + position, left - position, &used, &json);
            position += used;
            if (code == EG_OK)
                json_dumpf(json, out, JSON_COMPACT);
            json_decref(json);
        }
        free(piece);
        if (code != EG_E_AGAIN)
            return code;
    }
    return EG_OK;
}

static void expect(const char *text, int wanted_code, const char *wanted)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        struct json_lines lines;
        char *found = NULL;
        size_t size;
        FILE *out = open_memstream(&found, &size);

        json_lines_init(&lines, MAX_BYTES);
        int code = feed(&lines, text, step, out);
        fclose(out);
        cr_expect_eq(code, wanted_code, "%s in pieces of %zu: %s", text, step, error_text(code));
        cr_expect_str_eq(found, wanted, "in pieces of %zu", step);
        json_lines_fini(&lines);
        free(found);
    }
}

Test(json_lines, objects_with_anything_white_between_them)
{
    expect("{\"a\":1}\n{\"b\":2}\n", EG_OK, "{\"a\":1}{\"b\":2}");
    expect("{\"a\":1}{\"b\":2}", EG_OK, "{\"a\":1}{\"b\":2}");
    expect(" \r\n\t{ }\n\n{\n}", EG_OK, "{}{}");
    expect("   ", EG_OK, "");
}

Test(json_lines, brackets_and_quotes_within_strings_count_for_nothing)
{
    expect("{\"a\":\"}{]\\\"}\"}{\"\\\\\":[]}", EG_OK, "{\"a\":\"}{]\\\"}\"}{\"\\\\\":[]}");
    expect("{\"a\":{\"b\":[{},[{}]]}} {}", EG_OK, "{\"a\":{\"b\":[{},[{}]]}}{}");
}

Test(json_lines, the_beginning_of_an_object_is_kept)
{
    expect("{\"a\":1}{\"b\":", EG_OK, "{\"a\":1}");
}

Test(json_lines, what_is_no_object_ends_it)
{
    expect("{}[1]", EG_E_INTERNAL, "{}");
    expect("{}nonsense", EG_E_INTERNAL, "{}");
    expect("{\"a\":}", EG_E_INTERNAL, "");
    expect("{]", EG_E_INTERNAL, "");
    expect("}", EG_E_INTERNAL, "");
    expect("<html>", EG_E_INTERNAL, "");
}

Test(json_lines, a_text_has_a_limit_and_the_stream_has_none)
{
    char *largest = xasprintf("{\"a\":\"%0*d\"}", MAX_BYTES - 8, 0);
    char *larger = xasprintf("{\"a\":\"%0*d\"}", MAX_BYTES - 7, 0);
    char *many = xasprintf("%s%s%s", largest, largest, largest);

    expect(many, EG_OK, many);
    expect(larger, EG_E_OVERLOAD, "");
    free(many);
    free(larger);
    free(largest);
}

Test(json_lines, a_text_without_an_end_is_too_large_at_last)
{
    char *open = xasprintf("{\"a\":\"%0*d", 2 * MAX_BYTES, 0);

    expect(open, EG_E_OVERLOAD, "");
    free(open);
}
