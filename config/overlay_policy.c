/* What is said of a pool's policy, laid over the file's, and how a policy is shown. See
 * overlay_apply.c. */
#include "config/overlay_apply_internal.h"

json_t *config_policy_json(const struct config_pool *pool)
{
    json_t *policy = config_schema_json(NULL, &config_policy_section, pool);
    json_t *weights = json_object();

    for (size_t i = 0; i < pool->backend_count; i++)
        json_object_set_new(weights, pool->backends[i].id, json_integer(pool->backends[i].weight));
    json_object_set_new(policy, "weights", weights);
    return policy;
}

static void policy_note_parts(struct config_pool *pool, const json_t *said)
{
    const struct schema_section *section = &config_policy_section;

    for (size_t i = 0; i < section->key_count; i++) {
        if (json_object_get(said, section->keys[i].name) != NULL)
            pool->parts[__builtin_ctz((unsigned)section->keys[i].part)] =
                (struct config_where){"api", 0};
    }
}

/* What was said is merged into the file's whole policy and read as if it stood in the file, so that
 * keys which limit each other are checked against each other, whoever wrote them. */
void overlay_apply_policy(struct overlay_apply *apply, struct config_pool *pool)
{
    static const struct config_source source = {.name = "api"};
    struct schema_walk walk = {.config = apply->config,
                               .arena = apply->config->arena,
                               .diag = apply->diag,
                               .source = &source};
    json_t *policy = config_schema_json(NULL, &config_policy_section, pool);
    struct config_scope scope;
    struct config_node node;
    struct arena nodes;

    arena_init(&nodes);
    config_json_merge(policy, apply->said->policy);
    config_diag_enter(apply->diag, &scope, "policy");
    if (json_object_get(policy, "weights") != NULL)
        config_diag_add(apply->diag, 0,
                        "weights must be an object of ids and weights, such as { \"a\": 3 }");
    else if (config_json_nodes(policy, "", &nodes, apply->diag, &node))
        config_schema_read(&walk, &config_policy_section, &node, pool);
    config_diag_leave(apply->diag);
    policy_note_parts(pool, apply->said->policy);
    json_decref(policy);
    arena_fini(&nodes);
}
