/* Commands: a line of the file as the words of a program's argument list. Insiders of config/ only.
 */
#ifndef EVERGATE_CONFIG_COMMAND_INTERNAL_H
#define EVERGATE_CONFIG_COMMAND_INTERNAL_H

#include "base/arena.h"
#include "config/config.h"
#include "config/schema_internal.h"

/*
 * Splits as a shell does, and does nothing else a shell does: white space separates words, '...'
 * holds everything as it is, in "..." a backslash guards " \ $ and `, elsewhere it guards the next
 * character. No globbing, no variables, no pipes; a word that only makes sense to a shell is a
 * mistake.
 *
 * 0 words and NULL when the text is empty. Else NULL in *ret_why and a NULL-terminated list in
 * `arena`, or what is wrong and what to write (heap).
 */
const char **config_command_split(const char *text, struct arena *arena, char **ret_why);

/* For a `command` key; "${EG_...}" may be the first `variables` of enum config_variable. */
void config_command_read(struct schema_walk *walk, const struct config_node *node,
                         unsigned variables, struct config_command *out);

/* The words as one line that splits into them again; NULL where there is no command. */
json_t *config_command_show(const struct config_command *command);

#endif
