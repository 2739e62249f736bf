/* What went wrong with an answer, in words for an operator. See fetch.h. */
#include <stdio.h>

#include "discovery/fetch_internal.h"

enum { EXCERPT_OF_BYTES = 4096 }; /* what comes later in a page is no complaint */

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static bool is_page(struct slice body)
{
    size_t i = 0;

    while (i < body.n && is_blank(body.p[i]))
        i++;
    return i < body.n && body.p[i] == '<';
}

void fetch_excerpt(char *out, struct slice body)
{
    bool page = is_page(body), in_tag = false;
    size_t used = 0;

    for (size_t i = 0; i < body.n && i < EXCERPT_OF_BYTES && used < WORDS_QUOTE_BYTES - 1; i++) {
        char c = body.p[i];
        bool blank = is_blank(c);

        if (page && (in_tag || c == '<')) {
            blank = true;
            in_tag = c != '>';
        }
        if (!blank)
            out[used++] = (char)((unsigned char)c >= 0x80 ? '?' : c);
        else if (used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
    }
    if (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

/* Kubernetes says "message", etcd's gateway "error" or "message"; Consul answers with text. */
static const char *json_complaint(const json_t *json)
{
    const char *text = json_string_value(json_object_get(json, "message"));

    if (!text)
        text = json_string_value(json_object_get(json, "error"));
    return text ? text : json_string_value(json);
}

const char *fetch_problem(const struct fetch *fetch, char *out, size_t capacity)
{
    const char *complaint = fetch->json ? json_complaint(fetch->json) : fetch->inner->excerpt;
    char quote[WORDS_QUOTE_BYTES];

    if (fetch->status == 0 || (fetch->status == 200 && !fetch->json))
        snprintf(out, capacity, "%s", fetch->why);
    else if (fetch->inner->location[0] != '\0')
        snprintf(out, capacity, "status %d: it sends to \"%s\", and redirects are not followed",
                 fetch->status, fetch->inner->location);
    else if (complaint && complaint[0] != '\0')
        snprintf(out, capacity, "status %d: %s", fetch->status,
                 words_quote(quote, slice_str(complaint)));
    else
        snprintf(out, capacity, "status %d", fetch->status);
    return out;
}
