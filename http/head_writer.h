/*
 * Writing heads: bytes into the caller's memory, and the rules that requests and responses share.
 * Insiders only (http/forward_*.c).
 */
#ifndef EVERGATE_HTTP_HEAD_WRITER_H
#define EVERGATE_HTTP_HEAD_WRITER_H

#include "http/forward.h"
#include "http/head_internal.h"

struct head_writer {
    char *p, *end;
    bool full; /* something did not fit; nothing is written any more */
};

static inline void head_put(struct head_writer *w, const char *p, size_t n)
{
    if (w->full || (size_t)(w->end - w->p) < n) {
        w->full = true;
        return;
    }
    if (n > 0)
        memcpy(w->p, p, n);
    w->p += n;
}

static inline void head_put_slice(struct head_writer *w, struct slice s)
{
    head_put(w, s.p, s.n);
}

#define head_put_lit(w, text) head_put((w), "" text, sizeof(text) - 1)

static inline void head_put_field(struct head_writer *w, struct slice name, struct slice value)
{
    if (w->full || (size_t)(w->end - w->p) < name.n + value.n + 4) {
        w->full = true;
        return;
    }
    memcpy(w->p, name.p, name.n);
    w->p += name.n;
    *w->p++ = ':';
    *w->p++ = ' ';
    if (value.n > 0)
        memcpy(w->p, value.p, value.n);
    w->p += value.n;
    *w->p++ = '\r';
    *w->p++ = '\n';
}

void head_put_number(struct head_writer *w, uint64_t number);

/* All values of `id`, comma-separated, as the beginning of a field that is appended to; ends in
 * ", " unless there was none. */
void head_put_list(struct head_writer *w, const struct http_fields *f, enum http_field_id id);

/* The options of Connection that name fields to be removed. */
struct head_hops {
    struct slice names[HTTP_CONNECTION_OPTIONS_MAX];
    unsigned count;
};

void head_hops_find(struct head_hops *hops, const struct http_fields *f);
bool head_hops_name(const struct head_hops *hops, struct slice name);

/* True when the route sets or removes that field, so that what would stand there must not. */
bool head_edits_replace(const struct http_header_edits *edits, struct slice name);

/* A peer's field goes on as it came: no rule of ours writes or drops it (`own_rule`, a bit per
 * http_field_id), Connection does not name it, the route does not replace it. */
static inline bool head_field_passes(const struct http_field *field, uint64_t own_rule,
                                     const struct head_hops *hops,
                                     const struct http_header_edits *edits)
{
    return !(own_rule >> field->id & 1) &&
           !(hops->count > 0 && head_hops_name(hops, field->name)) &&
           !(edits && head_edits_replace(edits, field->name));
}

/* The route's own fields. */
void head_put_edits(struct head_writer *w, const struct http_header_edits *edits);
size_t head_edits_bound(const struct http_header_edits *edits);
size_t head_fields_bound(const struct http_fields *f);

#endif
