/* Against a DNS server of a few lines that lives on the same loop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolver_internal.h"
#include "net_fixture.h"

enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, TYPE_A = 1, TYPE_AAAA = 28 };

static struct loop loop;
static struct resolver *resolver;

static struct {
    int fd;
    struct event *event;
    unsigned char rcode;
    unsigned char ttl;
    unsigned char a[8][4];
    unsigned a_count;
    bool aaaa; /* answers ::1 as well */
    bool silent;
    unsigned queries;
} dns;

/* RFC 1035 section 4: a header of 12 bytes, the question as it came, answers that point to it. */
static void on_query(evutil_socket_t fd, short what, void *arg)
{
    unsigned char m[512];
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    ssize_t n = recvfrom(fd, m, 256, 0, (struct sockaddr *)&from, &from_size);
    size_t end = 12, count = 0;

    cr_assert_gt(n, 12);
    dns.queries++;
    if (dns.silent)
        return;
    while (m[end] != 0)
        end += m[end] + 1u;
    unsigned type = m[end + 2];
    end += 5;
    m[2] = 0x85; /* response, authoritative, recursion desired */
    m[3] = (unsigned char)(0x80 | dns.rcode);
    bool v6 = type == TYPE_AAAA;
    if (dns.rcode == RCODE_OK)
        count = v6 ? dns.aaaa : dns.a_count;
    memset(m + 6, 0, 6);
    m[7] = (unsigned char)count;
    for (size_t i = 0; i < count; i++) {
        const unsigned char record[] = {0xc0, 12,      0, (unsigned char)type, 0, 1, 0, 0,
                                        0,    dns.ttl, 0, v6 ? 16 : 4};
        static const unsigned char loopback6[16] = {[15] = 1};
        memcpy(m + end, record, sizeof(record));
        end += sizeof(record);
        memcpy(m + end, v6 ? loopback6 : dns.a[i], v6 ? 16 : 4);
        end += v6 ? 16 : 4;
    }
    sendto(fd, m, end, 0, (struct sockaddr *)&from, from_size);
}

static struct {
    char text[512];
    char failure[128];
    unsigned answers, failures;
    struct resolver_watch *stop_in_callback;
} seen;

static void on_resolved(void *arg, const struct address *addresses, size_t count,
                        const char *failure)
{
    char text[ADDRESS_TEXT_BYTES];

    if (count == 0) {
        seen.failures++;
        snprintf(seen.failure, sizeof(seen.failure), "%s", failure);
    } else {
        seen.answers++;
        seen.text[0] = '\0';
        for (size_t i = 0; i < count; i++) {
            size_t at = strlen(seen.text);
            snprintf(seen.text + at, sizeof(seen.text) - at, "%s%s", i ? " " : "",
                     address_format(&addresses[i], text));
        }
    }
    if (seen.stop_in_callback)
        resolver_watch_stop(&seen.stop_in_callback);
}

static bool answered(void *arg)
{
    return seen.answers >= *(unsigned *)arg;
}

static bool failed(void *arg)
{
    return seen.failures > 0;
}

static bool asked(void *arg)
{
    return dns.queries > 0;
}

static void wait_answers(unsigned n)
{
    cr_assert(fixture_run_until(&loop, answered, &n));
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char server[32];

    cr_assert_eq(loop_init(&loop), 0);
    memset(&dns, 0, sizeof(dns));
    memset(&seen, 0, sizeof(seen));
    dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(dns.fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(dns.fd, (struct sockaddr *)&address, &size), 0);
    dns.event = event_new(loop.base, dns.fd, EV_READ | EV_PERSIST, on_query, NULL);
    event_add(dns.event, NULL);
    dns.ttl = 1;
    cr_assert_eq(resolver_new(&resolver, &loop), 0);
    snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(address.sin_port));
    cr_assert_eq(resolver_set_servers(resolver, server), 0);
}

static void teardown(void)
{
    resolver_free(resolver);
    event_free(dns.event);
    close(dns.fd);
    loop_fini(&loop);
}

TestSuite(resolver, .init = setup, .fini = teardown);

static void serve_a(unsigned i, const char *ip)
{
    cr_assert_eq(inet_pton(AF_INET, ip, dns.a[i]), 1);
    dns.a_count = i + 1;
}

Test(resolver, answers_are_sorted_deduplicated_and_usable)
{
    struct resolver_watch *w;

    serve_a(0, "10.0.0.9");
    serve_a(1, "10.0.0.1");
    serve_a(2, "0.0.0.0");
    serve_a(3, "224.0.0.1");
    serve_a(4, "10.0.0.9");
    dns.aaaa = true;
    w = resolver_watch_start(resolver, "pool.test.", 8080, on_resolved, NULL);
    cr_expect_eq(seen.answers, 0, "never from within");
    wait_answers(1);
    cr_expect_str_eq(seen.text, "10.0.0.1:8080 10.0.0.9:8080 [::1]:8080");
    resolver_watch_stop(&w);
    cr_expect_null(w);
}

Test(resolver, only_changes_are_told_and_failures_keep_the_last_answer)
{
    struct resolver_watch *w;

    serve_a(0, "10.0.0.1");
    serve_a(1, "10.0.0.2");
    w = resolver_watch_start(resolver, "pool.test.", 80, on_resolved, NULL);
    wait_answers(1);
    serve_a(0, "10.0.0.2"); /* the same set in another order, then a failure, then another set */
    serve_a(1, "10.0.0.1");
    dns.queries = 0;
    cr_assert(fixture_run_until(&loop, asked, NULL));
    fixture_settle(&loop);
    cr_expect_eq(seen.answers, 1);
    dns.rcode = RCODE_SERVFAIL;
    cr_assert(fixture_run_until(&loop, failed, NULL));
    cr_expect_gt(strlen(seen.failure), 0);
    cr_expect_eq(seen.answers, 1);
    dns.rcode = RCODE_OK;
    serve_a(0, "10.0.0.3");
    wait_answers(2);
    cr_expect_str_eq(seen.text, "10.0.0.3:80");
    resolver_watch_stop(&w);
}

Test(resolver, a_name_that_does_not_exist_is_a_failure)
{
    struct resolver_watch *w;

    dns.rcode = RCODE_NXDOMAIN;
    w = resolver_watch_start(resolver, "nowhere.test.", 80, on_resolved, NULL);
    cr_assert(fixture_run_until(&loop, failed, NULL));
    cr_expect_not_null(strstr(seen.failure, "not found"), "%s", seen.failure);
    resolver_watch_stop(&w);
}

Test(resolver, an_answer_without_usable_addresses_is_a_failure)
{
    struct resolver_watch *w;

    serve_a(0, "0.0.0.0");
    w = resolver_watch_start(resolver, "void.test.", 80, on_resolved, NULL);
    cr_assert(fixture_run_until(&loop, failed, NULL));
    cr_expect_str_eq(seen.failure, "no usable address");
    resolver_watch_stop(&w);
}

Test(resolver, names_of_the_hosts_file_need_no_server)
{
    struct resolver_watch *w = resolver_watch_start(resolver, "localhost", 80, on_resolved, NULL);

    wait_answers(1);
    cr_expect_not_null(strstr(seen.text, "127.0.0.1:80"), "%s", seen.text);
    cr_expect_eq(dns.queries, 0);
    resolver_watch_stop(&w);
}

Test(resolver, a_watch_may_be_stopped_while_it_asks)
{
    struct resolver_watch *w;

    dns.silent = true;
    w = resolver_watch_start(resolver, "slow.test.", 80, on_resolved, NULL);
    cr_assert(fixture_run_until(&loop, asked, NULL));
    resolver_watch_stop(&w);
    dns.silent = false;
    fixture_settle(&loop);
    cr_expect_eq(seen.answers + seen.failures, 0);
}

Test(resolver, a_watch_may_be_stopped_in_its_callback)
{
    serve_a(0, "10.0.0.1");
    seen.stop_in_callback = resolver_watch_start(resolver, "pool.test.", 80, on_resolved, NULL);
    wait_answers(1);
    dns.queries = 0;
    fixture_settle(&loop);
    cr_expect_eq(dns.queries, 0);
}

Test(resolver, freeing_the_resolver_ends_watches_silently)
{
    dns.silent = true;
    (void)resolver_watch_start(resolver, "slow.test.", 80, on_resolved, NULL);
    (void)resolver_watch_start(resolver, "also.test.", 80, on_resolved, NULL);
    cr_assert(fixture_run_until(&loop, asked, NULL));
    resolver_free(resolver);
    resolver = NULL;
    cr_expect_eq(seen.answers + seen.failures, 0);
}

/* ---- whom to ask first ---- */

/* One that says nothing before the one that answers; how often it is asked is read from it. */
static int silent_server(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in other = {0};
    socklen_t size = sizeof(address), other_size = sizeof(other);
    char servers[64];

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    cr_assert_eq(getsockname(dns.fd, (struct sockaddr *)&other, &other_size), 0);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u,127.0.0.1:%u", ntohs(address.sin_port),
             ntohs(other.sin_port));
    cr_assert_eq(resolver_set_servers(resolver, servers), 0);
    return fd;
}

static bool was_asked(int fd)
{
    char query[512];
    bool asked = recv(fd, query, sizeof(query), 0) > 0;

    while (recv(fd, query, sizeof(query), 0) > 0)
        ;
    return asked;
}

/* As if c-ares had told so of three questions, each of which would take 2 s. */
static void hear(int timeouts)
{
    for (unsigned i = 0; i < 3; i++)
        resolver_servers_heard(resolver, ARES_SUCCESS, timeouts);
}

static struct resolver_watch *begin_asking(void)
{
    struct resolver_watch *watch;

    loop_enter(&loop);
    watch = resolver_watch_start(resolver, "app.test", 80, on_resolved, NULL);
    loop_leave(&loop);
    fixture_settle(&loop);
    return watch;
}

static void ask_once(unsigned answers)
{
    struct resolver_watch *watch = begin_asking();

    wait_answers(answers);
    loop_enter(&loop);
    resolver_watch_stop(&watch);
    loop_leave(&loop);
}

Test(resolver, a_silent_server_is_asked_last_for_a_minute)
{
    int fd = silent_server();

    serve_a(0, "10.0.0.1");
    hear(1);
    ask_once(1);
    cr_expect_not(was_asked(fd));
    resolver->servers.turned_ms -= 59 * 1000;
    ask_once(2);
    cr_expect_not(was_asked(fd));
    resolver->servers.turned_ms -= 1000;
    loop_enter(&loop);
    resolver_servers_order(resolver);
    loop_leave(&loop);
    cr_expect_eq(resolver->servers.turned, 0);
    cr_expect_eq(resolver->servers.silences, 2, "one question is enough to find it silent still");
    struct resolver_watch *watch = begin_asking();
    cr_expect(was_asked(fd));
    loop_enter(&loop);
    resolver_watch_stop(&watch);
    loop_leave(&loop);
    close(fd);
}

Test(resolver, a_server_that_answered_meanwhile_stays_the_first)
{
    int fd = silent_server();

    hear(1);
    resolver_servers_heard(resolver, ARES_SUCCESS, 0);
    hear(0);
    resolver_servers_heard(resolver, ARES_ETIMEOUT, 6); /* all of them */
    loop_enter(&loop);
    resolver_servers_order(resolver);
    loop_leave(&loop);
    cr_expect_eq(resolver->servers.turned, 0);
    close(fd);
}

Test(resolver, the_order_waits_for_the_questions_that_are_under_way)
{
    int fd = silent_server();

    struct resolver_watch *watch = begin_asking();
    cr_expect(was_asked(fd));
    hear(1);
    loop_enter(&loop);
    resolver_servers_order(resolver);
    resolver_watch_stop(&watch);
    loop_leave(&loop);
    cr_expect_eq(resolver->servers.turned, 0);
    cr_expect_eq(resolver->servers.silences, 3);
    close(fd);
}

Test(resolver, malformed_server_lists_are_refused)
{
    cr_expect_eq(resolver_set_servers(resolver, "not an address"), EG_E_INTERNAL);
}

Test(resolver, delays_are_clamped_and_grow)
{
    cr_expect_eq(resolver_answer_delay_ms(0, false), 1000);
    cr_expect_eq(resolver_answer_delay_ms(30, false), 30000);
    cr_expect_eq(resolver_answer_delay_ms(86400, false), 60000);
    cr_expect_eq(resolver_answer_delay_ms(0, true), 5000);
    cr_expect_eq(resolver_failure_delay_ms(1), 1000);
    cr_expect_eq(resolver_failure_delay_ms(2), 2000);
    cr_expect_eq(resolver_failure_delay_ms(6), 30000);
    cr_expect_eq(resolver_failure_delay_ms(4000000000u), 30000);
}
