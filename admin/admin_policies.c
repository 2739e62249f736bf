/* A pool's policies in a line each: see admin_policies.h. */
#include "admin/admin_policies.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/admin_json.h"
#include "admin/admin_objects.h"
#include "base/alloc.h"
#include "config/overlay.h"

char *admin_where_text(const struct config_where *where)
{
    if (!where->file)
        return xstrdup("default");
    if (where->line == 0)
        return xstrdup(where->file);
    return xasprintf("%s:%u", where->file, where->line);
}

void admin_where_set(json_t *object, const struct config_where *where)
{
    char *text = admin_where_text(where);

    admin_json_set_text(object, "where", text);
    admin_json_set_text(object, "file", where->file);
    admin_json_set(object, "line", where->line ? json_integer(where->line) : json_null());
    free(text);
}

/* ---- "attempts 2, on connect reset, backoff 25ms" ---- */

static void print_value(FILE *out, const json_t *value)
{
    json_t *member;
    size_t i;

    if (json_is_string(value))
        fputs(json_string_value(value)[0] ? json_string_value(value) : "\"\"", out);
    else if (json_is_integer(value))
        fprintf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(out, "%g", json_real_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "on" : "off", out);
    else if (json_is_null(value))
        fputs("none", out);
    json_array_foreach(value, i, member)
    {
        fputs(i > 0 ? " " : "", out);
        print_value(out, member);
    }
}

static void print_members(FILE *out, const json_t *object)
{
    const char *key, *comma = "";
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        fprintf(out, "%s%s ", comma, key);
        print_value(out, value);
        comma = ", ";
    }
}

static json_t *in_a_line(const json_t *value)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    json_t *line;

    if (!out)
        return json_null();
    if (json_is_object(value))
        print_members(out, value);
    else
        print_value(out, value);
    fclose(out);
    line = admin_json_text(text);
    free(text);
    return line;
}

/* ---- What the API's other objects do not have ---- */

static json_t *limits(const struct config_pool *pool)
{
    json_t *object = json_object();

    admin_json_set_number(object, "max_connections", pool->max_connections);
    admin_json_set_number(object, "max_pending", pool->max_pending);
    admin_json_set_ms(object, "pending_timeout_seconds", pool->pending_timeout_ms);
    admin_json_set_ms(object, "slow_start_seconds", pool->slow_start_ms);
    return object;
}

static json_t *timeouts(const struct config_pool *pool)
{
    json_t *object = json_object();

    admin_json_set_ms(object, "connect_seconds", pool->timeouts.connect_ms);
    admin_json_set_ms(object, "response_seconds", pool->timeouts.response_ms);
    admin_json_set_ms(object, "idle_seconds", pool->timeouts.idle_ms);
    return object;
}

static json_t *keepalive(const struct config_pool *pool)
{
    json_t *object = json_object();

    admin_json_set_number(object, "idle", pool->keepalive.idle);
    admin_json_set_ms(object, "timeout_seconds", pool->keepalive.timeout_ms);
    admin_json_set_number(object, "max_requests", pool->keepalive.max_requests);
    return object;
}

static json_t *sticky(const struct config_pool *pool)
{
    json_t *object;

    if (!pool->sticky)
        return json_null();
    object = json_object();
    admin_json_set_text(object, "cookie", pool->sticky->cookie);
    admin_json_set_ms(object, "ttl_seconds", pool->sticky->ttl_ms);
    return object;
}

static json_t *tls(const struct config_pool *pool)
{
    json_t *object;

    if (!pool->tls)
        return json_null();
    object = json_object();
    admin_json_set_bool(object, "verify", pool->tls->verify);
    admin_json_set_text(object, "sni", pool->tls->sni);
    admin_json_set_text(object, "ca", pool->tls->ca_path);
    return object;
}

/* ---- The whole ---- */

/* By `of`, else as the policy's text has it, else as the pool's object does. */
static const struct {
    enum config_pool_part part;
    const char *name;
    json_t *(*of)(const struct config_pool *pool);
} parts[] = {
    {CONFIG_PART_ALGORITHM, "algorithm", NULL},
    {CONFIG_PART_STICKY, "sticky", sticky},
    {CONFIG_PART_LOCALITY, "locality", NULL},
    {CONFIG_PART_LIMITS, "limits", limits},
    {CONFIG_PART_TIMEOUTS, "timeouts", timeouts},
    {CONFIG_PART_KEEPALIVE, "keepalive", keepalive},
    {CONFIG_PART_TLS, "tls", tls},
    {CONFIG_PART_HEALTH, "health", NULL},
    {CONFIG_PART_OUTLIER, "outlier", NULL},
    {CONFIG_PART_BREAKER, "breaker", NULL},
    {CONFIG_PART_RETRY, "retry", NULL},
    {CONFIG_PART_FAILOVER, "failover", NULL},
    {CONFIG_PART_FAILBACK, "failback", NULL},
    {CONFIG_PART_FALLBACK, "fallback", NULL},
    {CONFIG_PART_RECOVERY, "recovery", NULL},
};

json_t *admin_policies_array(const struct config *config, const struct config_pool *pool)
{
    json_t *array = json_array(), *texts = config_policy_json(pool);
    json_t *others = admin_policy_object(config, pool);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *object = json_object(), *own = parts[i].of ? parts[i].of(pool) : NULL;
        json_t *value = own ? own : json_object_get(texts, parts[i].name);

        if (!value)
            value = json_object_get(others, parts[i].name);
        admin_json_set_text(object, "name", parts[i].name);
        admin_json_set(object, "summary", in_a_line(value));
        admin_where_set(object, config_where_of(pool, parts[i].part));
        json_array_append_new(array, object);
        json_decref(own);
    }
    json_decref(texts);
    json_decref(others);
    return array;
}
