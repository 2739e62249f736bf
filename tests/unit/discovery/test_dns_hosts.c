/* /etc/hosts. */
#include <criterion/criterion.h>

#include "discovery/dns_hosts.h"

static struct dns_ips ips;

static size_t find(const char *text, const char *name)
{
    dns_ips_fini(&ips);
    dns_hosts_find(slice_str(text), name, &ips);
    return ips.count;
}

static void fini(void)
{
    dns_ips_fini(&ips);
}
TestSuite(dns_hosts, .fini = fini);

static const char usual[] = "127.0.0.1\tlocalhost\n"
                            "# a comment of localhost\n"
                            "10.0.0.1  api.test api  # app.test\n"
                            "\n"
                            "::1\tip6-localhost localhost\r\n"
                            "10.0.0.2 API.test";

Test(dns_hosts, a_name_has_every_address_of_its_lines)
{
    char text[ADDRESS_TEXT_BYTES];

    cr_assert_eq(find(usual, "localhost"), 2);
    cr_expect_str_eq(address_format_host(&ips.v[0].address, text), "127.0.0.1");
    cr_expect_str_eq(address_format_host(&ips.v[1].address, text), "::1");
    cr_expect_eq(ips.v[0].ttl_s, DNS_HOSTS_TTL_S);
}

Test(dns_hosts, case_does_not_matter_nor_does_a_dot_at_the_end)
{
    cr_expect_eq(find(usual, "api.test"), 2);
    cr_expect_eq(find(usual, "Api.Test."), 2);
}

Test(dns_hosts, an_alias_is_a_name)
{
    cr_expect_eq(find(usual, "api"), 1);
}

Test(dns_hosts, comments_and_addresses_are_no_names)
{
    cr_expect_eq(find(usual, "app.test"), 0);
    cr_expect_eq(find(usual, "10.0.0.1"), 0);
    cr_expect_eq(find(usual, "#"), 0);
}

Test(dns_hosts, nonsense_is_passed_over)
{
    cr_expect_eq(find("localhost\n1.2.3 a\n10.0.0.300 a\nx a\n:: :: a\nfe80::1%eth0 a", "a"), 1);
    cr_expect_eq(find("", "a"), 0);
    cr_expect_eq(find("\n\n\n", ""), 0);
}

Test(dns_hosts, a_file_that_cannot_be_read_knows_no_name)
{
    dns_hosts_read("/nonexistent/hosts", "localhost", &ips);
    cr_expect_eq(ips.count, 0);
}

Test(dns_hosts, the_machines_own_knows_localhost)
{
    dns_hosts_read("/etc/hosts", "localhost", &ips);
    cr_expect_gt(ips.count, 0);
}
