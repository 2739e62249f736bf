/* Which of a pool's settings, as far as they concern checks and recovery, are others. By value. */
#include <string.h>

#include "checks/checks_internal.h"
#include "config/plan.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* NULL-terminated; NULL is no list. */
static bool same_texts(const char **a, const char **b)
{
    if (!a || !b)
        return a == b;
    while (*a && *b && strcmp(*a, *b) == 0) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static bool same_headers(const struct config_health *a, const struct config_health *b)
{
    if (a->header_count != b->header_count)
        return false;
    for (size_t i = 0; i < a->header_count; i++)
        if (!slice_eq(a->headers[i].name, b->headers[i].name) ||
            !slice_eq(a->headers[i].value, b->headers[i].value))
            return false;
    return true;
}

static bool same_times(const struct config_health *a, const struct config_health *b)
{
    return a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
           a->fast_interval_ms == b->fast_interval_ms && a->jitter_percent == b->jitter_percent &&
           a->rise == b->rise && a->fall == b->fall &&
           a->degraded_latency_ms == b->degraded_latency_ms && a->max_lag_ms == b->max_lag_ms;
}

static bool same_question(const struct config_health *a, const struct config_health *b)
{
    return a->type == b->type && a->role == b->role && same_text(a->path, b->path) &&
           same_text(a->method, b->method) && same_text(a->body, b->body) && same_headers(a, b) &&
           same_texts(a->command.argv, b->command.argv) && same_text(a->user, b->user) &&
           same_text(a->database, b->database) && same_text(a->password_file, b->password_file) &&
           same_texts(a->sentinels, b->sentinels) && same_text(a->master_name, b->master_name);
}

static bool same_answer(const struct config_health *a, const struct config_health *b)
{
    return memcmp(&a->expect_status, &b->expect_status, sizeof(a->expect_status)) == 0 &&
           memcmp(&a->degraded_status, &b->degraded_status, sizeof(a->degraded_status)) == 0 &&
           same_text(a->expect_body, b->expect_body) &&
           !a->expect_body_regex == !b->expect_body_regex;
}

static bool same_health(const struct config_health *a, const struct config_health *b)
{
    if (!a || !b)
        return a == b;
    return same_times(a, b) && same_question(a, b) && same_answer(a, b);
}

static bool same_tls(const struct config_pool_tls *a, const struct config_pool_tls *b)
{
    if (!a || !b)
        return a == b;
    return a->verify == b->verify && same_text(a->sni, b->sni) &&
           same_text(a->ca_path, b->ca_path) && same_text(a->cert_path, b->cert_path) &&
           same_text(a->key_path, b->key_path);
}

static bool same_recovery(const struct config_recovery *a, const struct config_recovery *b)
{
    if (!a || !b)
        return a == b;
    return same_texts(a->command.argv, b->command.argv) && same_text(a->webhook, b->webhook) &&
           a->max_attempts == b->max_attempts && a->interval_ms == b->interval_ms &&
           a->timeout_ms == b->timeout_ms;
}

unsigned checks_differences(const struct config_pool *from, const struct config_pool *to)
{
    unsigned parts = 0;

    if (!same_health(from->health, to->health))
        parts |= CONFIG_PART_HEALTH;
    if (!same_tls(from->tls, to->tls))
        parts |= CONFIG_PART_TLS;
    if (!same_recovery(from->recovery, to->recovery))
        parts |= CONFIG_PART_RECOVERY;
    return parts;
}
