/* Against a name server of a few lines that lives on the same loop. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../lib/run_until.h"
#include "discovery/dns_lookup.h"
#include "dns_message.h"

enum { RCODE_FORMERR = 1, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_SILENCE = -1 };

static struct loop loop;
static struct resolver *resolver;
static struct dns_lookup *lookup;
static uint64_t other_ms;
static struct dns_message m;

static struct {
    int fd;
    struct event *event;
    /* Adds to `m`, which has the question; an RCODE. */
    int (*answer)(const char *name, unsigned type);
    unsigned queries;
    bool edns;       /* of this one: it has an OPT record */
    char asked[512]; /* "A api.test, " */
} dns;

static void on_query(evutil_socket_t fd, short what, void *arg)
{
    unsigned char query[512];
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_size);
    struct dns_reader reader;
    size_t end = 12;
    int rcode;

    cr_assert_eq(dns_reader_init(&reader, slice_from((char *)query, (size_t)n)), 0);
    while (query[end] != 0)
        end += query[end] + 1u;
    unsigned type = query[end + 2];
    message_begin(&m, reader.question, (uint16_t)type);
    memcpy(m.v, query, 2);
    dns.queries++;
    dns.edns = query[11] != 0;
    size_t used = strlen(dns.asked);
    snprintf(dns.asked + used, sizeof(dns.asked) - used, "%s %s, ",
             type == DNS_A      ? "A"
             : type == DNS_AAAA ? "AAAA"
                                : "SRV",
             reader.question);
    rcode = dns.answer(reader.question, type);
    if (rcode == RCODE_SILENCE)
        return;
    m.v[3] |= (unsigned char)rcode;
    sendto(fd, m.v, m.n, 0, (struct sockaddr *)&from, from_size);
}

/* ---- what the lookup says ---- */

static struct {
    char found[1024]; /* "id=address priority/weight, " */
    uint64_t ttl_ms;
    char why[512];
    char refused[1024];
    unsigned answers, failures;
    size_t count;
    bool free_in_callback;
} seen;

static void on_found(void *arg, json_t *endpoints, uint64_t ttl_ms)
{
    json_t *endpoint;
    size_t i, used = 0;

    json_array_foreach(endpoints, i, endpoint)
    {
        const char *id, *address;
        int priority = 0, weight = 0;

        cr_assert_eq(json_unpack(endpoint, "{s:s, s:s, s?i, s?i}", "id", &id, "address", &address,
                                 "priority", &priority, "weight", &weight),
                     0);
        if (used < sizeof(seen.found))
            used += (size_t)snprintf(seen.found + used, sizeof(seen.found) - used, "%s=%s %d/%d, ",
                                     id, address, priority, weight);
    }
    seen.count = json_array_size(endpoints);
    if (json_array_size(endpoints) == 0)
        seen.found[0] = '\0';
    json_decref(endpoints);
    seen.answers++;
    seen.ttl_ms = ttl_ms;
    if (seen.free_in_callback)
        dns_lookup_free(&lookup);
}

static void on_failed(void *arg, const char *why)
{
    snprintf(seen.why, sizeof(seen.why), "%s", why);
    seen.failures++;
    if (seen.free_in_callback)
        dns_lookup_free(&lookup);
}

static void on_refused(void *arg, const char *what)
{
    size_t used = strlen(seen.refused);

    snprintf(seen.refused + used, sizeof(seen.refused) - used, "%s; ", what);
}

static const struct dns_lookup_ops ops = {on_found, on_failed, on_refused};

static void start(const char *name, enum config_dns_record record)
{
    const struct dns_lookup_params params = {.loop = &loop,
                                             .resolver = resolver,
                                             .name = name,
                                             .record = record,
                                             .port = 80,
                                             .hosts = "/etc/hosts",
                                             .other_ms = other_ms,
                                             .max_endpoints = 50,
                                             .ops = &ops};
    lookup = dns_lookup_new(&params);
}

/* Once more, until it is over. */
static void ask(int (*answer)(const char *name, unsigned type))
{
    unsigned before = seen.answers + seen.failures;

    dns.answer = answer;
    dns.asked[0] = seen.refused[0] = '\0';
    IN_TURN(&loop, dns_lookup_ask(lookup));
    RUN_UNTIL(&loop, seen.answers + seen.failures > before);
    cr_expect_eq(seen.answers + seen.failures, before + 1);
}

static void init(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof(any);
    char csv[32];

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    other_ms = 60 * 1000;
    cr_assert_eq(loop_init(&loop), 0);
    dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(dns.fd, (struct sockaddr *)&any, size), 0);
    cr_assert_eq(getsockname(dns.fd, (struct sockaddr *)&any, &size), 0);
    dns.event = event_new(loop.base, dns.fd, EV_READ | EV_PERSIST, on_query, NULL);
    event_add(dns.event, NULL);
    cr_assert_eq(resolver_new(&resolver, &loop), 0);
    snprintf(csv, sizeof(csv), "127.0.0.1:%u", ntohs(any.sin_port));
    cr_assert_eq(resolver_set_servers(resolver, csv), 0);
}

static void fini(void)
{
    IN_TURN(&loop, dns_lookup_free(&lookup));
    resolver_free(resolver);
    event_free(dns.event);
    close(dns.fd);
    loop_fini(&loop);
}
TestSuite(dns_lookup, .init = init, .fini = fini);

/* ---- addresses ---- */

static int both(const char *name, unsigned type)
{
    message_ip(&m, DNS_ANSWERS, name, 30, type == DNS_A ? "10.0.0.1" : "2001:db8::1");
    return 0;
}

static int v4_only(const char *name, unsigned type)
{
    if (type == DNS_A)
        message_ip(&m, DNS_ANSWERS, name, 30, "10.0.0.2");
    return 0;
}

static int v4_and_failure(const char *name, unsigned type)
{
    return type == DNS_A ? v4_only(name, type) : RCODE_SERVFAIL;
}

static int failure_and_v6(const char *name, unsigned type)
{
    return type == DNS_A ? RCODE_SERVFAIL : both(name, type);
}

static int failure_and_nothing(const char *name, unsigned type)
{
    return type == DNS_A ? RCODE_SERVFAIL : 0;
}

static int failure(const char *name, unsigned type)
{
    return RCODE_SERVFAIL;
}

static int no_such_name(const char *name, unsigned type)
{
    message_soa(&m, 20, 10);
    return RCODE_NXDOMAIN;
}

static int silence(const char *name, unsigned type)
{
    return RCODE_SILENCE;
}

Test(dns_lookup, finds_ipv4_and_ipv6)
{
    start("api.test", CONFIG_DNS_A);
    ask(both);
    cr_expect_str_eq(seen.found,
                     "10.0.0.1:80=10.0.0.1:80 0/0, [2001:db8::1]:80=[2001:db8::1]:80 0/0, ");
    cr_expect_eq(seen.ttl_ms, 30000);
    cr_expect_str_eq(seen.refused, "");
}

Test(dns_lookup, of_names_in_the_hosts_file_asks_no_server)
{
    start("localhost", CONFIG_DNS_A);
    ask(failure);
    cr_expect_not_null(strstr(seen.found, "127.0.0.1:80=127.0.0.1:80"), "%s", seen.found);
    cr_expect_eq(seen.ttl_ms, 5000);
    cr_expect_eq(dns.queries, 0);
}

Test(dns_lookup, an_address_record_type_that_is_not_there_takes_its_addresses_away)
{
    start("api.test", CONFIG_DNS_A);
    ask(both);
    ask(v4_only);
    cr_expect_str_eq(seen.found, "10.0.0.2:80=10.0.0.2:80 0/0, ");
}

Test(dns_lookup, one_question_that_fails_takes_nothing_away)
{
    start("api.test", CONFIG_DNS_A);
    ask(both);
    ask(v4_and_failure);
    cr_expect_str_eq(seen.found,
                     "10.0.0.2:80=10.0.0.2:80 0/0, [2001:db8::1]:80=[2001:db8::1]:80 0/0, ");
    cr_expect_not_null(strstr(seen.refused, "AAAA of api.test: "), "%s", seen.refused);
    cr_expect_eq(seen.ttl_ms, 5000, "asked again soon");
    ask(failure_and_v6);
    cr_expect_str_eq(seen.found,
                     "10.0.0.2:80=10.0.0.2:80 0/0, [2001:db8::1]:80=[2001:db8::1]:80 0/0, ");
}

static int v4_and_silence(const char *name, unsigned type)
{
    return type == DNS_A ? v4_only(name, type) : RCODE_SILENCE;
}

static int silence_and_v6(const char *name, unsigned type)
{
    return type == DNS_A ? RCODE_SILENCE : both(name, type);
}

Test(dns_lookup, one_question_that_is_not_answered_holds_the_other_one_up_for_a_moment_only)
{
    other_ms = 1;
    start("api.test", CONFIG_DNS_A);
    ask(v4_and_silence);
    cr_expect_str_eq(seen.found, "10.0.0.2:80=10.0.0.2:80 0/0, ");
    cr_expect_eq(seen.ttl_ms, 5000, "asked again soon");
    ask(silence_and_v6);
    cr_expect_str_eq(seen.found,
                     "10.0.0.2:80=10.0.0.2:80 0/0, [2001:db8::1]:80=[2001:db8::1]:80 0/0, ");
    cr_expect_str_eq(seen.refused, "A of api.test: no answer within 1 ms of the other one; what it "
                                   "was answered last stays; ");
}

Test(dns_lookup, one_question_that_always_failed_is_not_minded)
{
    start("api.test", CONFIG_DNS_A);
    ask(v4_and_failure);
    cr_expect_str_eq(seen.found, "10.0.0.2:80=10.0.0.2:80 0/0, ");
    cr_expect_str_eq(seen.refused, "");
}

Test(dns_lookup, fails_when_both_questions_fail)
{
    start("api.test", CONFIG_DNS_A);
    ask(failure);
    cr_expect_eq(seen.failures, 1);
    cr_expect_eq(strncmp(seen.why, "A of api.test: ", 15), 0, "%s", seen.why);
}

Test(dns_lookup, nothing_beside_a_failure_is_a_failure)
{
    start("api.test", CONFIG_DNS_A);
    ask(failure_and_nothing);
    cr_expect_eq(seen.failures, 1);
}

Test(dns_lookup, a_name_that_does_not_exist_is_an_empty_answer)
{
    start("api.test", CONFIG_DNS_A);
    ask(both);
    ask(no_such_name);
    cr_expect_eq(seen.failures, 0);
    cr_expect_str_eq(seen.found, "");
    cr_expect_eq(seen.ttl_ms, 10000, "as its zone says");
}

static int in_the_second_domain(const char *name, unsigned type)
{
    return strcmp(name, "app.two.test") == 0 ? both(name, type) : no_such_name(name, type);
}

Test(dns_lookup, a_name_without_a_dot_is_searched_for_and_is_one_host)
{
    fini();
    setenv("LOCALDOMAIN", "one.test two.test three.test", 1);
    init();
    start("app", CONFIG_DNS_A);
    ask(in_the_second_domain);
    cr_expect_str_eq(dns.asked, "A app.one.test, A app.two.test, AAAA app.two.test, ");
    cr_expect_str_eq(seen.found,
                     "10.0.0.1:80=10.0.0.1:80 0/0, [2001:db8::1]:80=[2001:db8::1]:80 0/0, ");
    ask(no_such_name);
    cr_expect_str_eq(seen.found, "");
    cr_expect_eq(seen.failures, 0);
}

Test(dns_lookup, a_name_with_a_dot_at_its_end_is_not_searched_for)
{
    fini();
    setenv("LOCALDOMAIN", "one.test", 1);
    init();
    start("app.", CONFIG_DNS_A);
    ask(both);
    cr_expect_str_eq(dns.asked, "A app, AAAA app, ");
}

static int nonsense(const char *name, unsigned type)
{
    if (type == DNS_A) {
        message_ip(&m, DNS_ANSWERS, name, 0, "0.0.0.0");
        message_ip(&m, DNS_ANSWERS, name, 0, "255.255.255.255");
        message_ip(&m, DNS_ANSWERS, name, 0, "10.0.0.1");
    } else {
        message_ip(&m, DNS_ANSWERS, name, 0, "ff02::1");
    }
    return 0;
}

Test(dns_lookup, refuses_addresses_that_nobody_can_have_one_by_one)
{
    start("api.test", CONFIG_DNS_A);
    ask(nonsense);
    cr_expect_str_eq(seen.found, "10.0.0.1:80=10.0.0.1:80 0/0, ");
    cr_expect_not_null(strstr(seen.refused, "api.test: 0.0.0.0 is no address of a server"));
    cr_expect_not_null(strstr(seen.refused, "255.255.255.255"));
    cr_expect_not_null(strstr(seen.refused, "ff02::1"));
    cr_expect_eq(seen.ttl_ms, 1000, "at least");
}

static int garbage(const char *name, unsigned type)
{
    m.v[7] = 1;
    message_bytes(&m, "\xff", 1);
    return 0;
}

Test(dns_lookup, a_malformed_answer_is_a_failure)
{
    start("api.test", CONFIG_DNS_A);
    ask(garbage);
    cr_expect_str_eq(seen.why, "A of api.test: the answer is malformed");
}

/* RFC 6891 section 7: FORMERR, and no OPT record in the answer. */
static int before_edns(const char *name, unsigned type)
{
    return dns.edns ? RCODE_FORMERR : v4_only(name, type);
}

Test(dns_lookup, servers_that_do_not_know_edns_are_asked_without)
{
    start("api.test", CONFIG_DNS_A);
    ask(before_edns);
    cr_expect_str_eq(seen.found, "10.0.0.2:80=10.0.0.2:80 0/0, ");
    cr_expect_eq(dns.queries, 4);
    cr_expect_eq(seen.ttl_ms, 30000, "none has failed");
    ask(before_edns);
    cr_expect_eq(dns.queries, 6);
}

Test(dns_lookup, may_be_freed_while_it_asks)
{
    dns.answer = silence;
    start("api.test", CONFIG_DNS_A);
    IN_TURN(&loop, dns_lookup_ask(lookup));
    RUN_UNTIL(&loop, dns.queries >= 2);
    IN_TURN(&loop, dns_lookup_free(&lookup));
    run_turns(&loop, 10);
    cr_expect_eq(seen.answers + seen.failures, 0);
}

Test(dns_lookup, may_be_freed_in_its_callbacks)
{
    seen.free_in_callback = true;
    start("api.test", CONFIG_DNS_A);
    ask(both);
    cr_expect_null(lookup);
    start("api.test", CONFIG_DNS_A);
    ask(failure);
    cr_expect_null(lookup);
    start("localhost", CONFIG_DNS_A);
    ask(failure);
    cr_expect_null(lookup);
}

/* ---- services ---- */

static void two_services(const char *name)
{
    message_srv(&m, name, 30, 10, 5, 8080, "a.test");
    message_srv(&m, name, 30, 20, 0, 8081, "b.test");
}

static int along(const char *name, unsigned type)
{
    if (type != DNS_SRV)
        return RCODE_SERVFAIL;
    two_services(name);
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.1");
    message_ip(&m, DNS_ADDITIONAL, "b.test", 9, "10.0.0.2");
    return 0;
}

static int asked(const char *name, unsigned type)
{
    if (type == DNS_SRV)
        two_services(name);
    else if (strcmp(name, "a.test") == 0 && type == DNS_A)
        message_ip(&m, DNS_ANSWERS, name, 20, "10.0.0.1");
    else if (strcmp(name, "b.test") == 0 && type == DNS_AAAA)
        message_ip(&m, DNS_ANSWERS, name, 20, "2001:db8::2");
    return 0;
}

static int b_fails(const char *name, unsigned type)
{
    return strcmp(name, "b.test") == 0 ? RCODE_SERVFAIL : asked(name, type);
}

static int b_is_gone(const char *name, unsigned type)
{
    return strcmp(name, "b.test") == 0 ? RCODE_NXDOMAIN : asked(name, type);
}

static int targets_fail(const char *name, unsigned type)
{
    return type == DNS_SRV ? asked(name, type) : RCODE_SERVFAIL;
}

static const char whole[] = "a.test:8080=10.0.0.1:8080 1/5, b.test:8081=[2001:db8::2]:8081 2/1, ";

Test(dns_lookup, services_whose_addresses_came_along_need_no_further_question)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(along);
    cr_expect_str_eq(seen.found, "a.test:8080=10.0.0.1:8080 1/5, b.test:8081=10.0.0.2:8081 2/1, ");
    cr_expect_eq(dns.queries, 1);
    cr_expect_eq(seen.ttl_ms, 9000);
}

Test(dns_lookup, targets_are_asked_for_ipv6_where_there_is_no_ipv4)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(asked);
    cr_expect_str_eq(seen.found, whole);
    cr_expect_null(strstr(dns.asked, "AAAA a.test"), "%s", dns.asked);
    cr_expect_eq(seen.ttl_ms, 20000);
}

Test(dns_lookup, a_target_that_fails_keeps_its_addresses)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(asked);
    ask(b_fails);
    cr_expect_str_eq(seen.found, whole);
    cr_expect_not_null(strstr(seen.refused, "A of b.test: "), "%s", seen.refused);
    ask(b_fails);
    cr_expect_str_eq(seen.found, whole);
    ask(targets_fail);
    cr_expect_str_eq(seen.found, whole);
}

Test(dns_lookup, a_target_that_is_gone_loses_them)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(asked);
    ask(b_is_gone);
    cr_expect_str_eq(seen.found, "a.test:8080=10.0.0.1:8080 1/5, ");
    cr_expect_str_eq(seen.refused, "target b.test has no address; ");
    ask(asked);
    cr_expect_str_eq(seen.found, whole);
}

Test(dns_lookup, services_none_of_whose_targets_could_ever_be_asked_for_are_a_failure)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(targets_fail);
    cr_expect_eq(seen.failures, 1);
    cr_expect_not_null(strstr(seen.why, "test: "), "%s", seen.why);
}

static int decidedly_none(const char *name, unsigned type)
{
    message_srv(&m, name, 30, 0, 0, 0, ".");
    return 0;
}

Test(dns_lookup, a_service_that_is_decidedly_not_there_is_an_empty_answer)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(decidedly_none);
    cr_expect_eq(seen.answers, 1);
    cr_expect_str_eq(seen.found, "");
    cr_expect_str_eq(seen.refused, "");
    cr_expect_eq(seen.ttl_ms, 30000);
}

static int strange_services(const char *name, unsigned type)
{
    message_srv(&m, name, 30, 1, 1, 0, "a.test");
    message_srv(&m, name, 30, 1, 1, 80, "\x01.test");
    message_srv(&m, name, 30, 1, 1, 80, "a.test");
    message_srv(&m, name, 30, 1, 1, 81, "a.test");
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.1");
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.2");
    return 0;
}

Test(dns_lookup, services_with_nonsense_are_refused_one_by_one)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(strange_services);
    cr_expect_str_eq(seen.found,
                     "a.test:80@10.0.0.1=10.0.0.1:80 1/1, a.test:80@10.0.0.2=10.0.0.2:80 1/1, "
                     "a.test:81@10.0.0.1=10.0.0.1:81 1/1, a.test:81@10.0.0.2=10.0.0.2:81 1/1, ");
    cr_expect_not_null(strstr(seen.refused, "port 0"), "%s", seen.refused);
    cr_expect_not_null(strstr(seen.refused, "a target is no host name"), "%s", seen.refused);
}

/* 50 of them, in a datagram of at most 1280 bytes: the owner is a pointer to the question. */
static int many_targets(const char *name, unsigned type)
{
    if (type != DNS_SRV) {
        message_ip(&m, DNS_ANSWERS, name, 30, "10.0.0.1");
        return 0;
    }
    m.v[7] = 50;
    for (unsigned i = 0; i < 50; i++) {
        const char target[] = {1, (char)('a' + i / 10), 1, (char)('a' + i % 10), 0};

        message_bytes(&m, "\xc0\x0c\0\x21\0\1\0\0\0\x1e\0\x0b\0\1\0\1\0\x50", 18);
        message_bytes(&m, target, sizeof(target));
    }
    return 0;
}

Test(dns_lookup, many_targets_are_asked_for_a_few_at_a_time)
{
    start("_s.test", CONFIG_DNS_SRV);
    ask(many_targets);
    cr_expect_eq(seen.answers, 1);
    cr_expect_eq(dns.queries, 51);
}

/* 30 services, 29 of them at "a.a", with three addresses each. */
static int crowded_services(const char *name, unsigned type)
{
    if (type == DNS_SRV) {
        for (unsigned i = 0; i < 29; i++)
            message_srv(&m, name, 30, 1, 1, 1000 + i, "a.a");
        message_srv(&m, name, 30, 2, 1, 80, "b.b");
        return 0;
    }
    for (unsigned i = 1; i <= 3 && type == DNS_A; i++) {
        char ip[32];

        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        message_ip(&m, DNS_ANSWERS, name, 30, ip);
    }
    return 0;
}

Test(dns_lookup, no_more_endpoints_are_made_of_a_message_than_a_set_may_have)
{
    start("_s.test", CONFIG_DNS_SRV);
    ask(crowded_services);
    cr_expect_eq(seen.count, 48);
    cr_expect_not_null(strstr(seen.refused, "target a.a, port 1016: there are more than 50"), "%s",
                       seen.refused);
}

/* Three targets, the last of which has as many addresses as are allowed in all. */
static int large_target(const char *name, unsigned type)
{
    if (type == DNS_SRV) {
        two_services(name);
        message_srv(&m, name, 30, 20, 0, 8082, "c.test");
        return 0;
    }
    for (unsigned i = 1; i <= (name[0] == 'c' ? 50 : 1) && type == DNS_A; i++) {
        char ip[32];

        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        message_ip(&m, DNS_ANSWERS, name, 30, ip);
    }
    return 0;
}

Test(dns_lookup, a_target_with_too_many_addresses_is_refused_by_itself)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    ask(large_target);
    cr_expect_eq(seen.count, 2);
    cr_expect_not_null(strstr(seen.refused, "target c.test: with it they have more than 50"), "%s",
                       seen.refused);
    cr_expect_eq(seen.ttl_ms, 5000, "asked again soon");
}

static int silent_targets(const char *name, unsigned type)
{
    return type == DNS_SRV ? asked(name, type) : RCODE_SILENCE;
}

Test(dns_lookup, may_be_freed_while_it_asks_for_targets)
{
    start("_http._tcp.test", CONFIG_DNS_SRV);
    seen.free_in_callback = true;
    ask(targets_fail);
    cr_expect_null(lookup);
    start("_http._tcp.test", CONFIG_DNS_SRV);
    dns.answer = silent_targets;
    dns.queries = 0;
    IN_TURN(&loop, dns_lookup_ask(lookup));
    RUN_UNTIL(&loop, dns.queries >= 2);
    IN_TURN(&loop, dns_lookup_free(&lookup));
    run_turns(&loop, 10);
    cr_expect_eq(seen.answers + seen.failures, 1);
}
