/* Durations as people say them: see duration.h. */
#include "health/duration.h"

#include <stdio.h>

struct duration_text duration_text(uint64_t us)
{
    static const struct {
        uint64_t us;
        char name;
    } units[] = {{86400000000, 'd'}, {3600000000, 'h'}, {60000000, 'm'}, {1000000, 's'}};
    struct duration_text out;
    unsigned i = 0, first, second = 0;

    if (us < 1000000) {
        snprintf(out.text, sizeof(out.text), "%u ms", (unsigned)(us / 1000));
        return out;
    }
    while (us < units[i].us)
        i++;
    first = (unsigned)(us / units[i].us);
    /* Seconds are the last unit; below ten of them a tenth still says something. */
    if (i + 1 < sizeof(units) / sizeof(units[0])) {
        second = (unsigned)(us % units[i].us / units[i + 1].us);
    } else if (first < 10 && us % 1000000 / 100000 > 0) {
        snprintf(out.text, sizeof(out.text), "%u.%u s", first, (unsigned)(us % 1000000 / 100000));
        return out;
    }
    if (second > 0)
        snprintf(out.text, sizeof(out.text), "%u %c %u %c", first, units[i].name, second,
                 units[i + 1].name);
    else
        snprintf(out.text, sizeof(out.text), "%u %c", first, units[i].name);
    return out;
}
