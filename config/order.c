/* Two durations of which one is the other's limit. */
#include "config/sections_internal.h"

void config_check_order(struct schema_walk *walk, const struct config_node *group,
                        const char *lesser_key, uint64_t *lesser_ms, const char *greater_key,
                        uint64_t *greater_ms)
{
    char lesser[CONFIG_VALUE_TEXT_BYTES], greater[CONFIG_VALUE_TEXT_BYTES];

    if (*lesser_ms <= *greater_ms)
        return;
    if (config_node_find(group, greater_key) == NULL) {
        *greater_ms = *lesser_ms;
    } else if (config_node_find(group, lesser_key) == NULL) {
        *lesser_ms = *greater_ms;
    } else {
        config_value_format_duration(*lesser_ms, lesser);
        config_value_format_duration(*greater_ms, greater);
        config_diag_add(walk->diag, config_node_line(group, lesser_key),
                        "%s: \"%s\" is longer than %s; write at most \"%s\", or %s = \"%s\"",
                        lesser_key, lesser, greater_key, greater, greater_key, lesser);
    }
}
