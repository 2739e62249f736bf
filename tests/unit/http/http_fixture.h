/* Heads for tests: text in, parsed head out. The text must outlive the head. */
#ifndef EVERGATE_TESTS_HTTP_FIXTURE_H
#define EVERGATE_TESTS_HTTP_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "http/forward.h"
#include "http/second_opinion.h"

enum { FIXTURE_FIELDS = 100 };
static const struct http_limits fixture_limits = {32 * 1024, FIXTURE_FIELDS};

struct request_fixture {
    struct http_request_head head;
    struct http_field fields[FIXTURE_FIELDS];
};

struct response_fixture {
    struct http_response_head head;
    struct http_field fields[FIXTURE_FIELDS];
};

/* Scan, parse and second opinion, as a connection does it. */
static inline int request_read(struct request_fixture *f, const char *text)
{
    struct http_head_scan scan = {0};
    size_t size = 0;
    int code = http_head_scan(&scan, text, strlen(text), &fixture_limits, &size);

    f->head = (struct http_request_head){.fields = {.v = f->fields, .capacity = FIXTURE_FIELDS}};
    if (code == EG_OK)
        code = http_request_head_parse(&f->head, text, size, &fixture_limits);
    if (code == EG_OK)
        code = http_request_second_opinion(&f->head, text, size);
    return code;
}

static inline int response_read(struct response_fixture *f, const char *text,
                                enum http_method method)
{
    struct http_head_scan scan = {0};
    size_t size = 0;
    int code = http_head_scan(&scan, text, strlen(text), &fixture_limits, &size);

    f->head = (struct http_response_head){.fields = {.v = f->fields, .capacity = FIXTURE_FIELDS}};
    if (code == EG_OK)
        code = http_response_head_parse(&f->head, text, size, method, &fixture_limits);
    if (code == EG_OK)
        code = http_response_second_opinion(&f->head, text, size, method);
    return code;
}

#define cr_expect_slice(actual, expected)                                                          \
    cr_expect(slice_eq((actual), slice_str(expected)), "expected \"%s\", got \"%.*s\"", expected,  \
              SLICE_FMT(actual))

#define cr_expect_code(actual, expected)                                                           \
    do {                                                                                           \
        int code_ = (actual);                                                                      \
        cr_expect_eq(code_, (expected), "%s: expected %s, got %s", #actual, error_name(expected),  \
                     error_name(code_));                                                           \
    } while (0)

#endif
