/* What the two halves of the stage share. */
#ifndef EVERGATE_TESTS_UNIT_CHECKS_STAGE_INTERNAL_H
#define EVERGATE_TESTS_UNIT_CHECKS_STAGE_INTERNAL_H

#include "tests/unit/checks/stage.h"

struct config *stage_load(const char *pool, const char *more, const char *top);
/* `config` is owned from here. NULL, or why not (heap). */
char *stage_apply(struct stage *s, struct config *config, bool starting);

#endif
