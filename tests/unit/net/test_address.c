#include <criterion/criterion.h>
#include <string.h>

#include "net/address.h"

static struct address parsed(const char *text)
{
    struct address a;

    cr_assert_eq(address_parse(&a, slice_str(text)), 0, "%s", text);
    return a;
}

Test(address, text_survives_a_round_trip)
{
    const char *texts[] = {"1.2.3.4:80",         "0.0.0.0:0",        "[::1]:443",
                           "[2001:db8::5]:8080", "unix:/run/x.sock", "255.255.255.255:65535"};
    char out[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct address a = parsed(texts[i]);
        cr_expect_str_eq(address_format(&a, out), texts[i]);
    }
}

Test(address, a_port_alone_means_every_address)
{
    struct address a = parsed(":8080");
    char out[ADDRESS_TEXT_BYTES];

    cr_expect_eq(a.sa.sa_family, AF_INET6);
    cr_expect_str_eq(address_format(&a, out), "[::]:8080");
}

Test(address, names_are_told_from_mistakes)
{
    const char *names[] = {"example.com:80", "localhost:1", "a_b-c.d.:80", "1.2.3.example:80"};
    const char *mistakes[] = {
        "",           "1.2.3.4",  "1.2.3.4:",     "1.2.3.4:65536", "1.2.3.4:+1",
        "1.2.3.4: 1", "1.2.3:80", "256.1.1.1:80", "::1:80",        "[::1]",
        "[::1]80",    "[::1:80",  "[1.2.3.4]:80", "[]:80",         "a..b:80",
        ".a:80",      "a b:80",   "a:b:80",       "unix:",         "http://a:80"};
    struct address a;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_eq(address_parse(&a, slice_str(names[i])), EG_E_RESOLVE, "%s", names[i]);
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        cr_expect_eq(address_parse(&a, slice_str(mistakes[i])), EG_E_INTERNAL, "%s", mistakes[i]);
    cr_expect_eq(address_parse(&a, slice_from("1.2.3.4\0x:80", 12)), EG_E_INTERNAL);
}

Test(address, unix_paths_have_the_kernel_s_limit)
{
    char text[5 + 108 + 1];
    struct address a;

    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:/", 6);
    cr_expect_eq(address_parse(&a, slice_from(text, 5 + 107)), 0);
    cr_expect_eq(address_parse(&a, slice_from(text, 5 + 108)), EG_E_INTERNAL);
}

Test(address, host_is_printed_as_the_client_would_write_it)
{
    char out[ADDRESS_TEXT_BYTES];
    struct address v4 = parsed("10.1.2.3:1"), v6 = parsed("[2001:db8::1]:1"),
                   mapped = parsed("[::ffff:10.1.2.3]:99"), un = parsed("unix:/x");

    cr_expect_str_eq(address_format_host(&v4, out), "10.1.2.3");
    cr_expect_str_eq(address_format_host(&v6, out), "2001:db8::1");
    cr_expect_str_eq(address_format_host(&mapped, out), "10.1.2.3");
    cr_expect_str_eq(address_format(&mapped, out), "10.1.2.3:99");
    cr_expect_str_eq(address_format_host(&un, out), "unix");
    un.length = offsetof(struct sockaddr_un, sun_path); /* an unnamed peer */
    cr_expect_str_eq(address_format(&un, out), "unix:");
}

Test(address, equality_and_ports)
{
    struct address a = parsed("10.0.0.1:80"), b = parsed("10.0.0.1:81"), c = parsed("[::1]:80"),
                   d = parsed("unix:/a"), e = parsed("unix:/b");

    cr_expect_not(address_equal(&a, &b));
    address_set_port(&b, 80);
    cr_expect(address_equal(&a, &b));
    cr_expect_not(address_equal(&a, &c));
    cr_expect(address_equal(&c, &c));
    cr_expect_not(address_equal(&d, &e));
    cr_expect(address_equal(&d, &d));
    cr_expect_eq(address_port(&b), 80);
    cr_expect_eq(address_port(&d), 0);
    address_set_port(&c, 9);
    cr_expect_eq(address_port(&c), 9);
}
