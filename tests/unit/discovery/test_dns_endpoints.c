/* What the records say, as endpoints. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/dns_endpoints.h"

static struct dns_service list[128];
static struct dns_services services = {.v = list};

static void service(unsigned priority, unsigned weight, unsigned port, const char *target)
{
    struct dns_service *s = &list[services.count++];

    *s = (struct dns_service){
        .priority = (uint16_t)priority, .weight = (uint16_t)weight, .port = (uint16_t)port};
    snprintf(s->target, sizeof(s->target), "%s", target);
}

static void expect(size_t i, unsigned priority, unsigned weight, const char *target)
{
    cr_expect_str_eq(list[i].target, target);
    cr_expect_eq(list[i].priority, priority, "%s: priority %u", target, list[i].priority);
    cr_expect_eq(list[i].weight, weight, "%s: weight %u", target, list[i].weight);
}

Test(dns_endpoints, distinct_priorities_become_one_two_three)
{
    service(65535, 1, 80, "c");
    service(0, 1, 80, "a");
    service(700, 1, 80, "b");
    service(700, 2, 80, "bb");
    dns_services_rank(&services);
    expect(0, 1, 1, "a");
    expect(1, 2, 1, "b");
    expect(2, 2, 2, "bb");
    expect(3, 3, 1, "c");
}

Test(dns_endpoints, more_priorities_than_ours_share_the_last)
{
    for (unsigned i = 0; i < 110; i++)
        service(i, 1, 80, "a");
    dns_services_rank(&services);
    cr_expect_eq(list[98].priority, 99);
    cr_expect_eq(list[99].priority, 100);
    cr_expect_eq(list[109].priority, 100);
}

Test(dns_endpoints, weights_stay_as_they_are_where_none_is_zero)
{
    service(1, 65535, 80, "a");
    service(1, 3, 80, "b");
    dns_services_rank(&services);
    expect(0, 1, 65535, "a");
    expect(1, 1, 3, "b");
}

Test(dns_endpoints, weights_that_are_all_zero_are_equal)
{
    service(1, 0, 80, "a");
    service(1, 0, 80, "b");
    dns_services_rank(&services);
    expect(0, 1, 1, "a");
    expect(1, 1, 1, "b");
}

Test(dns_endpoints, a_weight_of_zero_is_little_beside_others_of_its_priority)
{
    service(1, 0, 80, "a");
    service(1, 1, 80, "b");
    service(1, 4, 80, "c");
    service(2, 4, 80, "d");
    dns_services_rank(&services);
    expect(0, 1, 1, "a");
    expect(1, 1, 100, "b");
    expect(2, 1, 400, "c");
    expect(3, 2, 4, "d");
}

Test(dns_endpoints, scaled_weights_stay_in_range)
{
    service(1, 0, 80, "a");
    service(1, 30000, 80, "b");
    service(1, 10, 80, "c");
    dns_services_rank(&services);
    expect(0, 1, 1, "a");
    expect(1, 1, 60000, "b");
    expect(2, 1, 20, "c");
    services.count = 0;
    service(1, 0, 80, "a");
    service(1, 65535, 80, "b");
    dns_services_rank(&services);
    expect(1, 1, 65535, "b");
}

Test(dns_endpoints, nothing_has_no_rank)
{
    dns_services_rank(&services);
    cr_expect_eq(services.count, 0);
}

/* ---- objects ---- */

static void add_ip(struct dns_ips *ips, const char *text)
{
    struct address a = {0};

    if (strchr(text, ':')) {
        a.in6.sin6_family = AF_INET6;
        a.length = sizeof(a.in6);
        cr_assert_eq(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
    } else {
        a.in.sin_family = AF_INET;
        a.length = sizeof(a.in);
        cr_assert_eq(inet_pton(AF_INET, text, &a.in.sin_addr), 1);
    }
    dns_ips_add(ips, &a, 1);
}

static void expect_json(json_t *endpoints, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL);
    char *text = json_dumps(endpoints, 0);

    cr_assert_not_null(wanted);
    cr_expect(json_equal(endpoints, wanted), "%s", text);
    free(text);
    json_decref(wanted);
    json_decref(endpoints);
}

Test(dns_endpoints, of_addresses_are_their_own_ids)
{
    struct dns_ips ips = {0};
    json_t *endpoints = json_array();

    add_ip(&ips, "10.0.0.1");
    add_ip(&ips, "2001:db8::1");
    for (size_t i = 0; i < 2; i++)
        dns_endpoints_add_address(endpoints, &ips.v[i].address, 8080);
    dns_ips_fini(&ips);
    expect_json(endpoints,
                "[{\"id\": \"10.0.0.1:8080\", \"address\": \"10.0.0.1:8080\"},"
                " {\"id\": \"[2001:db8::1]:8080\", \"address\": \"[2001:db8::1]:8080\"}]");
}

Test(dns_endpoints, of_a_target_with_one_address_are_named_by_it)
{
    struct dns_ips ips = {0};
    json_t *endpoints = json_array();

    service(2, 7, 8080, "pod-0.api.test");
    add_ip(&ips, "10.0.0.1");
    dns_endpoints_add_service(endpoints, &list[0], &ips);
    dns_ips_fini(&ips);
    expect_json(endpoints, "[{\"id\": \"pod-0.api.test:8080\", \"address\": \"10.0.0.1:8080\","
                           "  \"name\": \"pod-0.api.test\", \"priority\": 2, \"weight\": 7}]");
}

Test(dns_endpoints, of_a_target_with_several_addresses_are_told_apart)
{
    struct dns_ips ips = {0};
    json_t *endpoints = json_array();

    service(1, 1, 80, "a.test");
    add_ip(&ips, "10.0.0.1");
    add_ip(&ips, "2001:db8::1");
    dns_endpoints_add_service(endpoints, &list[0], &ips);
    dns_ips_fini(&ips);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(endpoints, 0), "id")),
                     "a.test:80@10.0.0.1");
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(endpoints, 1), "id")),
                     "a.test:80@2001:db8::1");
    json_decref(endpoints);
}

Test(dns_endpoints, of_a_target_too_long_for_an_id_are_named_by_their_address)
{
    struct dns_ips ips = {0};
    json_t *endpoints = json_array();
    char target[130];

    memset(target, 'a', sizeof(target) - 1);
    target[sizeof(target) - 1] = '\0';
    service(1, 1, 80, target);
    add_ip(&ips, "10.0.0.1");
    dns_endpoints_add_service(endpoints, &list[0], &ips);
    dns_ips_fini(&ips);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(endpoints, 0), "id")),
                     "10.0.0.1:80");
    json_decref(endpoints);
}
