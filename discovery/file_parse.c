/* See file_parse.h. */
#include "discovery/file_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/found.h"

/* Editors of some systems put it in front; it means nothing (RFC 8259 section 8.1). */
static const char byte_order_mark[] = "\xef\xbb\xbf";

static struct slice without_space(struct slice text)
{
    while (text.n > 0 && memchr(" \t\r\n", text.p[0], 4) != NULL)
        text = slice_from(text.p + 1, text.n - 1);
    return text;
}

/* Takes the reference. */
static json_t *endpoints_of(json_t *document, char why[FILE_PARSE_WHY_BYTES])
{
    json_t *endpoints;

    if (!json_is_object(document))
        return document;
    endpoints = json_incref(json_object_get(document, "endpoints"));
    json_decref(document);
    if (json_is_array(endpoints))
        return endpoints;
    snprintf(why, FILE_PARSE_WHY_BYTES, "%s",
             endpoints == NULL ? "there is no \"endpoints\" in it; write {\"endpoints\": [...]}"
                               : "its \"endpoints\" is no array; write {\"endpoints\": [...]}");
    json_decref(endpoints);
    return NULL;
}

static json_t *parse_json(struct slice text, char why[FILE_PARSE_WHY_BYTES])
{
    json_error_t error;
    json_t *document = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);

    if (document == NULL)
        snprintf(why, FILE_PARSE_WHY_BYTES, "line %d: %s", error.line, error.text);
    return document;
}

static json_t *parse_libconfig(struct slice text, char why[FILE_PARSE_WHY_BYTES])
{
    char *problem = NULL;
    json_t *document;

    if (memchr(text.p, '\0', text.n) != NULL) {
        snprintf(why, FILE_PARSE_WHY_BYTES, "it holds a NUL byte; write a text file");
        return NULL;
    }
    document = config_json_from_libconfig("endpoints", text.p, &problem);
    if (document == NULL)
        snprintf(why, FILE_PARSE_WHY_BYTES, "%s", problem);
    free(problem);
    return document;
}

/*
 * Told apart by how they begin: a libconfig text begins with a name or a comment, a JSON text that
 * we take with a bracket. An empty file is no empty set: whoever writes in place begins with one.
 */
json_t *file_parse(struct slice text, char why[FILE_PARSE_WHY_BYTES])
{
    json_t *document;

    if (slice_starts_with(text, slice_str(byte_order_mark)))
        text = slice_from(text.p + 3, text.n - 3);
    if (without_space(text).n == 0) {
        snprintf(why, FILE_PARSE_WHY_BYTES,
                 "it is empty; write {\"endpoints\": []} for no endpoints");
        return NULL;
    }
    if (strchr("[{", without_space(text).p[0]) != NULL)
        document = parse_json(text, why);
    else
        document = parse_libconfig(text, why);
    return document != NULL ? endpoints_of(document, why) : NULL;
}
