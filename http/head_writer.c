/* See head_writer.h. */
#include "http/head_writer.h"

void head_put_number(struct head_writer *w, uint64_t number)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    head_put(w, digits + i, sizeof(digits) - i);
}

void head_put_list(struct head_writer *w, const struct http_fields *f, enum http_field_id id)
{
    if (!http_fields_has(f, id))
        return;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->v[i].id != id || f->v[i].value.n == 0)
            continue;
        head_put_slice(w, f->v[i].value);
        head_put_lit(w, ", ");
    }
}

/*
 * RFC 9110 section 7.6.1: a connection option must not name a field meant for all recipients.
 * Where a client does it nevertheless, it wants a hop to lose a field that a later one relies on
 * (the client's address, credentials, what a body is), so these stay.
 */
static bool is_end_to_end(struct slice name)
{
    if (http_field_id_of(name) != HTTP_FIELD_OTHER)
        return true; /* each has a rule of its own */
    return http_name_listed(name, "authorization cache-control set-cookie location range vary "
                                  "origin x-real-ip x-forwarded-* content-* if-*");
}

static bool is_plain_option(struct slice option)
{
    return slice_ieq(option, SLICE_LIT("keep-alive")) || slice_ieq(option, SLICE_LIT("close")) ||
           slice_ieq(option, SLICE_LIT("upgrade"));
}

void head_hops_find(struct head_hops *hops, const struct http_fields *f)
{
    struct slice option;

    hops->count = 0;
    for (unsigned i = 0; http_fields_has(f, HTTP_FIELD_CONNECTION) && i < f->count; i++) {
        struct slice rest = f->v[i].value;

        if (f->v[i].id != HTTP_FIELD_CONNECTION)
            continue;
        while (hops->count < HTTP_CONNECTION_OPTIONS_MAX && http_list_next(&rest, &option))
            if (!is_plain_option(option) && !is_end_to_end(option))
                hops->names[hops->count++] = option;
    }
}

bool head_hops_name(const struct head_hops *hops, struct slice name)
{
    for (unsigned i = 0; i < hops->count; i++)
        if (slice_ieq(hops->names[i], name))
            return true;
    return false;
}

bool head_edits_replace(const struct http_header_edits *edits, struct slice name)
{
    if (!edits)
        return false;
    for (size_t i = 0; i < edits->set_count; i++)
        if (slice_ieq(edits->set[i].name, name))
            return true;
    for (size_t i = 0; i < edits->remove_count; i++)
        if (slice_ieq(edits->remove[i], name))
            return true;
    return false;
}

/* Host is written by its own rule (forward_request.c), framing by nobody's wish. */
static bool may_be_added(struct slice name)
{
    return http_field_id_of(name) != HTTP_FIELD_HOST && !http_field_is_reserved(name);
}

void head_put_edits(struct head_writer *w, const struct http_header_edits *edits)
{
    if (!edits)
        return;
    for (size_t i = 0; i < edits->set_count; i++)
        if (may_be_added(edits->set[i].name))
            head_put_field(w, edits->set[i].name, edits->set[i].value);
    for (size_t i = 0; i < edits->add_count; i++)
        if (may_be_added(edits->add[i].name))
            head_put_field(w, edits->add[i].name, edits->add[i].value);
}

size_t head_edits_bound(const struct http_header_edits *edits)
{
    size_t bound = 0;

    if (!edits)
        return 0;
    for (size_t i = 0; i < edits->set_count; i++)
        bound += edits->set[i].name.n + edits->set[i].value.n + 4;
    for (size_t i = 0; i < edits->add_count; i++)
        bound += edits->add[i].name.n + edits->add[i].value.n + 4;
    return bound;
}

size_t head_fields_bound(const struct http_fields *f)
{
    size_t bound = 0;

    for (unsigned i = 0; i < f->count; i++)
        bound += f->v[i].name.n + f->v[i].value.n + 4;
    return bound;
}
