/* What a webhook is told, whatever a backend put into it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "checks/webhook.h"

Test(webhook, tells_a_flat_document)
{
    char *body = webhook_compose(&(struct webhook_facts){
        .pool = "api",
        .endpoint = "a",
        .address = "10.0.0.1:80",
        .status = "unhealthy",
        .reason = "status 503, expected 200-299",
        .since = "2026-11-21T10:26:00.123Z",
        .attempt = 2,
    });

    cr_expect_str_eq(body, "{\"pool\":\"api\",\"endpoint\":\"a\",\"address\":\"10.0.0.1:80\","
                           "\"status\":\"unhealthy\",\"reason\":\"status 503, expected 200-299\","
                           "\"since\":\"2026-11-21T10:26:00.123Z\",\"attempt\":2}");
    free(body);
}

Test(webhook, what_a_backend_said_stays_a_string)
{
    char *body = webhook_compose(&(struct webhook_facts){
        .pool = "",
        .endpoint = "",
        .address = "",
        .status = "",
        .reason = "\",\"attempt\":9,\"x\":\"\\ \x01 \xff",
        .since = "",
        .attempt = 1,
    });

    cr_expect(strstr(body, "\"reason\":\"\\\",\\\"attempt\\\":9,\\\"x\\\":\\\"\\\\ \\u0001 \\ufffd"
                           "\",\"since\""),
              "%s", body);
    free(body);
}
