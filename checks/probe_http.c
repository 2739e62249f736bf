/* http: a request, and an answer whose status and body are as expected. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "checks/probe.h"
#include "checks/statuses_text.h"
#include "client/http_client.h"
#include "client/words.h"

struct probe_http {
    struct probe probe;
    struct http_client client;
};

static struct probe_http *http_of(struct probe *probe)
{
    return container_of(probe, struct probe_http, probe);
}

/* Searched as bytes, by REG_STARTEND: a body may hold a NUL, where a C string would end. The copy
 * has one behind it all the same, since regexec's argument is a string by contract. */
static bool body_matches(const regex_t *regex, struct slice body)
{
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)body.n};
    char *text = xstrndup(body.n > 0 ? body.p : "", body.n);
    bool matches = regexec(regex, text, 1, &range, REG_STARTEND) == 0;

    free(text);
    return matches;
}

static bool body_is_expected(const struct config_health *health, struct slice body)
{
    size_t n = strlen(health->expect_body);

    if (health->expect_body_regex)
        return body_matches(health->expect_body_regex, body);
    return n == 0 || (body.n > 0 && memmem(body.p, body.n, health->expect_body, n) != NULL);
}

static void fail_body(struct probe *probe)
{
    const struct config_health *health = probe_config(probe);

    if (health->expect_body_regex)
        probe_fail(probe, "body does not match \"%s\"", health->expect_body + 1); /* behind its ~ */
    else
        probe_fail(probe, "body does not contain \"%s\"", health->expect_body);
}

/* A status that degrades needs not be among the expected ones ("429" beside "200-299"), and its
 * body is an excuse, not what was asked for: it is not looked at. */
static void http_on_done(struct http_client *client)
{
    struct probe *probe = &container_of(client, struct probe_http, client)->probe;
    const struct config_health *health = probe_config(probe);
    struct slice body = slice_from(bytes_data(&client->body), client->body.size);
    char expected[STATUSES_TEXT_BYTES];

    if (client->status == 0)
        probe_fail(probe, "%s", client->why);
    else if (config_statuses_have(&health->degraded_status, client->status))
        probe_degrade(probe, "status %d", client->status);
    else if (!config_statuses_have(&health->expect_status, client->status))
        probe_fail(probe, "status %d, expected %s", client->status,
                   statuses_text(expected, &health->expect_status));
    else if (!body_is_expected(health, body))
        fail_body(probe);
    else
        probe_pass(probe);
}

static void http_start(struct probe *probe)
{
    struct probe_http *http = http_of(probe);
    const struct probe_target *target = &probe->target;
    const struct config_health *health = probe_config(probe);
    bool is_unix = slice_starts_with(slice_str(target->backend->address), SLICE_LIT("unix:"));
    const struct http_client_request request = {
        .address = &target->address,
        .tls = target->pool->tls,
        .server_name = target->server_name,
        .method = health->method,
        .target = health->path,
        .host = is_unix ? "localhost" : target->backend->address,
        .agent = "evergate-health",
        .headers = health->headers,
        .header_count = health->header_count,
        .body = health->body,
        .awaits = &probe->awaits,
    };

    int code = http_client_start(&http->client, probe_loop(probe), &request, http_on_done);
    if (code != EG_OK)
        probe_fail_transport(probe, &http->client.transport, code);
}

static void http_stop(struct probe *probe)
{
    http_client_stop(&http_of(probe)->client);
}

static void http_fini(struct probe *probe)
{
    http_client_fini(&http_of(probe)->client);
}

const struct probe_type probe_http = {
    .name = "http",
    .size_bytes = sizeof(struct probe_http),
    .start = http_start,
    .stop = http_stop,
    .fini = http_fini,
};
