/* See consul_answer.h. */
#include "discovery/consul_answer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/consul_fields.h"

/* Tells of what was left out by the name that an operator knows it by. */
static void answer_refuse(consul_refused_cb refused, void *arg, const char *id, size_t place,
                          const char *why)
{
    char *sentence = id != NULL ? xasprintf("service \"%s\": %s", id, why)
                                : xasprintf("entry %zu: %s", place + 1, why);

    refused(arg, sentence);
    free(sentence);
}

json_t *consul_answer_read(const json_t *answer, struct consul_names *names,
                           consul_refused_cb refused, void *arg)
{
    json_t *endpoints, *entry;
    size_t i;

    if (!json_is_array(answer))
        return NULL;
    endpoints = json_array();
    consul_names_take(names, answer);
    json_array_foreach(answer, i, entry)
    {
        char *id = consul_names_id(names, entry);
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
    return endpoints;
}
