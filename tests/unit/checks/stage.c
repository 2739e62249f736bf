/* See stage.h. */
#include "tests/unit/checks/stage_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { EVENTS_KEPT = 256 };

static void on_status(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct stage *s = arg;

    if (s->checks)
        checks_on_status(s->checks, pool, endpoint, from, to);
}

struct config *stage_load(const char *pool, const char *more, const char *top)
{
    char *text = xasprintf("listeners = ( { name = \"edge\"; bind = \"127.0.0.1:0\"; } );\n"
                           "routes = ( { name = \"all\"; pool = \"api\"; } );\n"
                           "%s\npools = ( { name = \"api\"; %s }%s%s%s );\n",
                           top, pool, more ? ", { name = \"other\"; " : "", more ? more : "",
                           more ? " }" : "");
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load_text(&config, "test.conf", text, &errors);

    cr_assert_eq(code, 0, "%s\n%s", errors.count > 0 ? errors.v[0].message : "", text);
    config_errors_free(&errors);
    free(text);
    return config;
}

void stage_init(struct stage *s, const char *pool, const char *top)
{
    const struct health_params params = {.events = EVENTS_KEPT, .on_status = on_status, .arg = s};
    char *why = NULL;

    memset(s, 0, sizeof(*s));
    log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
    cr_assert_eq(loop_init(&s->loop), 0);
    s->config = stage_load(pool, NULL, top);
    s->health = health_new(&params);
    cr_assert_eq(checks_new(&s->checks, &s->loop, &why), EG_OK, "%s", why);
}

void stage_start(struct stage *s)
{
    char *why = stage_apply(s, config_ref(s->config), true);

    cr_assert_null(why, "%s", why);
}

char *stage_refuse(struct stage *s)
{
    char *why = stage_apply(s, config_ref(s->config), true);

    cr_assert_not_null(why);
    return why;
}

void stage_fini(struct stage *s)
{
    checks_free(s->checks);
    s->checks = NULL;
    run_turns(&s->loop, 3);
    health_free(s->health);
    for (unsigned i = 0; i < STAGE_POOLS; i++) {
        if (s->pools[i].name)
            balancer_pool_free(s->pools[i].balancer);
        free((char *)s->pools[i].name);
    }
    config_unref(&s->config);
    loop_fini(&s->loop);
}

void stage_keep(struct stage *s)
{
    IN_TURN(&s->loop, health_keep(s->health, s->loop.now_us));
}

struct endpoint *stage_endpoint(struct stage *s, unsigned index)
{
    return balancer_pool_endpoint(s->balancer, index);
}

struct endpoint *stage_endpoint_named(struct stage *s, const char *id)
{
    return balancer_pool_find(s->balancer, id);
}

struct checks_endpoint *stage_checked(struct stage *s, unsigned index)
{
    struct checks_pool *pool = s->checks->pools[0];

    return index < pool->slots ? pool->endpoints[index] : NULL;
}

enum endpoint_status stage_status(struct stage *s, unsigned index)
{
    return atomic_load(&stage_endpoint(s, index)->status);
}

const char *stage_why(struct stage *s, unsigned index)
{
    static struct health_view view;

    health_view(s->pool, stage_endpoint(s, index), s->loop.now_us, &view);
    return view.why;
}

bool stage_event(struct stage *s, enum event_type type, const char *to, struct health_event *ret)
{
    static struct health_event events[EVENTS_KEPT];
    size_t n = events_read(health_events(s->health), 0, events, EVENTS_KEPT);

    for (size_t i = n; i > 0; i--) {
        if (events[i - 1].type != type || strcmp(events[i - 1].to, to) != 0)
            continue;
        *ret = events[i - 1];
        return true;
    }
    return false;
}

unsigned stage_count_events(struct stage *s, enum event_type type, const char *to)
{
    static struct health_event events[EVENTS_KEPT];
    size_t n = events_read(health_events(s->health), 0, events, EVENTS_KEPT);
    unsigned count = 0;

    for (size_t i = 0; i < n; i++)
        count += events[i].type == type && strcmp(events[i].to, to) == 0;
    return count;
}
