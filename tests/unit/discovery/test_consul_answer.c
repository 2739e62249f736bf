/* What Consul says of a service, as endpoints. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/consul_answer.h"

struct heard {
    unsigned count;
    char last[256];
};

static void on_refused(void *arg, const char *why)
{
    struct heard *heard = arg;

    heard->count++;
    snprintf(heard->last, sizeof(heard->last), "%s", why);
}

/* ' stands for ". */
static json_t *json_of(const char *text)
{
    char *copy = xstrdup(text);
    json_error_t error;
    json_t *json;

    for (char *p = copy; *p != '\0'; p++) {
        if (*p == '\'')
            *p = '"';
    }
    json = json_loads(copy, JSON_DECODE_ANY, &error);
    cr_assert(json, "%s: %s", copy, error.text);
    free(copy);
    return json;
}

static json_t *read_all(const char *text, struct heard *heard)
{
    json_t *answer = json_of(text), *endpoints;
    struct consul_names names;

    *heard = (struct heard){0};
    consul_names_init(&names);
    endpoints = consul_answer_read(answer, &names, on_refused, heard);
    consul_names_fini(&names);
    json_decref(answer);
    return endpoints;
}

static void expect_endpoints(const char *answer, const char *endpoints)
{
    struct heard heard;
    json_t *got = read_all(answer, &heard), *wanted = json_of(endpoints);
    char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

    cr_expect(json_equal(got, wanted), "%s", text);
    cr_expect_eq(heard.count, 0, "%s", heard.last);
    free(text);
    json_decref(got);
    json_decref(wanted);
}

/* The only entry is left out, for this reason. */
static void expect_refused(const char *answer, const char *why)
{
    struct heard heard;
    json_t *got = read_all(answer, &heard);

    cr_expect_eq(json_array_size(got), 0, "%s", answer);
    cr_expect_eq(heard.count, 1);
    cr_expect_str_eq(heard.last, why);
    json_decref(got);
}

/* One entry, of "n1" at 10.0.0.9, with a port and what `service` and `checks` add. */
static char *entry(const char *service, const char *checks)
{
    return xasprintf("[{'Node': {'Node': 'n1', 'Address': '10.0.0.9', 'Datacenter': 'dc1'},"
                     "  'Service': {'ID': 'a', 'Service': 'api', 'Port': 80 %s},"
                     "  'Checks': [%s]}]",
                     service, checks);
}

static void expect_one(const char *service, const char *checks, const char *endpoint)
{
    char *answer = entry(service, checks);
    char *wanted = xasprintf("[{'id': 'a', 'name': 'n1' %s}]", endpoint);

    expect_endpoints(answer, wanted);
    free(answer);
    free(wanted);
}

static void expect_one_refused(const char *service, const char *why)
{
    char *answer = entry(service, "");

    expect_refused(answer, why);
    free(answer);
}

#define AT_NODE ", 'address': '10.0.0.9:80', 'region': 'dc1'"

Test(consul_answer, an_entry_of_the_documentation_is_an_endpoint)
{
    expect_endpoints("[{'Node': {'ID': '40e4a748', 'Node': 'foobar', 'Address': '10.1.10.12',"
                     "  'Datacenter': 'dc1', 'TaggedAddresses': {'lan': '10.1.10.12',"
                     "  'wan': '198.18.1.2'}, 'Meta': {'instance_type': 't2.medium'}},"
                     "  'Service': {'ID': 'redis-1', 'Service': 'redis', 'Tags': ['primary'],"
                     "  'Address': '10.1.10.13', 'Meta': {'redis_version': '4.0'}, 'Port': 8000,"
                     "  'TaggedAddresses': {'wan': {'address': '198.18.1.2', 'port': 80}},"
                     "  'Weights': {'Passing': 10, 'Warning': 1}, 'Namespace': 'default'},"
                     "  'Checks': [{'CheckID': 'service:redis', 'Status': 'passing'},"
                     "             {'CheckID': 'serfHealth', 'Status': 'passing'}]}]",
                     "[{'id': 'redis-1', 'name': 'foobar', 'address': '10.1.10.13:8000',"
                     "  'weight': 10, 'tags': ['primary'], 'region': 'dc1',"
                     "  'metadata': {'redis_version': '4.0'}, 'reported': 'healthy'}]");
}

Test(consul_answer, what_is_no_list_is_no_answer)
{
    static const char *const none[] = {"{}", "null", "1", "'[]'"};
    struct heard heard;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        cr_expect_null(read_all(none[i], &heard), "%s", none[i]);
    cr_expect_null(consul_answer_read(NULL, NULL, on_refused, &heard));
    expect_endpoints("[]", "[]");
}

Test(consul_answer, a_service_without_an_address_is_at_its_node)
{
    expect_one("", "", AT_NODE ", 'reported': 'healthy'");
    expect_one(", 'Address': ''", "", AT_NODE ", 'reported': 'healthy'");
    expect_one(", 'Address': '::1'", "",
               ", 'address': '[::1]:80', 'region': 'dc1', 'reported': 'healthy'");
    expect_one(", 'Address': 'api.internal'", "",
               ", 'address': 'api.internal:80', 'region': 'dc1', 'reported': 'healthy'");
    expect_one(", 'SocketPath': '/run/api.sock'", "",
               ", 'address': 'unix:/run/api.sock', 'region': 'dc1', 'reported': 'healthy'");
}

Test(consul_answer, the_worst_check_is_what_is_reported)
{
    expect_one("", "{'Status': 'passing'}, {'Status': 'passing'}",
               AT_NODE ", 'reported': 'healthy'");
    expect_one("", "{'Status': 'passing'}, {'Status': 'warning'}",
               AT_NODE ", 'reported': 'degraded'");
    expect_one("", "{'Status': 'critical'}, {'Status': 'warning'}",
               AT_NODE ", 'reported': 'unhealthy'");
    expect_one("", "{'Status': 'bewildered'}", AT_NODE ", 'reported': 'unhealthy'");
    expect_one("", "{}, null, 7", AT_NODE ", 'reported': 'unhealthy'");
}

Test(consul_answer, maintenance_drains)
{
    expect_one("", "{'CheckID': '_node_maintenance', 'Status': 'critical'}",
               AT_NODE ", 'reported': 'draining'");
    expect_one("",
               "{'Status': 'critical'},"
               "{'CheckID': '_service_maintenance:a', 'Status': 'critical'}",
               AT_NODE ", 'reported': 'draining'");
}

Test(consul_answer, the_weight_goes_with_the_health)
{
    const char *weights = ", 'Weights': {'Passing': 10, 'Warning': 2}";

    expect_one(weights, "", AT_NODE ", 'weight': 10, 'reported': 'healthy'");
    expect_one(weights, "{'Status': 'warning'}", AT_NODE ", 'weight': 2, 'reported': 'degraded'");
    expect_one(weights, "{'Status': 'critical'}",
               AT_NODE ", 'weight': 10, 'reported': 'unhealthy'");
}

Test(consul_answer, metadata_with_the_name_of_a_key_sets_it_too)
{
    expect_one(", 'Weights': {'Passing': 1, 'Warning': 1}, 'Meta': {'weight': '7',"
               "'priority': '2', 'zone': 'z1', 'region': 'r1', 'backup': 'true',"
               "'max_connections': '50', 'other': 'x'}",
               "",
               ", 'address': '10.0.0.9:80', 'reported': 'healthy', 'weight': 7, 'priority': 2,"
               "'zone': 'z1', 'region': 'r1', 'backup': true, 'max_connections': 50,"
               "'metadata': {'weight': '7', 'priority': '2', 'zone': 'z1', 'region': 'r1',"
               "'backup': 'true', 'max_connections': '50', 'other': 'x'}");
}

Test(consul_answer, a_locality_is_more_precise_than_the_datacenter)
{
    expect_one(", 'Locality': {'Region': 'us-east-1', 'Zone': 'us-east-1a'}", "",
               ", 'address': '10.0.0.9:80', 'reported': 'healthy', 'region': 'us-east-1',"
               "'zone': 'us-east-1a'");
    expect_endpoints("[{'Node': {'Address': '::1', 'Datacenter': 'd',"
                     "           'Locality': {'Region': 'r', 'Zone': 'z'}},"
                     "  'Service': {'ID': 'a', 'Port': 1}, 'Checks': []}]",
                     "[{'id': 'a', 'address': '[::1]:1', 'region': 'r', 'zone': 'z',"
                     "  'reported': 'healthy'}]");
}

Test(consul_answer, null_stands_for_nothing)
{
    expect_one(", 'Tags': null, 'Meta': null, 'Weights': null", "",
               AT_NODE ", 'reported': 'healthy'");
    expect_one(", 'Tags': [], 'Meta': {}", "", AT_NODE ", 'reported': 'healthy'");
}

Test(consul_answer, nonsense_is_left_out_by_itself)
{
    expect_refused("[{'Node': {'Node': 'n'}, 'Service': {'ID': 'a', 'Port': 1}}]",
                   "service \"a\": neither it nor its node has an address");
    expect_refused("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a'}}]",
                   "service \"a\": it has no port");
    expect_refused("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a', 'Port': 0}}]",
                   "service \"a\": it has no port");
    expect_refused("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a', 'Port': '80'}}]",
                   "service \"a\": it has no port");
    expect_refused("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a', 'Port': 65536}}]",
                   "service \"a\": port: 65536 is none");
    expect_refused("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a', 'Port': -1}}]",
                   "service \"a\": port: -1 is none");
    expect_refused("[{'Service': {'Port': 80}}]", "entry 1: it has no Service.ID");
    expect_refused("[7]", "entry 1: it has no Service.ID");
    expect_one_refused(", 'Weights': {'Passing': 'many'}", "service \"a\": Weights: not a number");
    expect_one_refused(", 'Tags': 'blue'", "service \"a\": Tags is no array");
    expect_one_refused(", 'Tags': [1]", "service \"a\": Tags holds what is no string");
    expect_one_refused(", 'Meta': []", "service \"a\": Meta is no object");
    expect_one_refused(", 'Meta': {'a': 1}", "service \"a\": Meta holds what is no string");
    expect_one_refused(", 'Meta': {'weight': 'heavy'}",
                       "service \"a\": Meta.weight: \"heavy\" is no number");
    expect_one_refused(", 'Meta': {'priority': ''}",
                       "service \"a\": Meta.priority: \"\" is no number");
    expect_one_refused(", 'Meta': {'weight': '99999999999'}",
                       "service \"a\": Meta.weight: \"99999999999\" is no number");
    expect_one_refused(", 'Meta': {'backup': 'yes'}",
                       "service \"a\": Meta.backup: \"yes\" is neither \"true\" nor \"false\"");
}

Test(consul_answer, what_is_left_out_leaves_the_rest_in)
{
    struct heard heard;
    json_t *got = read_all("[{'Node': {'Address': 'h'}, 'Service': {'ID': 'a', 'Port': 1}}, 7,"
                           " {'Node': {'Address': 'h'}, 'Service': {'ID': 'b', 'Port': 2}}]",
                           &heard);

    cr_expect_eq(json_array_size(got), 2);
    cr_expect_eq(heard.count, 1);
    cr_expect_str_eq(heard.last, "entry 2: it has no Service.ID");
    json_decref(got);
}
