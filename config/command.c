/* See command_internal.h. */
#include "config/command_internal.h"

void config_command_read(struct schema_walk *walk, const struct config_node *node,
                         struct config_command *out)
{
    config_schema_string(walk, node, "a string", "\"PROGRAM ARGUMENT ...\"");
}
