/* The configuration from text: whatever stands in it, it is either a snapshot or a list of
 * mistakes, each with a message that can be printed on one line. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/config.h"

static void check_errors(const struct config_errors *errors)
{
    CHECK(errors->count > 0);
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *e = &errors->v[i];

        CHECK(strcmp(e->file, "fuzz.conf") == 0);
        CHECK(e->message[0] != '\0' && strpbrk(e->message, "\r\n\x1b") == NULL);
        CHECK(i == 0 || e->line >= errors->v[i - 1].line || e->line == 0);
    }
}

static void check_routes(const struct config *config)
{
    CHECK(config->listener_count > 0 && config->route_count > 0);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *r = &config->routes[i];

        CHECK(r->name != NULL && r->host != NULL && r->path != NULL && r->methods != NULL);
        CHECK(r->action != CONFIG_ROUTE_POOL || (r->pool_count > 0 && r->pool_weight_total > 0));
        for (size_t k = 0; k < r->pool_count; k++)
            CHECK(r->pools[k].pool < config->pool_count);
    }
}

static void check_policies(const struct config *config, size_t index)
{
    const struct config_pool *p = &config->pools[index];
    int at = (int)index;

    CHECK(p->breaker.recovery_timeout_ms <= p->breaker.max_recovery_timeout_ms);
    CHECK(p->outlier.base_ejection_ms <= p->outlier.max_ejection_ms);
    CHECK(p->retry.attempts >= 1 && p->retry.backoff_ms <= p->retry.max_backoff_ms);
    CHECK(p->failover.min_healthy_percent >= 1 && p->failback.step_percent >= 1);
    CHECK(p->fallback.cache_entry_bytes <= p->fallback.cache_bytes);
    CHECK(p->recovery == NULL || p->health != NULL);
    for (size_t steps = 0; at >= 0; steps++) {
        CHECK(steps <= config->pool_count);
        at = config->pools[at].fallback.pool;
    }
}

static void check_command(const struct config_command *command)
{
    for (const char *const *word = command->argv; word != NULL && *word != NULL; word++)
        CHECK(word > command->argv || (*word)[0] != '\0');
}

static void check_health(const struct config_health *h)
{
    CHECK(h->timeout_ms > 0 && h->fast_interval_ms > 0);
    CHECK(h->fast_interval_ms <= h->interval_ms && h->rise > 0 && h->fall > 0);
    CHECK(h->path != NULL && h->method[0] != '\0' && h->body != NULL && h->expect_body != NULL);
    CHECK((h->type == CONFIG_HEALTH_EXEC) == (h->command.argv != NULL));
    CHECK(h->user != NULL && h->database != NULL && h->sentinels != NULL);
    CHECK((h->sentinels[0] != NULL) == (h->master_name != NULL));
    check_command(&h->command);
}

static void check_pools(const struct config *config)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *p = &config->pools[i];

        CHECK(p->name != NULL && p->hash_name != NULL);
        CHECK(p->where.line > 0 && p->where.file != NULL);
        check_policies(config, i);
        if (p->health != NULL)
            check_health(p->health);
        if (p->recovery != NULL) {
            CHECK(p->recovery->command.argv != NULL || p->recovery->webhook != NULL);
            check_command(&p->recovery->command);
        }
        for (size_t k = 0; k < p->backend_count; k++)
            CHECK(p->backends[k].id != NULL && p->backends[k].tags != NULL &&
                  p->backends[k].address[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size);
    struct config *config = NULL;
    struct config_errors errors;

    if (config_load_text(&config, "fuzz.conf", text, &errors) == 0) {
        CHECK(errors.count == 0);
        check_routes(config);
        check_pools(config);
        config_unref(&config);
    } else {
        CHECK(config == NULL);
        check_errors(&errors);
    }
    config_errors_free(&errors);
    free(text);
    return 0;
}
