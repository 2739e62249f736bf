/* EndpointSlices as the control plane writes them, and nonsense within. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "discovery/kube_slice.h"

static const struct kube_selection any = {.port = "", .zone = "a", .region = "r"};

/* A slice "web-1" with these endpoints and ports. */
static struct kube_slice read_slice(const struct kube_selection *selection, const char *type,
                                    const char *endpoints, const char *ports)
{
    char *text = xasprintf("{\"metadata\": {\"name\": \"web-1\"}, \"addressType\": \"%s\", "
                           "\"endpoints\": %s, \"ports\": %s}",
                           type, endpoints, ports);
    json_error_t error;
    json_t *object = json_loads(text, 0, &error);

    cr_assert_not_null(object, "%s: %s", error.text, text);
    struct kube_slice slice = kube_slice_read(object, selection);
    json_decref(object);
    free(text);
    return slice;
}

static void expect_json(const json_t *value, const char *wanted)
{
    json_error_t error;
    json_t *expected = json_loads(wanted, JSON_DECODE_ANY, &error);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    cr_assert_not_null(expected, "%s: %s", error.text, wanted);
    cr_expect(json_equal(value, expected), "\n%s, not\n%s", text, wanted);
    json_decref(expected);
    free(text);
}

static void expect_slice(struct kube_slice slice, const char *endpoints, const char *refused)
{
    expect_json(slice.endpoints, endpoints);
    expect_json(slice.refused, refused);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
}

static const char http[] = "[{\"name\": \"http\", \"port\": 8080, \"protocol\": \"TCP\"}]";

Test(kube_slice, a_pod_becomes_an_endpoint)
{
    expect_slice(read_slice(&any, "IPv4",
                            "[{\"addresses\": [\"10.1.0.5\"], \"conditions\": {\"ready\": true, "
                            "\"serving\": true, \"terminating\": false}, \"nodeName\": \"n1\", "
                            "\"targetRef\": {\"kind\": \"Pod\", \"name\": \"web-x\"}, \"zone\": "
                            "\"b\"}]",
                            http),
                 "[{\"id\": \"web-x\", \"address\": \"10.1.0.5:8080\", \"reported\": \"healthy\", "
                 "\"zone\": \"b\", \"metadata\": {\"pod\": \"web-x\", \"node\": \"n1\"}}]",
                 "[]");
}

Test(kube_slice, without_a_pod_the_address_is_the_id_and_ipv6_is_written_in_one_way)
{
    expect_slice(
        read_slice(&any, "IPv6", "[{\"addresses\": [\"FD00:0:0::0001\", \"fd00::2\"]}]", http),
        "[{\"id\": \"[fd00::1]:8080\", \"address\": \"[fd00::1]:8080\", \"reported\": "
        "\"healthy\", \"metadata\": {}}]",
        "[]");
}

/* "true", "false" and "" (not said) for ready, serving, terminating. */
static const struct {
    const char *ready, *serving, *terminating, *reported;
} conditions[] = {
    {"", "", "", "healthy"},
    {"null", "null", "null", "healthy"},
    {"true", "true", "false", "healthy"},
    {"true", "", "", "healthy"},
    {"true", "true", "true", "healthy"}, /* publishNotReadyAddresses */
    {"false", "true", "true", "draining"},
    {"false", "false", "true", NULL},
    {"false", "", "true", NULL},
    {"false", "false", "false", "unhealthy"},
    {"false", "", "", "unhealthy"},
    {"false", "true", "false", "unhealthy"},
    {"\"no\"", "", "", "healthy"}, /* no boolean says nothing */
};

static void write_condition(FILE *out, const char *name, const char *value, const char **comma)
{
    if (value[0] == '\0')
        return;
    fprintf(out, "%s\"%s\": %s", *comma, name, value);
    *comma = ", ";
}

Test(kube_slice, conditions_become_what_is_reported)
{
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        char *text = NULL;
        const char *comma = "";
        size_t size;
        FILE *out = open_memstream(&text, &size);

        fputs("[{\"addresses\": [\"10.0.0.1\"], \"conditions\": {", out);
        write_condition(out, "ready", conditions[i].ready, &comma);
        write_condition(out, "serving", conditions[i].serving, &comma);
        write_condition(out, "terminating", conditions[i].terminating, &comma);
        fputs("}}]", out);
        fclose(out);
        struct kube_slice slice = read_slice(&any, "IPv4", text, http);
        const json_t *endpoint = json_array_get(slice.endpoints, 0);
        const char *reported = json_string_value(json_object_get(endpoint, "reported"));

        cr_expect(conditions[i].reported ? reported && !strcmp(reported, conditions[i].reported)
                                         : !endpoint,
                  "%s: %s", text, reported);
        cr_expect_eq(json_array_size(slice.refused), 0);
        json_decref(slice.endpoints);
        json_decref(slice.refused);
        free(text);
    }
}

static void expect_zone(const char *endpoint_keys, const char *zone, const char *region)
{
    char *text = xasprintf("[{\"addresses\": [\"10.0.0.1\"], %s}]", endpoint_keys);
    struct kube_slice slice = read_slice(&any, "IPv4", text, http);
    const json_t *endpoint = json_array_get(slice.endpoints, 0);
    const char *found = json_string_value(json_object_get(endpoint, "zone"));
    const char *found_region = json_string_value(json_object_get(endpoint, "region"));

    cr_expect_str_eq(found ? found : "", zone, "%s", text);
    cr_expect_str_eq(found_region ? found_region : "", region, "%s", text);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
    free(text);
}

Test(kube_slice, hints_say_whose_zone_an_endpoint_is)
{
    expect_zone("\"zone\": \"b\"", "b", "");
    expect_zone("\"zone\": \"a\"", "a", "r");
    expect_zone("\"zone\": \"b\", \"hints\": {\"forZones\": [{\"name\": \"c\"}]}", "c", "");
    expect_zone(
        "\"zone\": \"b\", \"hints\": {\"forZones\": [{\"name\": \"c\"}, {\"name\": \"a\"}]}", "a",
        "r");
    expect_zone("\"zone\": \"b\", \"hints\": {\"forZones\": []}", "b", "");
    expect_zone("\"zone\": \"b\", \"hints\": {\"forZones\": [{\"name\": 7}, 8]}", "b", "");
    expect_zone("\"zone\": \"b\\n\"", "", "");
    expect_zone("\"nodeName\": \"n\"", "", "");
}

Test(kube_slice, an_address_that_is_none_is_refused_by_itself)
{
    expect_slice(
        read_slice(&any, "IPv4",
                   "[{\"addresses\": [\"10.0.0.1\"]}, {\"addresses\": [\"fd00::1\"]}, "
                   "{\"addresses\": []}, {}, 7, {\"addresses\": [\"web.local\\u0001\"]}, "
                   "{\"addresses\": [\"10.0.0.2\"]}]",
                   http),
        "[{\"id\": \"10.0.0.1:8080\", \"address\": \"10.0.0.1:8080\", \"reported\": \"healthy\", "
        "\"metadata\": {}}, {\"id\": \"10.0.0.2:8080\", \"address\": \"10.0.0.2:8080\", "
        "\"reported\": \"healthy\", \"metadata\": {}}]",
        "[\"slice \\\"web-1\\\": endpoint 1: \\\"fd00::1\\\" is no IPv4 address\", "
        "\"slice \\\"web-1\\\": endpoint 2: \\\"\\\" is no IPv4 address\", "
        "\"slice \\\"web-1\\\": endpoint 3: \\\"\\\" is no IPv4 address\", "
        "\"slice \\\"web-1\\\": endpoint 4: \\\"\\\" is no IPv4 address\", "
        "\"slice \\\"web-1\\\": endpoint 5: \\\"web.local \\\" is no IPv4 address\"]");
}

Test(kube_slice, names_are_not_resolved)
{
    expect_slice(read_slice(&any, "FQDN", "[{\"addresses\": [\"web.local\"]}]", http), "[]",
                 "[\"slice \\\"web-1\\\": addressType \\\"FQDN\\\" is neither IPv4 nor IPv6\"]");
}

Test(kube_slice, a_slice_without_endpoints_needs_no_ports)
{
    expect_slice(read_slice(&any, "IPv4", "null", "null"), "[]", "[]");
    expect_slice(read_slice(&any, "IPv4", "[]", "[]"), "[]", "[]");
}

static void expect_port(const char *wanted, const char *ports, const char *address_or_why)
{
    const struct kube_selection selection = {.port = wanted, .zone = "", .region = ""};
    struct kube_slice slice =
        read_slice(&selection, "IPv4", "[{\"addresses\": [\"10.0.0.1\"]}]", ports);
    const json_t *endpoint = json_array_get(slice.endpoints, 0);
    const char *address = json_string_value(json_object_get(endpoint, "address"));
    const char *why = json_string_value(json_array_get(slice.refused, 0));

    cr_expect_eq(json_array_size(slice.endpoints) + json_array_size(slice.refused), 1);
    cr_expect_str_eq(address ? address : why, address_or_why, "\"%s\" of %s", wanted, ports);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
}

Test(kube_slice, ports_are_found_by_name_or_by_number)
{
    static const char two[] = "[{\"name\": \"http\", \"port\": 8080}, {\"name\": \"metrics\", "
                              "\"port\": 9090, \"protocol\": \"TCP\"}, {\"name\": \"dns\", "
                              "\"port\": 53, \"protocol\": \"UDP\"}]";

    expect_port("http", two, "10.0.0.1:8080");
    expect_port("9090", two, "10.0.0.1:9090");
    expect_port("", two,
                "slice \"web-1\": it has several ports (http 8080, metrics 9090): name one with "
                "`port`");
    expect_port("dns", two,
                "slice \"web-1\": it has no TCP port \"dns\"; it has: http 8080, metrics 9090");
    expect_port("53", two,
                "slice \"web-1\": it has no TCP port \"53\"; it has: http 8080, metrics 9090");
    expect_port("", "[{\"name\": \"\", \"port\": 80}]", "10.0.0.1:80");
    expect_port("", "[{\"port\": 80}, {\"port\": 53, \"protocol\": \"UDP\"}]", "10.0.0.1:80");
}

Test(kube_slice, a_port_without_a_number_is_any_port)
{
    expect_port("8443", "[{\"name\": \"\"}]", "10.0.0.1:8443");
    expect_port("", "[{\"name\": \"\"}]",
                "slice \"web-1\": it has no TCP port with a number; it has: any");
    expect_port("http", "[{\"name\": \"http\", \"port\": 70000}]",
                "slice \"web-1\": it has no TCP port \"http\"; it has: http any");
    expect_port("", "null", "slice \"web-1\": it has no TCP port with a number; it has: none");
}

Test(kube_slice, a_slice_with_very_many_ports_is_told_within_bounds)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fputc('[', out);
    for (int i = 0; i < 100; i++)
        fprintf(out, "%s{\"name\": \"a-very-long-name-%d\", \"port\": %d}", i ? ", " : "", i,
                1 + i);
    fputc(']', out);
    fclose(out);
    struct kube_slice slice = read_slice(&any, "IPv4", "[{\"addresses\": [\"10.0.0.1\"]}]", text);

    cr_expect_eq(json_array_size(slice.refused), 1);
    cr_expect_lt(json_string_length(json_array_get(slice.refused, 0)), 300);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
    free(text);
}

Test(kube_slice, what_it_has_beyond_what_a_slice_may_have_is_refused_at_once)
{
    json_t *endpoints = json_array();

    for (int i = 0; i < 3 * KUBE_SLICE_ENDPOINTS; i++)
        json_array_append_new(endpoints, json_object());
    char *text = json_dumps(endpoints, JSON_COMPACT);
    struct kube_slice slice = read_slice(&any, "IPv4", text, "[{\"port\": 80}]");

    cr_expect_eq(json_array_size(slice.refused), KUBE_SLICE_ENDPOINTS + 1);
    json_decref(slice.endpoints);
    json_decref(slice.refused);
    json_decref(endpoints);
    free(text);
}
