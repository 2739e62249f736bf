/*
 * Regular expressions of routes: POSIX extended, compiled once.
 *
 * glibc's matcher runs in linear time on plain expressions, but back-references make it exponential
 * and nested repetition counts make the compiled form enormous. Requests are matched on the hot
 * path, so both are refused here.
 */
#include <stdlib.h>
#include <string.h>

#include "config/sections_internal.h"

enum { REGEX_MAX_BYTES = 1024, REGEX_MAX_REPEATS = 1000, REGEX_MAX_GROUPS = 50 };

/* The larger number of "{n,m}" at p, at least 1. */
static unsigned long regex_repeats(const char *p)
{
    unsigned long most = 1;

    for (; *p != '\0' && *p != '}'; p++) {
        unsigned long value = 0;

        for (; *p >= '0' && *p <= '9'; p++)
            value = value < REGEX_MAX_REPEATS ? value * 10 + (unsigned long)(*p - '0') : value;
        if (value > most)
            most = value;
        if (*p == '\0' || *p == '}')
            break;
    }
    return most;
}

static const char *regex_problem(const char *pattern)
{
    unsigned long repeats = 1, groups = 0;

    if (strlen(pattern) > REGEX_MAX_BYTES)
        return "is longer than 1024 characters; write a shorter one";
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
            return "has a back-reference, which can take exponential time; write it without";
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '{')
            repeats *= regex_repeats(p + 1);
        else if (*p == '(')
            groups++;
        if (repeats > REGEX_MAX_REPEATS)
            return "repeats more than 1000 times; write smaller numbers in { }";
        if (groups > REGEX_MAX_GROUPS)
            return "has more than 50 groups; write a simpler one";
    }
    return NULL;
}

bool config_compile_regex(struct schema_walk *walk, unsigned line, const char *pattern,
                          regex_t *ret_regex)
{
    const char *problem = regex_problem(pattern);
    char why[128];
    int code;

    if (problem != NULL) {
        config_diag_add(walk->diag, line, "path: regular expression \"%s\" %s", pattern, problem);
        return false;
    }
    code = regcomp(ret_regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (code == 0)
        return true;
    regerror(code, ret_regex, why, sizeof(why));
    config_diag_add(walk->diag, line,
                    "path: regular expression \"%s\": %s; write a POSIX extended one such as "
                    "\"^/v[0-9]+/\"",
                    pattern, why);
    return false;
}
