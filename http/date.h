/* Dates in HTTP heads: RFC 9110 section 5.6.7. Writing them is base/timestamp.h's. */
#ifndef EVERGATE_HTTP_DATE_H
#define EVERGATE_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* IMF-fixdate and the two obsolete forms, whose spelling (case included) is fixed. The day's name
 * must be one but is not compared with the date. `wall_s` is now: it settles the century of an
 * RFC 850 date. True and seconds since 1970 (negative before), else untouched. */
bool http_date_parse(struct slice text, int64_t wall_s, int64_t *ret_wall_s);

#endif
