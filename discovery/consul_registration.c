/* See consul_registration.h. */
#include "discovery/consul_registration.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "discovery/backoff.h"

enum {
    REGISTRATION_LEAVE_TRIES = 3,
    REGISTRATION_ANSWER_MS = 5 * 1000,
    REGISTRATION_BODY_BYTES = 64 * 1024,
    REGISTRATION_PASSES_PER_TTL = 3,
    REGISTRATION_REAPED_AFTER_TTLS = 10,
    REGISTRATION_REAPED_AFTER_MS = 60 * 1000, /* Consul takes no less */
};

enum registration_step { REGISTRATION_REGISTER, REGISTRATION_PASS, REGISTRATION_DEREGISTER };

struct consul_registration {
    struct consul_registration_params params;
    enum registration_step step; /* that is under way, or comes next */
    struct fetch *fetch;         /* NULL: none is under way */
    struct loop_timer timer;
    struct loop_task reap;
    struct backoff backoff;
    unsigned leave_tries;
    bool begun;
    bool leaving, left; /* `left`: or given up */
};

static void registration_ask(struct consul_registration *r);

/* ---- what is sent ---- */

static json_t *registration_tags(const char *const *tags)
{
    json_t *array = json_array();

    for (; tags != NULL && *tags != NULL; tags++)
        json_array_append_new(array, json_string(*tags));
    return array;
}

/* It passes from the beginning: it serves before it says so. */
static json_t *registration_check(const struct config_registration *config)
{
    uint64_t reaped_ms = config->ttl_ms * REGISTRATION_REAPED_AFTER_TTLS;

    if (reaped_ms < REGISTRATION_REAPED_AFTER_MS)
        reaped_ms = REGISTRATION_REAPED_AFTER_MS;
    return json_pack("{s:o, s:s, s:o, s:s, s:o}", "CheckID", json_sprintf("service:%s", config->id),
                     "Name", "evergate serves", "TTL",
                     json_sprintf("%llums", (unsigned long long)config->ttl_ms), "Status",
                     "passing", "DeregisterCriticalServiceAfter",
                     json_sprintf("%llums", (unsigned long long)reaped_ms));
}

char *consul_registration_body(const struct config_registration *config)
{
    json_t *body = json_pack("{s:s, s:s, s:i, s:o, s:o}", "ID", config->id, "Name", config->name,
                             "Port", (int)config->port, "Tags", registration_tags(config->tags),
                             "Check", registration_check(config));
    char *text;

    CHECK(body != NULL);
    if (config->address[0] != '\0')
        json_object_set_new(body, "Address", json_string(config->address));
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    CHECK(text != NULL);
    return text;
}

/* Heap. */
static char *registration_target(const struct consul_registration *r)
{
    const char *id = r->params.config->id;

    switch (r->step) {
    case REGISTRATION_REGISTER:
        return xstrdup("/v1/agent/service/register?replace-existing-checks=true");
    case REGISTRATION_PASS:
        return consul_query_segment("/v1/agent/check/pass/service%3A", id, "?note=serving");
    case REGISTRATION_DEREGISTER:
        break;
    }
    return consul_query_segment("/v1/agent/service/deregister/", id, "");
}

/* ---- what comes of it ---- */

static void registration_wait(struct consul_registration *r, uint64_t after_ms)
{
    loop_timer_set(r->params.loop, &r->timer, after_ms);
}

static uint64_t registration_pace_ms(const struct consul_registration *r)
{
    return r->params.config->ttl_ms / REGISTRATION_PASSES_PER_TTL;
}

static void registration_succeeded(struct consul_registration *r)
{
    if (r->step == REGISTRATION_DEREGISTER) {
        r->left = true;
        log_info("consul: this proxy's service \"%s\" was taken back", r->params.config->id);
        source_registration(r->params.source, SOURCE_TAKEN_BACK, 0, NULL);
        return;
    }
    source_registration(r->params.source, SOURCE_REGISTERED, 0, NULL);
    backoff_reset(&r->backoff);
    r->step = REGISTRATION_PASS;
    registration_wait(r, registration_pace_ms(r));
}

/* The end of this row is the end of the process too, so that the log alone has it. */
static bool registration_gives_up(struct consul_registration *r)
{
    return r->step == REGISTRATION_DEREGISTER && ++r->leave_tries == REGISTRATION_LEAVE_TRIES;
}

/* Tried again no later than the next pass would have been due, so that a short failure costs no
 * TTL. */
static void registration_failed(struct consul_registration *r, const char *why)
{
    uint64_t delay_ms = backoff_next_ms(&r->backoff);

    r->left = registration_gives_up(r);
    if (r->left) {
        log_warn("consul: this proxy's service \"%s\" was not taken back: %s", r->params.config->id,
                 why);
        return;
    }
    if (delay_ms > registration_pace_ms(r))
        delay_ms = registration_pace_ms(r);
    registration_wait(r, delay_ms);
    source_registration(r->params.source, SOURCE_UNREGISTERED, delay_ms, why);
}

/* An agent that does not know the check says 404, or 500 in older versions: it was restarted, or
 * another one is asked now. */
static bool registration_is_lost(const struct consul_registration *r, int status)
{
    return r->step == REGISTRATION_PASS && (status == 404 || status == 500);
}

static void registration_on_end(struct fetch *fetch)
{
    struct consul_registration *r = fetch->arg;
    int status = fetch->status;
    char why[FETCH_WHY_BYTES];

    fetch_problem(fetch, why, sizeof(why));
    consul_token_redact(r->params.token, why);
    fetch_stop(&r->fetch);
    if (r->leaving && r->step != REGISTRATION_DEREGISTER) {
        r->step = REGISTRATION_DEREGISTER;
        registration_ask(r);
    } else if (status == 200 || (r->step == REGISTRATION_DEREGISTER && status == 404)) {
        registration_succeeded(r);
    } else if (registration_is_lost(r, status)) {
        r->step = REGISTRATION_REGISTER;
        registration_ask(r);
    } else {
        registration_failed(r, why);
    }
}

static const struct fetch_ops registration_ops = {.on_end = registration_on_end};

static void registration_ask(struct consul_registration *r)
{
    struct http_header_edit header;
    struct fetch_request request = {
        .method = "PUT",
        .headers = &header,
        .answer_ms = REGISTRATION_ANSWER_MS,
        .max_bytes = REGISTRATION_BODY_BYTES,
    };
    char *why = NULL, *target, *body = NULL;

    if (consul_token_read(r->params.token, &header, &request.header_count, &why) != 0) {
        registration_failed(r, why);
        free(why);
        return;
    }
    target = registration_target(r);
    if (r->step == REGISTRATION_REGISTER) {
        body = consul_registration_body(r->params.config);
        request.content_type = "application/json";
    }
    request.target = target;
    request.body = body;
    r->fetch = fetch_start(r->params.server, &request, &registration_ops, r);
    free(body);
    free(target);
}

/* ---- its life ---- */

static void registration_on_timer(struct loop_timer *timer)
{
    registration_ask(container_of(timer, struct consul_registration, timer));
}

struct consul_registration *consul_registration_new(const struct consul_registration_params *params)
{
    struct consul_registration *r = xcalloc(1, sizeof(*r));

    r->params = *params;
    backoff_init(&r->backoff, (uint64_t)(uintptr_t)r ^ params->loop->now_us);
    loop_timer_init(&r->timer, registration_on_timer);
    return r;
}

void consul_registration_begin(struct consul_registration *r)
{
    r->begun = true;
    registration_wait(r, 0);
}

/* A request that is under way may still be carried out by the agent, so it is waited for: what
 * follows it is the last word. */
void consul_registration_leave(struct consul_registration *r)
{
    if (r->leaving)
        return;
    r->leaving = true;
    r->left = !r->begun;
    loop_timer_cancel(&r->timer);
    if (r->fetch != NULL || r->left)
        return;
    r->step = REGISTRATION_DEREGISTER;
    registration_ask(r);
}

bool consul_registration_is_leaving(const struct consul_registration *r)
{
    return r->leaving && !r->left;
}

static void registration_reap(struct loop_task *task)
{
    free(container_of(task, struct consul_registration, reap));
}

void consul_registration_free(struct consul_registration **registration)
{
    struct consul_registration *r = *registration;

    if (r == NULL)
        return;
    *registration = NULL;
    fetch_stop(&r->fetch);
    loop_timer_cancel(&r->timer);
    loop_task_init(&r->reap, registration_reap);
    loop_reap(r->params.loop, &r->reap);
}
