/* See statuses_text.h. */
#include "checks/statuses_text.h"

#include <stdbool.h>
#include <stdio.h>

/* The last status of the run that begins at `first`. */
static int run_end(const struct config_statuses *statuses, int first)
{
    int last = first;

    while (last < 599 && config_statuses_have(statuses, last + 1))
        last++;
    return last;
}

const char *statuses_text(char *out, const struct config_statuses *statuses)
{
    size_t used = 0;

    out[0] = '\0';
    for (int first = 100; first < 600; first++) {
        char item[16];

        if (!config_statuses_have(statuses, first))
            continue;
        int last = run_end(statuses, first);
        const char *comma = used > 0 ? ", " : "";
        int n = first == last ? snprintf(item, sizeof(item), "%s%d", comma, first)
                              : snprintf(item, sizeof(item), "%s%d-%d", comma, first, last);
        if (used + (size_t)n + sizeof("...") > STATUSES_TEXT_BYTES) {
            snprintf(out + used, STATUSES_TEXT_BYTES - used, "...");
            break;
        }
        used += (size_t)snprintf(out + used, STATUSES_TEXT_BYTES - used, "%s", item);
        first = last;
    }
    return out;
}
