#include <criterion/criterion.h>

#include "base/nearest.h"

Test(nearest, near_words_are_those_that_were_meant)
{
    static const char *const words[] = {"timeouts", "tls", NULL, "header", "name", "warn"};
    static const struct {
        const char *word, *nearest;
    } table[] = {
        {"timeout", "timeouts"},
        {"timeuots", "timeouts"},
        {"TLS", "tls"},
        {"haeder", "header"},
        {"nmae", "name"},
        {"warning", "warn"},
        {"nme", "name"},
        {"tap", NULL}, /* two of three letters differ from "tls" */
        {"xyzzy", NULL},
        {"", NULL},
        {"a_word_of_more_than_sixty_four_letters_is_never_near_to_any_of_ours", NULL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *nearest = nearest_word(table[i].word, words, 6);

        if (table[i].nearest == NULL)
            cr_expect_null(nearest, "%s", table[i].word);
        else
            cr_expect_str_eq(nearest, table[i].nearest, "%s", table[i].word);
    }
}
