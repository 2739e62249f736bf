/* RFC 4648 section 10, and what a decoder must not take. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "discovery/base64.h"

static const struct {
    const char *plain, *encoded;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

Test(base64, encodes_and_decodes_the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char *encoded = base64_encode(slice_str(vectors[i].plain));
        size_t size = 99;
        char *decoded = base64_decode(slice_str(vectors[i].encoded), &size);

        cr_expect_str_eq(encoded, vectors[i].encoded);
        cr_assert_not_null(decoded);
        cr_expect_str_eq(decoded, vectors[i].plain);
        cr_expect_eq(size, strlen(vectors[i].plain));
        free(encoded);
        free(decoded);
    }
}

Test(base64, white_space_anywhere_is_not_minded)
{
    size_t size;
    char *decoded = base64_decode(SLICE_LIT(" Zm9v\r\n\tYm Fy\n"), &size);

    cr_assert_not_null(decoded);
    cr_expect_str_eq(decoded, "foobar");
    free(decoded);
}

Test(base64, bytes_of_all_kinds_survive)
{
    char bytes[256];
    size_t size;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        char *encoded = base64_encode(slice_from(bytes, n));
        char *decoded = base64_decode(slice_str(encoded), &size);

        cr_assert(decoded && size == n && memcmp(decoded, bytes, n) == 0, "%zu bytes", n);
        free(encoded);
        free(decoded);
    }
}

Test(base64, nonsense_is_refused)
{
    static const char *const texts[] = {"Z",        "Zg",   "Zg=",         "Zg===",     "====",
                                        "Zm9v=",    "Z=g=", "Zg==Zg==",    "Zm9v!mFy",  "Zm9-",
                                        "Zm9v----", "----", "Zm9v\001AAA", "\303\244AA"};
    size_t size;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_null(base64_decode(slice_str(texts[i]), &size), "\"%s\"", texts[i]);
}
