/* From libconfig's tree to ours. The only file that knows libconfig. */
#include "config/reader_internal.h"

#include <libconfig.h>
#include <string.h>

struct reader {
    struct arena *arena;
    struct config_diag *diag;
    bool is_data; /* strings are taken as they stand */
};

static void reader_convert(struct reader *r, const config_setting_t *setting,
                           struct config_node *node);

static void reader_convert_children(struct reader *r, const config_setting_t *setting,
                                    struct config_node *node)
{
    node->count = (size_t)config_setting_length(setting);
    node->children = arena_zalloc(r->arena, node->count * sizeof(*node->children));
    for (size_t i = 0; i < node->count; i++)
        reader_convert(r, config_setting_get_elem(setting, (unsigned)i), &node->children[i]);
}

/* The command of a health or a recovery group, whose ${EG_...} are not the environment's. */
static bool reader_is_command(const config_setting_t *setting)
{
    const config_setting_t *parent = config_setting_parent(setting);
    const char *name = config_setting_name(setting), *group;

    if (parent == NULL || name == NULL || strcmp(name, "command") != 0)
        return false;
    group = config_setting_name(parent);
    return group != NULL && (strcmp(group, "health") == 0 || strcmp(group, "recovery") == 0);
}

static void reader_convert_scalar(struct reader *r, const config_setting_t *setting,
                                  struct config_node *node)
{
    const char *text;

    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        node->type = CONFIG_NODE_INTEGER;
        node->integer = config_setting_get_int64(setting);
        break;
    case CONFIG_TYPE_FLOAT:
        node->type = CONFIG_NODE_FLOAT;
        break;
    case CONFIG_TYPE_BOOL:
        node->type = CONFIG_NODE_BOOL;
        node->boolean = config_setting_get_bool(setting) != 0;
        break;
    default:
        node->type = CONFIG_NODE_STRING;
        text = config_setting_get_string(setting);
        node->string = r->is_data ? arena_dup(r->arena, slice_str(text != NULL ? text : "")).p
                                  : config_expand(text != NULL ? text : "", node->line,
                                                  reader_is_command(setting), r->arena, r->diag,
                                                  &node->expanded);
        break;
    }
}

/* Recursion is bounded: the scanner refused text with deeper brackets. */
static void reader_convert(struct reader *r, const config_setting_t *setting,
                           struct config_node *node)
{
    const char *name = config_setting_name(setting);

    node->name = arena_dup(r->arena, slice_str(name != NULL ? name : "")).p;
    node->line = config_setting_source_line(setting);
    if (config_setting_is_aggregate(setting)) {
        node->type = config_setting_is_group(setting) ? CONFIG_NODE_GROUP : CONFIG_NODE_LIST;
        reader_convert_children(r, setting, node);
        return;
    }
    reader_convert_scalar(r, setting, node);
}

/* What the scanner lets through and libconfig still refuses: a key that stands twice, integers of
 * two sizes in one array. */
static void reader_report(const config_t *parsed, struct config_diag *diag)
{
    const char *says = config_error_text(parsed);

    if (says != NULL && strcmp(says, "duplicate setting name") == 0)
        says = "this key stands twice in its group; keep one of them";
    else if (says != NULL && strcmp(says, "mismatched element type in array") == 0)
        says = "the values between [ ] are of different types; write all of one type";
    config_diag_add(diag, (unsigned)config_error_line(parsed), "%s",
                    says != NULL ? says : "cannot be parsed; correct the syntax");
}

static const struct config_node *reader_parse(struct reader *r, const struct config_source *source)
{
    struct config_node *root = NULL;
    config_t parsed;

    config_init(&parsed);
    if (config_read_string(&parsed, source->text) == CONFIG_TRUE) {
        root = arena_zalloc(r->arena, sizeof(*root));
        reader_convert(r, config_root_setting(&parsed), root);
        root->line = 1; /* where what the file lacks is reported */
    } else {
        reader_report(&parsed, r->diag);
    }
    config_destroy(&parsed);
    return root;
}

const struct config_node *config_reader_parse(const struct config_source *source,
                                              struct arena *arena, struct config_diag *diag)
{
    struct reader r = {.arena = arena, .diag = diag};

    return reader_parse(&r, source);
}

const struct config_node *config_reader_parse_data(const struct config_source *source,
                                                   struct arena *arena, struct config_diag *diag)
{
    struct reader r = {.arena = arena, .diag = diag, .is_data = true};

    return reader_parse(&r, source);
}

const struct config_node *config_node_find(const struct config_node *group, const char *name)
{
    for (size_t i = 0; i < group->count; i++) {
        if (strcmp(group->children[i].name, name) == 0)
            return &group->children[i];
    }
    return NULL;
}

bool config_node_is_empty(const struct config_node *node)
{
    return (node->type == CONFIG_NODE_STRING && node->string[0] == '\0') ||
           (node->type == CONFIG_NODE_LIST && node->count == 0);
}

unsigned config_node_line(const struct config_node *group, const char *name)
{
    const struct config_node *node = config_node_find(group, name);

    return node != NULL ? node->line : group->line;
}

const char *config_node_kind(const struct config_node *node)
{
    static const char *const kinds[] = {
        [CONFIG_NODE_GROUP] = "a group",      [CONFIG_NODE_LIST] = "a list",
        [CONFIG_NODE_INTEGER] = "an integer", [CONFIG_NODE_FLOAT] = "a decimal number",
        [CONFIG_NODE_BOOL] = "a bool",        [CONFIG_NODE_STRING] = "a string",
        [CONFIG_NODE_NULL] = "null",
    };

    return kinds[node->type];
}
