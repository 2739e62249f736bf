/* That a difference is noticed: llhttp is shown a head that ours was not parsed from. */
#include "http_fixture.h"

static struct request_fixture request;
static struct response_fixture response;

static int opinion_of(const char *parsed, const char *shown)
{
    cr_assert_eq(request_read(&request, parsed), EG_OK);
    return http_request_second_opinion(&request.head, shown, strlen(shown));
}

#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

Test(second_opinion, the_same_request_is_agreed_on)
{
    cr_expect_code(opinion_of(HEAD "\r\n", HEAD "\r\n"), EG_OK);
}

Test(second_opinion, every_difference_of_a_request_is_noticed)
{
    static const struct {
        const char *parsed, *shown;
    } cases[] = {
        {HEAD "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {HEAD "\r\n", "POST / HTTP/1.0\r\nHost: a\r\n\r\n"},
        {HEAD "\r\n", HEAD "Content-Length: 0\r\n\r\n"},
        {HEAD "\r\n", HEAD "Transfer-Encoding: chunked\r\n\r\n"},
        {HEAD "\r\n", HEAD "Connection: close\r\n\r\n"},
        {HEAD "Content-Length: 5\r\n\r\n", HEAD "Content-Length: 6\r\n\r\n"},
        {HEAD "Content-Length: 5\r\n\r\n", HEAD "\r\n"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n", HEAD "Transfer-Encoding: x\r\n\r\n"},
        {HEAD "Connection: upgrade\r\nUpgrade: a\r\n\r\n", HEAD "\r\n"},
        {HEAD "\r\n", HEAD "\r\nX"},
        {HEAD "\r\n", HEAD "\r\n" HEAD "\r\n"},
        {HEAD "\r\n", HEAD "\r"},
        {HEAD "\r\n", HEAD},
        {HEAD "\r\n", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_code(opinion_of(cases[i].parsed, cases[i].shown), EG_E_HEAD_SECOND_OPINION);
}

Test(second_opinion, closing_where_llhttp_would_persist_is_no_difference)
{
    static const char text[] = "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n";

    cr_expect_code(opinion_of(text, text), EG_OK);
    cr_expect_not(request.head.keep_alive);
}

Test(second_opinion, every_difference_of_a_response_is_noticed)
{
    static const char parsed[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    static const char *const shown[] = {
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 201 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh",
    };

    cr_assert_eq(response_read(&response, parsed, HTTP_METHOD_GET), EG_OK);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        cr_expect_code(http_response_second_opinion(&response.head, shown[i], strlen(shown[i]),
                                                    HTTP_METHOD_GET),
                       EG_E_HEAD_SECOND_OPINION);
}
