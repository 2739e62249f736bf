/* See consul_answer.h. */
#include "discovery/consul_answer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/consul_fields.h"

enum {
    ANSWER_ID_BYTES = 128, /* of an id: docs/config.md, "Names" */
    ANSWER_SUM_BYTES = sizeof("~01234567") - 1,
};

/* ---- ids ---- */

static bool id_may_hold(char c)
{
    return c > ' ' && c < 0x7f && strchr("\"\\/?#%", c) == NULL;
}

/* FNV-1a: the same on every machine and in every version, as ids must be. */
static uint32_t id_sum(const char *text)
{
    uint32_t sum = UINT32_C(2166136261);

    for (const char *p = text; *p != '\0'; p++)
        sum = (sum ^ (unsigned char)*p) * UINT32_C(16777619);
    return sum;
}

char *consul_answer_id(const char *text)
{
    char *id = xstrdup(text);
    size_t n = strlen(text), kept = ANSWER_ID_BYTES - ANSWER_SUM_BYTES;
    bool as_it_stands = n <= ANSWER_ID_BYTES;
    char *summed;

    for (char *p = id; *p != '\0'; p++) {
        if (id_may_hold(*p))
            continue;
        *p = '_';
        as_it_stands = false;
    }
    if (as_it_stands)
        return id;
    summed = xasprintf("%.*s~%08x", (int)(n < kept ? n : kept), id, id_sum(text));
    free(id);
    return summed;
}

/* ---- whose IDs stand alone ---- */

static const char *entry_text(const json_t *entry, const char *group, const char *key)
{
    return json_string_value(json_object_get(json_object_get(entry, group), key));
}

static bool id_is_default(const json_t *entry)
{
    const char *id = entry_text(entry, "Service", "ID");
    const char *service = entry_text(entry, "Service", "Service");

    return id != NULL && service != NULL && strcmp(id, service) == 0;
}

/* {ID: how many entries have it}. */
static json_t *answer_count_ids(const json_t *answer)
{
    json_t *counts = json_object(), *entry;
    size_t i;

    json_array_foreach(answer, i, entry)
    {
        const char *id = entry_text(entry, "Service", "ID");

        if (id != NULL)
            json_object_set_new(counts, id,
                                json_integer(json_integer_value(json_object_get(counts, id)) + 1));
    }
    return counts;
}

/* Heap; NULL: it has no ID. */
static char *entry_id(const json_t *entry, const json_t *counts)
{
    const char *id = entry_text(entry, "Service", "ID");
    const char *node = entry_text(entry, "Node", "Node");
    char *both, *kept;

    if (id == NULL || id[0] == '\0')
        return NULL;
    if (node == NULL ||
        (!id_is_default(entry) && json_integer_value(json_object_get(counts, id)) == 1))
        return consul_answer_id(id);
    both = xasprintf("%s:%s", node, id);
    kept = consul_answer_id(both);
    free(both);
    return kept;
}

/* ---- the answer ---- */

/* Tells of what was left out by the name that an operator knows it by. */
static void answer_refuse(consul_refused_cb refused, void *arg, const char *id, size_t place,
                          const char *why)
{
    char *sentence = id != NULL ? xasprintf("service \"%s\": %s", id, why)
                                : xasprintf("entry %zu: %s", place + 1, why);

    refused(arg, sentence);
    free(sentence);
}

json_t *consul_answer_read(const json_t *answer, consul_refused_cb refused, void *arg)
{
    json_t *endpoints, *counts, *entry;
    size_t i;

    if (!json_is_array(answer))
        return NULL;
    endpoints = json_array();
    counts = answer_count_ids(answer);
    json_array_foreach(answer, i, entry)
    {
        char *id = entry_id(entry, counts);
        char why[CONSUL_FIELDS_WHY_BYTES] = "it has no Service.ID";
        json_t *endpoint = id != NULL ? consul_fields_read(entry, why) : NULL;

        if (endpoint == NULL) {
            answer_refuse(refused, arg, id, i, why);
        } else {
            json_object_set_new(endpoint, "id", json_string(id));
            json_array_append_new(endpoints, endpoint);
        }
        free(id);
    }
    json_decref(counts);
    return endpoints;
}
