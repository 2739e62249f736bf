/* Answers of name servers: what is read from them, and what is not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dns_message.h"

static struct dns_message m;
static struct dns_answer answer;

static void fini(void)
{
    dns_answer_fini(&answer);
}
TestSuite(dns_answer, .fini = fini);

static int read_as(enum dns_type type)
{
    fini();
    return dns_answer_read(&answer, message_slice(&m), type);
}

static const char *ip(size_t i)
{
    static char text[ADDRESS_TEXT_BYTES];

    cr_assert_lt(i, answer.ips.count);
    return address_format_host(&answer.ips.v[i].address, text);
}

Test(dns_answer, has_addresses_in_an_order_of_their_own_and_each_once)
{
    message_begin(&m, "API.test", DNS_A);
    message_ip(&m, DNS_ANSWERS, "api.TEST", 30, "10.0.0.2");
    message_ip(&m, DNS_ANSWERS, "api.test", 20, "10.0.0.1");
    message_ip(&m, DNS_ANSWERS, "api.test", 10, "10.0.0.2");
    cr_assert_eq(read_as(DNS_A), 0);
    cr_assert_eq(answer.ips.count, 2);
    cr_expect_str_eq(ip(0), "10.0.0.1");
    cr_expect_str_eq(ip(1), "10.0.0.2");
    cr_expect_eq(answer.ttl_s, 10);
    cr_expect_str_eq(answer.question, "api.test");
}

Test(dns_answer, has_more_addresses_than_a_resolver_watch_takes)
{
    char text[16];

    message_begin(&m, "api.test", DNS_A);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "10.0.%u.%u", i / 250, i % 250 + 1);
        message_ip(&m, DNS_ANSWERS, "api.test", 30, text);
    }
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ips.count, 500);
}

Test(dns_answer, reads_ipv6)
{
    message_begin(&m, "api.test", DNS_AAAA);
    message_ip(&m, DNS_ANSWERS, "api.test", 7, "2001:db8::1");
    cr_assert_eq(read_as(DNS_AAAA), 0);
    cr_expect_str_eq(ip(0), "2001:db8::1");
    cr_expect_eq(answer.ttl_s, 7);
}

Test(dns_answer, follows_cnames_and_counts_their_ttl)
{
    message_begin(&m, "www.test", DNS_A);
    message_ip(&m, DNS_ANSWERS, "host.test", 60, "10.0.0.1");
    message_cname(&m, "alias.test", 3, "host.test");
    message_cname(&m, "www.test", 50, "alias.test");
    cr_assert_eq(read_as(DNS_A), 0);
    cr_assert_eq(answer.ips.count, 1);
    cr_expect_eq(answer.ttl_s, 3);
}

Test(dns_answer, refuses_cnames_in_a_circle)
{
    message_begin(&m, "a.test", DNS_A);
    message_cname(&m, "a.test", 60, "b.test");
    message_cname(&m, "b.test", 60, "a.test");
    cr_expect_eq(read_as(DNS_A), EG_E_INTERNAL);
}

Test(dns_answer, ignores_records_of_other_names_types_and_sections)
{
    message_begin(&m, "api.test", DNS_A);
    message_ip(&m, DNS_ANSWERS, "evil.test", 1, "10.6.6.6");
    message_ip(&m, DNS_ANSWERS, "api.test", 1, "2001:db8::1");
    message_ip(&m, DNS_ANSWERS, "api.test", 60, "10.0.0.1");
    message_ip(&m, DNS_ADDITIONAL, "api.test", 1, "10.6.6.6");
    cr_assert_eq(read_as(DNS_A), 0);
    cr_assert_eq(answer.ips.count, 1);
    cr_expect_str_eq(ip(0), "10.0.0.1");
    cr_expect_eq(answer.ttl_s, 60);
}

Test(dns_answer, of_nothing_holds_as_long_as_the_zone_says)
{
    message_begin(&m, "api.test", DNS_A);
    message_soa(&m, 40, 9);
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ips.count, 0);
    cr_expect_eq(answer.ttl_s, 9);
    message_begin(&m, "api.test", DNS_A);
    message_soa(&m, 4, 9);
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ttl_s, 4);
}

Test(dns_answer, of_nothing_may_say_of_no_time)
{
    message_begin(&m, "api.test", DNS_A);
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ttl_s, DNS_TTL_UNKNOWN);
}

Test(dns_answer, a_ttl_with_its_highest_bit_set_is_none)
{
    message_begin(&m, "api.test", DNS_A);
    message_ip(&m, DNS_ANSWERS, "api.test", 0x80000001, "10.0.0.1");
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ttl_s, 0);
}

Test(dns_answer, has_services_and_addresses_that_came_along)
{
    struct dns_ips ips = {0};

    message_begin(&m, "_http._tcp.test", DNS_SRV);
    message_srv(&m, "_http._tcp.test", 30, 10, 5, 8080, "A.test");
    message_srv(&m, "_http._tcp.test", 30, 20, 0, 8081, "b.test");
    message_ip(&m, DNS_ADDITIONAL, "b.test", 8, "10.0.0.3");
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.2");
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.1");
    message_ip(&m, DNS_ADDITIONAL, "c.test", 9, "10.0.0.4");
    cr_assert_eq(read_as(DNS_SRV), 0);
    cr_assert_eq(answer.services.count, 2);
    cr_assert(answer.services.v);
    cr_expect_str_eq(answer.services.v[0].target, "a.test");
    cr_expect_eq(answer.services.v[0].priority, 10);
    cr_expect_eq(answer.services.v[0].weight, 5);
    cr_expect_eq(answer.services.v[0].port, 8080);
    cr_expect_eq(answer.ttl_s, 30, "what came along has a time of its own");
    dns_answer_additional(&answer, "a.test", &ips);
    cr_expect_eq(ips.count, 2);
    dns_ips_fini(&ips);
    dns_answer_additional(&answer, "none.test", &ips);
    cr_expect_eq(ips.count, 0);
}

Test(dns_answer, a_root_target_is_a_dot)
{
    message_begin(&m, "_http._tcp.test", DNS_SRV);
    message_srv(&m, "_http._tcp.test", 30, 0, 0, 0, ".");
    cr_assert_eq(read_as(DNS_SRV), 0);
    cr_expect_str_eq(answer.services.v[0].target, ".");
}

Test(dns_answer, a_target_that_is_no_host_name_is_empty)
{
    message_begin(&m, "_http._tcp.test", DNS_SRV);
    message_srv(&m, "_http._tcp.test", 30, 0, 0, 80, "a b.test");
    message_srv(&m, "_http._tcp.test", 30, 0, 0, 80, "\x01\x02.test");
    message_srv(&m, "_http._tcp.test", 30, 0, 0, 80, "a\\b.test");
    cr_assert_eq(read_as(DNS_SRV), 0);
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_eq(answer.services.v[i].target, "");
}

Test(dns_answer, reads_compressed_names)
{
    message_begin(&m, "api.test", DNS_A); /* the name is at 12, "test" at 16 */
    m.v[7] = 2;
    message_u16(&m, 0xc00c);
    message_bytes(&m, "\0\5\0\1\0\0\0\x3c\0\6\3www\xc0\x10", 16);
    size_t www = m.n - 6;
    message_u16(&m, 0xc000 | (unsigned)www);
    message_bytes(&m, "\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1", 14);
    cr_assert_eq(read_as(DNS_A), 0);
    cr_assert_eq(answer.ips.count, 1);
    cr_expect_str_eq(ip(0), "10.0.0.1");
}

/* The owner of the only record, at 26, as the test wants it. */
static int read_owner(const void *owner, size_t n)
{
    message_begin(&m, "api.test", DNS_A);
    m.v[7] = 1;
    message_bytes(&m, owner, n);
    message_bytes(&m, "\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1", 14);
    return read_as(DNS_A);
}

Test(dns_answer, refuses_pointers_that_lead_to_themselves_forwards_or_into_the_header)
{
    cr_expect_eq(read_owner("\xc0\x0c", 2), 0);
    cr_expect_eq(read_owner("\xc0\x1a", 2), EG_E_INTERNAL);
    cr_expect_eq(read_owner("\xc0\x1c", 2), EG_E_INTERNAL);
    cr_expect_eq(read_owner("\xff\xff", 2), EG_E_INTERNAL);
    cr_expect_eq(read_owner("\xc0\x02", 2), EG_E_INTERNAL);
    cr_expect_eq(read_owner("\1a\xc0\x1a", 4), EG_E_INTERNAL, "a circle by way of a label");
    cr_expect_eq(read_owner("\x40", 1), EG_E_INTERNAL, "a label type that does not exist");
    cr_expect_eq(read_owner("\x80", 1), EG_E_INTERNAL);
}

Test(dns_answer, refuses_names_that_are_too_long)
{
    unsigned char owner[64 * 5 + 1] = {0};

    for (size_t i = 0; i < 5; i++) {
        owner[64 * i] = 63;
        memset(owner + 64 * i + 1, 'a', 63);
    }
    cr_expect_eq(read_owner(owner, sizeof(owner)), EG_E_INTERNAL);
    owner[64 * 3] = 61; /* 3 * 64 + 62 + 1: 255 bytes */
    owner[64 * 3 + 62] = 0;
    cr_expect_eq(read_owner(owner, 64 * 3 + 63), 0);
}

/* In memory of exactly its size, so that a sanitizer sees one byte too far. */
static int read_cut(size_t n)
{
    char *copy = xmalloc(n + 1), *exact = copy + 1;
    int err;

    memcpy(exact, m.v, n);
    fini();
    err = dns_answer_read(&answer, slice_from(exact, n), DNS_SRV);
    free(copy);
    return err;
}

Test(dns_answer, that_is_cut_anywhere_is_malformed)
{
    message_begin(&m, "_http._tcp.test", DNS_SRV);
    message_srv(&m, "_http._tcp.test", 30, 10, 5, 8080, "a.test");
    message_soa(&m, 4, 9);
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "10.0.0.1");
    message_ip(&m, DNS_ADDITIONAL, "a.test", 9, "2001:db8::1");
    for (size_t n = 0; n < m.n; n++)
        cr_expect_eq(read_cut(n), EG_E_INTERNAL, "%zu", n);
    cr_expect_eq(read_cut(m.n), 0);
}

Test(dns_answer, refuses_records_of_another_size_than_their_types)
{
    message_begin(&m, "api.test", DNS_A);
    message_record(&m, DNS_ANSWERS, "api.test", DNS_A, 9, "\1\2\3", 3);
    cr_expect_eq(read_as(DNS_A), EG_E_INTERNAL);
    message_begin(&m, "api.test", DNS_SRV);
    message_record(&m, DNS_ANSWERS, "api.test", DNS_SRV, 9, "\0\1\0\1\0\1\0\0", 8);
    cr_expect_eq(read_as(DNS_SRV), EG_E_INTERNAL);
    message_begin(&m, "api.test", DNS_A);
    message_record(&m, DNS_ANSWERS, "api.test", DNS_CNAME, 9, "", 0);
    cr_expect_eq(read_as(DNS_A), EG_E_INTERNAL);
}

Test(dns_answer, skips_types_and_classes_that_it_does_not_know)
{
    message_begin(&m, "api.test", DNS_A);
    message_record(&m, DNS_ANSWERS, "api.test", 46, 1, "signature", 9);
    message_ip(&m, DNS_ANSWERS, "api.test", 60, "10.0.0.1");
    /* OPT (RFC 6891): the class is a size. */
    m.v[11] = 1;
    message_bytes(&m, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
    cr_assert_eq(read_as(DNS_A), 0);
    cr_expect_eq(answer.ips.count, 1);
    cr_expect_eq(answer.ttl_s, 60);
}

Test(dns_answer, with_another_number_of_questions_is_refused)
{
    message_begin(&m, "api.test", DNS_A);
    m.v[5] = 0;
    cr_expect_eq(read_as(DNS_A), EG_E_INTERNAL);
    m.v[5] = 2;
    cr_expect_eq(read_as(DNS_A), EG_E_INTERNAL);
}
