/* Age and freshness lifetime: see freshness.h. */
#include "cache/freshness.h"

#include "http/date.h"

enum {
    HEURISTIC_PERCENT = 10,       /* of the time since Last-Modified, section 4.2.2 */
    HEURISTIC_MOST_S = 24 * 3600, /* a guess should not outlive a day */
};

static bool date_of(const struct http_response_head *response, struct slice name, int64_t wall_s,
                    int64_t *ret_date_s)
{
    const struct http_field *field = http_fields_find(&response->fields, name);

    return field && http_date_parse(field->value, wall_s, ret_date_s);
}

/* Section 5.1: the first of several; what is no number is ignored. */
static int64_t age_value_of(const struct http_response_head *response)
{
    const struct http_field *field = http_fields_find(&response->fields, SLICE_LIT("age"));
    struct slice rest = field ? field->value : (struct slice){0}, first;
    int64_t age_s = 0;

    if (http_list_next(&rest, &first))
        cache_seconds_parse(first, &age_s);
    return age_s;
}

/* Section 4.2.3. The response delay is not added: it would need the time of the request, and the
 * backend's Date, which is compared here, covers it. */
static int64_t initial_age_of(const struct http_response_head *response, int64_t date_s,
                              int64_t wall_s)
{
    int64_t apparent_s = wall_s > date_s ? wall_s - date_s : 0, age_s = age_value_of(response);

    return age_s > apparent_s ? age_s : apparent_s;
}

static int64_t heuristic_lifetime(const struct http_response_head *response, int64_t date_s,
                                  int64_t wall_s)
{
    int64_t modified_s, guess_s;

    if (!date_of(response, SLICE_LIT("last-modified"), wall_s, &modified_s) || modified_s >= date_s)
        return 0;
    guess_s = (date_s - modified_s) * HEURISTIC_PERCENT / 100;
    return guess_s < HEURISTIC_MOST_S ? guess_s : HEURISTIC_MOST_S;
}

/* Section 4.2.1: for a shared cache s-maxage goes before max-age, and that before Expires. */
static int64_t lifetime_of(const struct http_response_head *response,
                           const struct cache_control *control, int64_t date_s, int64_t wall_s,
                           bool *ret_explicit)
{
    int64_t expires_s;

    *ret_explicit = true;
    if (cache_control_has(control, CACHE_S_MAXAGE))
        return control->s_maxage_s;
    if (cache_control_has(control, CACHE_MAX_AGE))
        return control->max_age_s;
    if (http_fields_find(&response->fields, SLICE_LIT("expires"))) {
        /* Section 5.3: an Expires that cannot be read ("0" above all) lies in the past. */
        if (!date_of(response, SLICE_LIT("expires"), wall_s, &expires_s))
            return 0;
        return expires_s > date_s ? expires_s - date_s : 0;
    }
    *ret_explicit = false;
    return heuristic_lifetime(response, date_s, wall_s);
}

struct cache_freshness cache_freshness_of(const struct http_response_head *response,
                                          const struct cache_control *control, int64_t wall_s)
{
    struct cache_freshness f = {.date_s = wall_s};

    f.has_date = date_of(response, SLICE_LIT("date"), wall_s, &f.date_s);
    f.initial_age_s = initial_age_of(response, f.date_s, wall_s);
    f.lifetime_s = lifetime_of(response, control, f.date_s, wall_s, &f.is_explicit);
    return f;
}
