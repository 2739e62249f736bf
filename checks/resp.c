/* See resp.h. */
#include "checks/resp.h"

#include <stdio.h>

#include "base/check.h"

/* ---- reading ------------------------------------------------------------------------------ */

/* The line at the front of *data without its end; lines end in CR LF and hold neither elsewhere. */
static int take_line(struct slice *data, struct slice *ret_line)
{
    const char *end = data->n ? memchr(data->p, '\r', data->n) : NULL;

    if (!end || end + 1 == data->p + data->n)
        return data->n > 0 && memchr(data->p, '\n', data->n) ? EG_E_UPSTREAM_PROTOCOL : EG_E_AGAIN;
    *ret_line = slice_from(data->p, (size_t)(end - data->p));
    if (end[1] != '\n' || (ret_line->n > 0 && memchr(ret_line->p, '\n', ret_line->n)))
        return EG_E_UPSTREAM_PROTOCOL;
    data->p += ret_line->n + 2;
    data->n -= ret_line->n + 2;
    return 0;
}

/* "-?[0-9]+", small enough for a long long. */
static bool parse_number(struct slice text, long long *ret_number)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    unsigned long long value;

    if (negative) {
        text.p++;
        text.n--;
    }
    if (!slice_to_u64(text, &value) || value > (unsigned long long)__LONG_LONG_MAX__)
        return false;
    *ret_number = negative ? -(long long)value : (long long)value;
    return true;
}

/* The bytes of a string whose size line was read. */
static int take_bulk(struct slice *data, long long size, struct resp_element *ret)
{
    if (size > RESP_REPLY_BYTES)
        return EG_E_UPSTREAM_PROTOCOL;
    size_t n = (size_t)size;
    if (data->n < n + 2)
        return EG_E_AGAIN;
    if (data->p[n] != '\r' || data->p[n + 1] != '\n')
        return EG_E_UPSTREAM_PROTOCOL;
    ret->type = RESP_STRING;
    ret->text = slice_from(data->p, n);
    data->p += n + 2;
    data->n -= n + 2;
    return 0;
}

/* `kind` is '$' or '*': null, or something of a size. */
static int take_sized(struct slice *data, char kind, struct slice line, struct resp_element *ret)
{
    if (!parse_number(line, &ret->number) || ret->number < -1)
        return EG_E_UPSTREAM_PROTOCOL;
    if (ret->number == -1) {
        ret->type = RESP_NULL;
        return 0;
    }
    if (kind == '$')
        return take_bulk(data, ret->number, ret);
    ret->type = RESP_ARRAY;
    return ret->number > RESP_ELEMENTS ? EG_E_UPSTREAM_PROTOCOL : 0;
}

/* *data is untouched unless the result is 0. */
static int take_element(struct slice *data, struct resp_element *ret)
{
    struct slice rest = *data, line;
    struct resp_element element = {.type = RESP_STRING};
    int err;

    if (data->n == 0)
        return EG_E_AGAIN;
    if (!memchr("+-:$*", data->p[0], 5))
        return EG_E_UPSTREAM_PROTOCOL; /* at once: somebody else's greeting may have no CR */
    err = take_line(&rest, &line);
    if (err != 0)
        return err;
    char kind = line.p[0];
    line.p++;
    line.n--;
    if (kind == '+' || kind == '-') {
        element.type = kind == '+' ? RESP_STRING : RESP_ERROR;
        element.text = line;
    } else if (kind == ':') {
        element.type = RESP_NUMBER;
        err = parse_number(line, &element.number) ? 0 : EG_E_UPSTREAM_PROTOCOL;
    } else {
        err = take_sized(&rest, kind, line, &element);
    }
    if (err != 0)
        return err;
    *data = rest;
    *ret = element;
    return 0;
}

int resp_measure(struct slice data, size_t *ret_size)
{
    struct slice rest = slice_from(data.p, data.n < RESP_REPLY_BYTES ? data.n : RESP_REPLY_BYTES);
    size_t wanted = 1;

    for (size_t seen = 0; seen < wanted; seen++) {
        struct resp_element element;
        int err = take_element(&rest, &element);

        if (err == EG_E_AGAIN && data.n >= RESP_REPLY_BYTES)
            return EG_E_UPSTREAM_PROTOCOL;
        if (err != 0)
            return err;
        if (element.type == RESP_ARRAY)
            wanted += (size_t)element.number;
        if (wanted > RESP_ELEMENTS)
            return EG_E_UPSTREAM_PROTOCOL;
    }
    *ret_size = (size_t)(rest.p - data.p);
    return 0;
}

bool resp_take(struct slice *reply, struct resp_element *ret_element)
{
    if (reply->n == 0)
        return false;
    CHECK(take_element(reply, ret_element) == 0);
    return true;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Where the next byte goes, or a place where it does no harm: snprintf and memcpy of nothing. */
static size_t write_header(char *out, size_t capacity, size_t used, char kind, size_t number)
{
    size_t room = used < capacity ? capacity - used : 0;

    return (size_t)snprintf(room ? out + used : NULL, room, "%c%zu\r\n", kind, number);
}

static size_t write_text(char *out, size_t capacity, size_t used, struct slice text)
{
    if (used + text.n + 2 <= capacity) {
        if (text.n > 0)
            memcpy(out + used, text.p, text.n);
        memcpy(out + used + text.n, "\r\n", 2);
    }
    return text.n + 2;
}

size_t resp_write_command(char *out, size_t capacity, const struct slice *words, size_t count)
{
    size_t used = write_header(out, capacity, 0, '*', count);

    for (size_t i = 0; i < count; i++) {
        used += write_header(out, capacity, used, '$', words[i].n);
        used += write_text(out, capacity, used, words[i]);
    }
    return used;
}
