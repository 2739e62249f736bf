/* Prometheus' text format, version 0.0.4: a family's lines stand together under one HELP and TYPE.
 */
#ifndef EVERGATE_ADMIN_ADMIN_METRICS_TEXT_H
#define EVERGATE_ADMIN_ADMIN_METRICS_TEXT_H

#include <event2/buffer.h>
#include <stdint.h>

#include "base/durations.h"

void metrics_family(struct evbuffer *out, const char *name, const char *type, const char *help);

/* `labels` as metrics_labels made them, or NULL; more of them may follow in `more`: they are
 * literals, since they are not escaped. */
void metrics_line(struct evbuffer *out, const char *name, const char *labels, const char *more,
                  uint64_t value);
void metrics_line_seconds(struct evbuffer *out, const char *name, const char *labels,
                          const char *more, uint64_t us);

/* The lines of one histogram: NAME_bucket, NAME_sum, NAME_count. */
void metrics_histogram(struct evbuffer *out, const char *name, const char *labels,
                       const struct durations *durations);

/* A family of one line. */
void metrics_single(struct evbuffer *out, const char *name, const char *type, const char *help,
                    uint64_t value);

/* `pool="...",endpoint="..."`, escaped; without endpoint when that is NULL. Heap. */
char *metrics_labels(const char *pool, const char *endpoint);
/* The same with names of the caller's: literals. */
char *metrics_labels_of(const char *first, const char *value, const char *second,
                        const char *second_value);

#endif
