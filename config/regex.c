/*
 * Regular expressions of routes and checks: POSIX extended, compiled once.
 *
 * glibc's matcher runs in linear time on plain expressions, but back-references make it exponential
 * and nested repetition counts, which it expands, make the compiled form enormous. Requests are
 * matched on the hot path, so both are refused here.
 */
#include <stdlib.h>
#include <string.h>

#include "config/sections_internal.h"

enum { REGEX_MAX_BYTES = 1024, REGEX_MAX_COST = 2000, REGEX_MAX_GROUPS = 50 };

/*
 * How many states the compiled form will have, roughly: a plain atom counts one, "{n,m}" multiplies
 * what stands before it by its larger number, a group counts what is in it. "x+" is kept as "xx*":
 * a row of pluses, or pluses in nested groups, would double each time.
 */
struct regex_cost {
    unsigned long closed[REGEX_MAX_GROUPS + 1]; /* per open group: all but its latest atom */
    unsigned depth, groups;
    unsigned long last; /* the latest atom, which a "{n,m}" would repeat */
};

static unsigned long cost_clamp(unsigned long cost)
{
    return cost < REGEX_MAX_COST ? cost : REGEX_MAX_COST + 1;
}

static void cost_atom(struct regex_cost *c, unsigned long atom)
{
    c->closed[c->depth] = cost_clamp(c->closed[c->depth] + c->last);
    c->last = cost_clamp(atom);
}

static void cost_multiply(struct regex_cost *c, unsigned long by)
{
    c->last = cost_clamp(c->last * by);
}

/* The largest number up to "}". Returns the last byte that belongs to it. */
static const char *cost_repeat(struct regex_cost *c, const char *p)
{
    unsigned long most = 0, value = 0;

    for (; p[1] != '\0' && *p != '}'; p++) {
        bool digit = *p >= '0' && *p <= '9';

        value = digit ? cost_clamp(value * 10 + (unsigned long)(*p - '0')) : 0;
        most = value > most ? value : most;
    }
    cost_multiply(c, most + 1);
    return p;
}

/* The "]" that ends the bracket expression at p: not the one that stands first in it. */
static const char *cost_bracket(struct regex_cost *c, const char *p)
{
    const char *start = p + 1 + (p[1] == '^'), *end;

    cost_atom(c, 1);
    end = *start != '\0' ? strchr(start + 1, ']') : NULL;
    return end != NULL ? end : p;
}

static void cost_group_end(struct regex_cost *c)
{
    unsigned long inner = c->closed[c->depth] + c->last;

    if (c->depth == 0)
        return; /* a lone ")": regcomp's to judge */
    c->depth--;
    c->last = 0;
    cost_atom(c, inner);
}

static bool cost_group_start(struct regex_cost *c)
{
    cost_atom(c, 0);
    if (++c->groups > REGEX_MAX_GROUPS)
        return false;
    c->closed[++c->depth] = 0;
    return true;
}

static const char *regex_problem(const char *pattern)
{
    struct regex_cost c = {0};

    if (strlen(pattern) > REGEX_MAX_BYTES)
        return "is longer than 1024 characters; write a shorter one";
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
            return "has a back-reference, which can take exponential time; write it without";
        if (*p == '(' && !cost_group_start(&c))
            return "has more than 50 groups; write a simpler one";
        if (*p == ')')
            cost_group_end(&c);
        else if (*p == '{')
            p = cost_repeat(&c, p + 1);
        else if (*p == '+')
            cost_multiply(&c, 2);
        else if (*p == '[')
            p = cost_bracket(&c, p);
        else if (*p != '(')
            cost_atom(&c, 1);
        if (*p == '\\' && p[1] != '\0')
            p++;
        if (*p == '\0')
            break;
    }
    for (unsigned i = 0; i <= c.depth; i++)
        c.last = cost_clamp(c.last + c.closed[i]);
    return c.last > REGEX_MAX_COST ? "repeats too much; write smaller numbers in { }" : NULL;
}

bool config_compile_regex(struct schema_walk *walk, unsigned line, const char *key,
                          const char *pattern, regex_t *ret_regex)
{
    const char *problem = regex_problem(pattern);
    char why[128];
    int code;

    if (problem != NULL) {
        config_diag_add(walk->diag, line, "%s: regular expression \"%s\" %s", key, pattern,
                        problem);
        return false;
    }
    code = regcomp(ret_regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (code == 0)
        return true;
    regerror(code, ret_regex, why, sizeof(why));
    config_diag_add(walk->diag, line,
                    "%s: regular expression \"%s\": %s; write a POSIX extended one such as "
                    "\"^/v[0-9]+/\"",
                    key, pattern, why);
    return false;
}
