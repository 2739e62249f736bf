/* "1 endpoint", "2 endpoints": the letter that sentences with counts need. */
#ifndef EVERGATE_BASE_PLURAL_H
#define EVERGATE_BASE_PLURAL_H

/* A double, for counts that come out of JSON; those of ours fit into it as well. */
static inline const char *plural(double count)
{
    return count == 1 ? "" : "s";
}

#endif
