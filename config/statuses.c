/* Sets of HTTP statuses as users write them: "200-299, 304, 5xx". Pure. */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/values_internal.h"

enum { STATUS_LOWEST = 100, STATUS_HIGHEST = 599 }; /* RFC 9110 section 15 */

static bool status_number(struct slice text, unsigned *ret_status)
{
    unsigned long long value;

    if (text.n != 3 || !slice_to_u64(text, &value))
        return false;
    *ret_status = (unsigned)value;
    return true;
}

/* "5xx": the whole class. */
static bool status_class(struct slice text, unsigned *ret_first)
{
    if (text.n != 3 || text.p[0] < '0' || text.p[0] > '9' || ascii_lower(text.p[1]) != 'x' ||
        ascii_lower(text.p[2]) != 'x')
        return false;
    *ret_first = (unsigned)(text.p[0] - '0') * 100;
    return true;
}

static bool status_range(struct slice item, unsigned *ret_first, unsigned *ret_last)
{
    const char *dash = item.n > 0 ? memchr(item.p, '-', item.n) : NULL;
    struct slice before, after;

    if (dash == NULL) {
        if (status_class(item, ret_first)) {
            *ret_last = *ret_first + 99;
            return true;
        }
        if (!status_number(item, ret_first))
            return false;
        *ret_last = *ret_first;
        return true;
    }
    before = slice_trim(slice_from(item.p, (size_t)(dash - item.p)));
    after = slice_trim(slice_from(dash + 1, (size_t)(item.p + item.n - dash) - 1));
    return status_number(before, ret_first) && status_number(after, ret_last);
}

char *config_statuses_add(struct config_statuses *set, struct slice item)
{
    unsigned first, last;

    if (!status_range(item, &first, &last))
        return xasprintf("\"%.*s\" is not a status; write one such as \"200\", \"500-504\" or "
                         "\"5xx\"",
                         SLICE_FMT(item));
    if (first < STATUS_LOWEST || last > STATUS_HIGHEST)
        return xasprintf("\"%.*s\" is out of range; write statuses from 100 to 599",
                         SLICE_FMT(item));
    if (first > last)
        return xasprintf("\"%.*s\" has its ends swapped; write \"%u-%u\"", SLICE_FMT(item), last,
                         first);
    for (unsigned status = first; status <= last; status++)
        set->bits[status / 64] |= UINT64_C(1) << (status % 64);
    return NULL;
}

bool config_value_next_item(struct slice *rest, struct slice *ret_item)
{
    const char *comma;

    if (rest->p == NULL)
        return false;
    comma = rest->n > 0 ? memchr(rest->p, ',', rest->n) : NULL;
    if (comma == NULL) {
        *ret_item = slice_trim(*rest);
        *rest = (struct slice){0};
        return true;
    }
    *ret_item = slice_trim(slice_from(rest->p, (size_t)(comma - rest->p)));
    *rest = slice_from(comma + 1, rest->n - (size_t)(comma - rest->p) - 1);
    return true;
}

char *config_statuses_parse(struct config_statuses *ret_set, struct slice text)
{
    struct config_statuses set = {0};
    struct slice rest = text, item;

    if (slice_trim(text).n == 0)
        rest = (struct slice){0};
    while (config_value_next_item(&rest, &item)) {
        char *why = config_statuses_add(&set, item);

        if (why != NULL)
            return why;
    }
    *ret_set = set;
    return NULL;
}

char *config_statuses_format(const struct config_statuses *set)
{
    char *text = xstrdup("");

    for (int first = STATUS_LOWEST; first <= STATUS_HIGHEST; first++) {
        int last = first;
        char *longer;

        if (!config_statuses_have(set, first))
            continue;
        while (config_statuses_have(set, last + 1))
            last++;
        if (first == last)
            longer = xasprintf("%s%s%d", text, text[0] != '\0' ? ", " : "", first);
        else
            longer = xasprintf("%s%s%d-%d", text, text[0] != '\0' ? ", " : "", first, last);
        free(text);
        text = longer;
        first = last;
    }
    return text;
}
