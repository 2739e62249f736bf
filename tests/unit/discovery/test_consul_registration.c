/* What is said of this proxy when it is registered. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#include "discovery/consul_registration.h"

static void expect_body(const struct config_registration *config, const char *wanted)
{
    char *got = consul_registration_body(config);
    json_t *a = json_loads(got, 0, NULL), *b = json_loads(wanted, 0, NULL);

    cr_assert(a, "%s", got);
    cr_assert(b, "%s", wanted);
    cr_expect(json_equal(a, b), "%s", got);
    json_decref(a);
    json_decref(b);
    free(got);
}

Test(consul_registration, it_has_a_check_that_passes_until_its_ttl_is_over)
{
    const char *tags[] = {"edge", "v1", NULL};
    const struct config_registration config = {.name = "evergate",
                                               .id = "evergate-8080",
                                               .address = "10.0.0.1",
                                               .port = 8080,
                                               .tags = tags,
                                               .ttl_ms = 15000};

    expect_body(
        &config,
        "{\"ID\": \"evergate-8080\", \"Name\": \"evergate\", \"Address\": \"10.0.0.1\","
        " \"Port\": 8080, \"Tags\": [\"edge\", \"v1\"],"
        " \"Check\": {\"CheckID\": \"service:evergate-8080\", \"Name\": \"evergate serves\","
        " \"TTL\": \"15000ms\", \"Status\": \"passing\","
        " \"DeregisterCriticalServiceAfter\": \"150000ms\"}}");
}

Test(consul_registration, without_an_address_it_is_at_its_agents)
{
    const struct config_registration config = {
        .name = "e", .id = "e-1", .address = "", .port = 1, .ttl_ms = 1000};

    expect_body(&config, "{\"ID\": \"e-1\", \"Name\": \"e\", \"Port\": 1, \"Tags\": [],"
                         " \"Check\": {\"CheckID\": \"service:e-1\", \"Name\": \"evergate serves\","
                         " \"TTL\": \"1000ms\", \"Status\": \"passing\","
                         " \"DeregisterCriticalServiceAfter\": \"60000ms\"}}");
}
