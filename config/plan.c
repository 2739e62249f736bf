/* The plan: listeners and what concerns the process as a whole; put together with routes and pools,
 * rated, and shown as JSON. */
#include "config/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/plan_internal.h"
#include "config/sections_internal.h"

/* ---- what all kinds of changes need ---- */

const char *config_plan_keep(struct plan_draft *draft, const char *text)
{
    return arena_dup(draft->plan->arena, slice_str(text)).p;
}

const char *config_plan_format(struct plan_draft *draft, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = arena_vformat(draft->plan->arena, format, args);
    va_end(args);
    return text;
}

struct config_change *config_plan_add(struct plan_draft *draft, enum config_change_of of,
                                      enum config_change_kind kind, const char *name)
{
    struct config_plan *plan = draft->plan;

    if (plan->count == draft->capacity) {
        draft->capacity = draft->capacity > 0 ? draft->capacity * 2 : 16;
        plan->changes = xrealloc(plan->changes, draft->capacity * sizeof(*plan->changes));
    }
    plan->changes[plan->count] = (struct config_change){
        .kind = kind, .of = of, .pool = "", .name = config_plan_keep(draft, name), .detail = ""};
    return &plan->changes[plan->count++];
}

void config_plan_risk(struct plan_draft *draft, enum config_risk risk, const char *format, ...)
{
    va_list args;
    char *text;

    if (risk <= draft->plan->risk)
        return;
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    draft->plan->risk = risk;
    draft->plan->risk_why = config_plan_keep(draft, text);
    free(text);
}

/* What `compare` says of the keys that `wanted` is true of; NULL when it says nothing. */
static const char *plan_word(struct plan_draft *draft, const struct schema_section *section,
                             bool (*wanted)(const struct schema_key *key), const void *from,
                             const void *to)
{
    struct schema_compare compare = {.from_config = draft->from, .to_config = draft->to};
    const char *kept = NULL;
    char *text = NULL;
    size_t size = 0;

    compare.out = open_memstream(&text, &size);
    CHECK(compare.out != NULL);
    for (size_t i = 0; i < section->key_count; i++) {
        if (wanted == NULL || wanted(&section->keys[i]))
            config_schema_key_equal(&compare, &section->keys[i], from, to);
    }
    CHECK(fclose(compare.out) == 0);
    if (size > 0)
        kept = config_plan_keep(draft, text);
    free(text);
    return kept;
}

const char *config_plan_differences(struct plan_draft *draft, const struct schema_section *section,
                                    const void *from, const void *to)
{
    struct schema_compare quiet = {.from_config = draft->from, .to_config = draft->to};

    if (config_schema_equal(&quiet, section, from, to))
        return NULL;
    return plan_word(draft, section, NULL, from, to);
}

static bool is_setting_of_pool(const struct schema_key *key)
{
    return key->part != 0 && key->part != CONFIG_PART_BACKENDS;
}

const char *config_plan_pool_differences(struct plan_draft *draft, const struct config_pool *from,
                                         const struct config_pool *to)
{
    return plan_word(draft, &config_pool_section, is_setting_of_pool, from, to);
}

/* ---- listeners ---- */

bool config_listener_equal(const struct config_listener *a, const struct config_listener *b)
{
    struct schema_compare quiet = {0};

    return config_schema_equal(&quiet, &config_listener_section, a, b);
}

static void listener_compare(struct plan_draft *draft, const struct config_listener *from,
                             const struct config_listener *to)
{
    const char *differences = config_plan_differences(draft, &config_listener_section, from, to);
    struct config_change *change;

    if (differences == NULL) {
        draft->plan->kept.listeners++;
        return;
    }
    change = config_plan_add(draft, CONFIG_OF_LISTENER, CONFIG_CHANGED, to->name);
    change->detail = differences;
    if (strcmp(from->bind, to->bind) != 0)
        config_plan_risk(draft, CONFIG_RISK_HIGH, "listener \"%s\" leaves %s", to->name,
                         from->bind);
    else
        config_plan_risk(draft, CONFIG_RISK_MEDIUM, "listener \"%s\" changes", to->name);
}

static void plan_listeners(struct plan_draft *draft)
{
    const struct config *from = draft->from, *to = draft->to;
    struct plan_list before = {from->listeners, from->listener_count, sizeof(*from->listeners),
                               offsetof(struct config_listener, name)};
    struct plan_list after = {to->listeners, to->listener_count, sizeof(*to->listeners),
                              offsetof(struct config_listener, name)};
    struct plan_match match;

    plan_match_init(&match, &before, &after);
    for (size_t i = 0; i < after.count; i++) {
        if (match.from_of[i] != PLAN_NONE) {
            listener_compare(draft, &from->listeners[match.from_of[i]], &to->listeners[i]);
            continue;
        }
        config_plan_add(draft, CONFIG_OF_LISTENER, CONFIG_ADDED, to->listeners[i].name)->detail =
            config_plan_keep(draft, to->listeners[i].bind);
        config_plan_risk(draft, CONFIG_RISK_LOW, "listener \"%s\" is new", to->listeners[i].name);
    }
    for (size_t i = 0; i < before.count; i++) {
        if (match.to_of[i] != PLAN_NONE)
            continue;
        config_plan_add(draft, CONFIG_OF_LISTENER, CONFIG_REMOVED, from->listeners[i].name)
            ->detail = config_plan_keep(draft, from->listeners[i].bind);
        config_plan_risk(draft, CONFIG_RISK_HIGH, "listener \"%s\" goes", from->listeners[i].name);
    }
    plan_match_fini(&match);
}

/* ---- the process ---- */

static bool is_read_at_start(const struct schema_key *key)
{
    return key->at_start;
}

static bool is_read_again(const struct schema_key *key)
{
    return !key->at_start;
}

/* Where this instance is decides which backends are near, and get the load. */
static enum config_risk process_risk(const struct schema_key *key)
{
    bool place = strcmp(key->name, "region") == 0 || strcmp(key->name, "zone") == 0;

    return place ? CONFIG_RISK_MEDIUM : CONFIG_RISK_LOW;
}

/* Of a group's keys, or of the one that stands alone, those that a running process reads again, or
 * those that it does not. The groups are parts of struct config itself. */
static void process_compare(struct plan_draft *draft, const struct schema_key *key, bool at_start)
{
    struct schema_section alone = {.keys = key, .key_count = 1};
    bool group = key->type == SCHEMA_GROUP;
    const char *text =
        plan_word(draft, group ? key->section : &alone, at_start ? is_read_at_start : is_read_again,
                  draft->from, draft->to);
    struct config_change *change;

    if (text == NULL)
        return;
    change = config_plan_add(draft, CONFIG_OF_PROCESS, CONFIG_CHANGED, key->name);
    change->detail = group ? text : text + strlen(key->name) + 1; /* "0 -> 4" */
    change->needs_upgrade = at_start;
    config_plan_risk(draft, process_risk(key), "%s changes", key->name);
}

static void plan_process(struct plan_draft *draft)
{
    for (size_t i = 0; i < config_top_section.key_count; i++) {
        const struct schema_key *key = &config_top_section.keys[i];

        if (key->type == SCHEMA_LIST)
            continue;
        process_compare(draft, key, false);
        process_compare(draft, key, true);
    }
}

/* ---- together ---- */

struct config_plan *config_plan_new(const struct config *from, const struct config *to)
{
    static const struct config nothing;
    struct config_plan *plan = xcalloc(1, sizeof(*plan));
    struct plan_draft draft = {.from = from != NULL ? from : &nothing, .to = to, .plan = plan};

    plan->arena = xmalloc(sizeof(*plan->arena));
    arena_init(plan->arena);
    plan->risk_why = "";
    if (draft.from->routes != to->routes || to->route_count == 0) {
        plan_listeners(&draft);
        config_plan_routes(&draft);
    } else { /* the API's changes: an overlay leaves both alone */
        plan->kept.listeners = (unsigned)to->listener_count;
        plan->kept.routes = (unsigned)to->route_count;
    }
    config_plan_pools(&draft);
    if (from != NULL)
        plan_process(&draft);
    return plan;
}

void config_plan_free(struct config_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->changes);
    arena_fini(plan->arena);
    free(plan->arena);
    free(plan);
}

const char *config_risk_name(enum config_risk risk)
{
    static const char *const names[] = {[CONFIG_RISK_NONE] = "none",
                                        [CONFIG_RISK_LOW] = "low",
                                        [CONFIG_RISK_MEDIUM] = "medium",
                                        [CONFIG_RISK_HIGH] = "high"};

    return names[risk];
}

static json_t *change_json(const struct config_change *change)
{
    static const char *const kinds[] = {
        [CONFIG_ADDED] = "added", [CONFIG_REMOVED] = "removed", [CONFIG_CHANGED] = "changed"};
    static const char *const things[] = {[CONFIG_OF_LISTENER] = "listener",
                                         [CONFIG_OF_ROUTE] = "route",
                                         [CONFIG_OF_POOL] = "pool",
                                         [CONFIG_OF_ENDPOINT] = "endpoint",
                                         [CONFIG_OF_PROCESS] = "process"};

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:b, s:b}", "change", kinds[change->kind],
                     "of", things[change->of], "pool", config_schema_text_json(change->pool),
                     "name", config_schema_text_json(change->name), "detail",
                     config_schema_text_json(change->detail), "match_changes",
                     change->match_changes, "replaces", change->replaces, "needs_upgrade",
                     change->needs_upgrade);
}

json_t *config_plan_json(const struct config_plan *plan)
{
    json_t *changes = json_array(), *kept;

    for (size_t i = 0; i < plan->count; i++)
        json_array_append_new(changes, change_json(&plan->changes[i]));
    kept = json_pack("{s:i, s:i, s:i, s:i}", "listeners", (int)plan->kept.listeners, "routes",
                     (int)plan->kept.routes, "pools", (int)plan->kept.pools, "endpoints",
                     (int)plan->kept.endpoints);
    return json_pack("{s:o, s:o, s:s, s:o}", "changes", changes, "kept", kept, "risk",
                     config_risk_name(plan->risk), "risk_why",
                     config_schema_text_json(plan->risk_why));
}
