/* Rates between two answers of the API: see rates.h. */
#include "cli/rates.h"

#include "cli/remote.h"

/* The elements of an array by the text of one of their members: thousands of endpoints are looked
 * up each second. Borrowed elements; a new reference. */
static json_t *by_name(const json_t *array, const char *key)
{
    json_t *index = json_object(), *element;
    size_t i;

    json_array_foreach(array, i, element)
        json_object_set(index, remote_text(element, key), element);
    return index;
}

static json_t *rate(const json_t *now, const json_t *before, const char *key, double seconds)
{
    double counted = remote_number(now, key) - remote_number(before, key);

    return before && seconds > 0 && counted >= 0 ? json_real(counted / seconds) : json_null();
}

/* An endpoint's failures count; a pool's are those of its endpoints. */
static double add_endpoints(const json_t *pool, const json_t *before, double seconds)
{
    json_t *index = by_name(json_object_get(before, "endpoints"), "id"), *endpoint;
    double errors = 0;
    size_t i;

    json_array_foreach(json_object_get(pool, "endpoints"), i, endpoint)
    {
        const json_t *was = json_object_get(index, remote_text(endpoint, "id"));

        json_object_set_new(endpoint, "requests_per_second",
                            rate(endpoint, was, "requests", seconds));
        json_object_set_new(endpoint, "errors_per_second",
                            rate(endpoint, was, "failures", seconds));
        errors += remote_number(endpoint, "errors_per_second");
    }
    json_decref(index);
    return errors;
}

void rates_add(json_t *pools, const json_t *before, double seconds)
{
    json_t *index = by_name(json_object_get(before, "pools"), "name"), *pool;
    size_t i;

    json_array_foreach(json_object_get(pools, "pools"), i, pool)
    {
        const json_t *was = json_object_get(index, remote_text(pool, "name"));
        double errors = add_endpoints(pool, was, seconds);

        json_object_set_new(pool, "requests_per_second", rate(pool, was, "requests", seconds));
        json_object_set_new(pool, "errors_per_second", was ? json_real(errors) : json_null());
    }
    json_decref(index);
}
