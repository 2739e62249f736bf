/* See json_lines.h. Only brackets and strings are followed here; what stands between them is judged
 * by the parser, once a text is complete. */
#include "discovery/json_lines.h"

#include "discovery/json_read.h"

void json_lines_init(struct json_lines *lines, size_t max_bytes)
{
    *lines = (struct json_lines){.max_bytes = max_bytes};
    bytes_init(&lines->kept, max_bytes);
}

void json_lines_fini(struct json_lines *lines)
{
    bytes_fini(&lines->kept);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void string_take(struct json_lines *lines, char c)
{
    if (lines->escaped)
        lines->escaped = false;
    else if (c == '\\')
        lines->escaped = true;
    else if (c == '"')
        lines->in_string = false;
}

/* True when `c` closes the text. */
static bool text_take(struct json_lines *lines, char c)
{
    if (lines->in_string)
        string_take(lines, c);
    else if (c == '"')
        lines->in_string = true;
    else if (c == '{' || c == '[')
        lines->depth++;
    else if (c == '}' || c == ']')
        return --lines->depth == 0;
    return false;
}

/* What of p[0..n) belongs to the text that is open; *ret_complete: its end is among it. */
static size_t text_length(struct json_lines *lines, const char *p, size_t n, bool *ret_complete)
{
    *ret_complete = false;
    for (size_t i = 0; i < n; i++) {
        if (text_take(lines, p[i])) {
            *ret_complete = true;
            return i + 1;
        }
    }
    return n;
}

static int text_parse(struct json_lines *lines, const char *p, size_t n, json_t **ret_json)
{
    json_t *json;

    if (n > lines->max_bytes - lines->kept.size)
        return EG_E_OVERLOAD;
    if (lines->kept.size == 0) {
        json = json_read(p, n);
    } else {
        if (bytes_append(&lines->kept, p, n) != EG_OK)
            return EG_E_OVERLOAD;
        json = json_read(bytes_data(&lines->kept), lines->kept.size);
        bytes_fini(&lines->kept);
    }
    if (!json)
        return EG_E_INTERNAL;
    *ret_json = json;
    return EG_OK;
}

int json_lines_next(struct json_lines *lines, const char *p, size_t n, size_t *ret_used,
                    json_t **ret_json)
{
    size_t start = 0;
    bool complete;

    if (lines->depth == 0) {
        while (start < n && is_space(p[start]))
            start++;
        *ret_used = start;
        if (start == n)
            return EG_E_AGAIN;
        if (p[start] != '{')
            return EG_E_INTERNAL;
    }
    size_t length = text_length(lines, p + start, n - start, &complete);
    *ret_used = start + length;
    if (complete)
        return text_parse(lines, p + start, length, ret_json);
    return bytes_append(&lines->kept, p + start, length) == EG_OK ? EG_E_AGAIN : EG_E_OVERLOAD;
}
