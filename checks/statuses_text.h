/* A set of statuses as the file writes it, for evidence. */
#ifndef EVERGATE_CHECKS_STATUSES_TEXT_H
#define EVERGATE_CHECKS_STATUSES_TEXT_H

#include "config/config.h"

enum { STATUSES_TEXT_BYTES = 64 };

/* "200-299, 304" into `out` (STATUSES_TEXT_BYTES), cut with "..." where it does not fit; returns
 * it. */
const char *statuses_text(char *out, const struct config_statuses *statuses);

#endif
