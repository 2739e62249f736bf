/* Words of evidence. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/words.h"

Test(words, spans_are_said_shortly)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } spans[] = {{0, "0 ms"},     {250, "250 ms"},   {999, "999 ms"},   {1000, "1 s"},
                 {1500, "1.5 s"}, {60000, "60 s"},   {120000, "2 min"}, {125000, "125 s"},
                 {2090, "2 s"},   {600000, "10 min"}};
    char out[WORDS_SPAN_BYTES];

    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
        cr_expect_str_eq(words_span(out, spans[i].ms), spans[i].text);
}

Test(words, a_quote_has_no_control_characters_and_an_end)
{
    char out[WORDS_QUOTE_BYTES], longer[200];

    cr_expect_str_eq(words_quote(out, SLICE_LIT("a\tb\x1b[31m\n")), "a b [31m ");
    memset(longer, 'x', sizeof(longer));
    words_quote(out, slice_from(longer, sizeof(longer)));
    cr_expect_eq(strlen(out), sizeof(out) - 1);
}
