/* Both corpora through the parsers, whole and in pieces of several sizes. */
#include <criterion/criterion.h>

#include "corpus.h"
#include "reading.h"

static const size_t steps[] = {1, 2, 7, 64};

static const char *code_name(int code)
{
    return code ? error_name(code) : "OK";
}

/* "1 incomplete" -> complete 0; a number is the number of complete requests. */
static void request_case_check(const struct corpus_case *c)
{
    struct reading whole, pieces;
    bool accept = strcmp(c->verdict, "accept") == 0;
    unsigned complete = strchr(c->upstream, ' ') ? 0 : (unsigned)(c->upstream[0] - '0');

    reading_requests(&whole, c->bytes, c->size, c->size);
    if (accept)
        cr_expect_eq(whole.code, EG_OK, "%s: %s", c->name, code_name(whole.code));
    else
        cr_expect(whole.code != EG_E_AGAIN &&
                      error_http_status(whole.code) == (int)strtol(c->verdict, NULL, 10),
                  "%s: expected %s, got %s", c->name, c->verdict, code_name(whole.code));
    cr_expect_eq(whole.complete, complete, "%s: %u complete requests", c->name, whole.complete);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        reading_requests(&pieces, c->bytes, c->size, steps[i]);
        if (!reading_equal(&whole, &pieces)) /* Criterion takes a millisecond to pass */
            cr_expect_fail("%s: whole %s, in steps of %zu %s", c->name, code_name(whole.code),
                           steps[i], code_name(pieces.code));
        reading_fini(&pieces);
    }
    reading_fini(&whole);
}

Test(corpus, requests_get_the_verdict_they_are_documented_with)
{
    struct corpus corpus;
    size_t refused = 0;

    corpus_load(&corpus, "requests.corpus");
    for (size_t i = 0; i < corpus.count; i++) {
        request_case_check(&corpus.cases[i]);
        refused += strcmp(corpus.cases[i].verdict, "accept") != 0;
    }
    cr_expect_geq(refused, 220);
    cr_expect_geq(corpus.count - refused, 40);
    corpus_free(&corpus);
}

static enum http_method method_of(const char *name)
{
    return strcmp(name, "HEAD") == 0   ? HTTP_METHOD_HEAD
           : strcmp(name, "POST") == 0 ? HTTP_METHOD_POST
                                       : HTTP_METHOD_GET;
}

/* What only the connection above the parsers can know. */
static bool response_needs_context(const struct corpus_case *c)
{
    return strcmp(c->name, "switching-unasked") == 0;
}

static void response_case_check(const struct corpus_case *c)
{
    enum http_method method = method_of(c->method);
    struct reading whole, pieces;
    bool head_is_fine;

    reading_responses(&whole, c->bytes, c->size, c->size, method);
    head_is_fine = whole.heads > 0 && strncmp(c->name, "interim", 7) != 0;
    if (strcmp(c->verdict, "accept") == 0)
        cr_expect_eq(whole.code, EG_OK, "%s: %s", c->name, code_name(whole.code));
    else if (!response_needs_context(c))
        cr_expect(whole.code != EG_OK && head_is_fine == (strcmp(c->verdict, "abort") == 0),
                  "%s: expected %s, got %s after %u heads", c->name, c->verdict,
                  code_name(whole.code), whole.heads);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        reading_responses(&pieces, c->bytes, c->size, steps[i], method);
        if (!reading_equal(&whole, &pieces)) /* Criterion takes a millisecond to pass */
            cr_expect_fail("%s: whole %s, in steps of %zu %s", c->name, code_name(whole.code),
                           steps[i], code_name(pieces.code));
        reading_fini(&pieces);
    }
    reading_fini(&whole);
}

Test(corpus, responses_get_the_verdict_they_are_documented_with)
{
    struct corpus corpus;

    corpus_load(&corpus, "responses.corpus");
    for (size_t i = 0; i < corpus.count; i++)
        response_case_check(&corpus.cases[i]);
    cr_expect_geq(corpus.count, 70);
    corpus_free(&corpus);
}
