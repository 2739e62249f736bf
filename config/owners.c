/* Keys that mean something with some types of their section only: of health, of discovery. */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/sections_internal.h"

/* "redis", or "postgres" or "redis", as in: write type = ... (heap). */
static char *owners_text(unsigned owners, const char *(*type_name)(unsigned type))
{
    char *text = NULL;

    for (unsigned type = 0; owners >> type != 0; type++) {
        char *longer;

        if ((owners >> type & 1) == 0)
            continue;
        longer = text == NULL ? xasprintf("\"%s\"", type_name(type))
                              : xasprintf("%s or \"%s\"", text, type_name(type));
        free(text);
        text = longer;
    }
    return text;
}

void config_check_owners(struct schema_walk *walk, const struct config_node *node, unsigned type,
                         unsigned owners, const char *(*type_name)(unsigned type))
{
    char *text;

    if ((owners >> type & 1) != 0)
        return;
    text = owners_text(owners, type_name);
    config_diag_add(walk->diag, node->line,
                    "%s has no effect with type = \"%s\"; remove it, or write type = %s",
                    node->name, type_name(type), text);
    free(text);
}
