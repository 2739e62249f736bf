/* Every line of a configuration that the doctor advises is pasted into the file that it was found
 * in: the file must still be valid, and the finding gone. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor_support.h"

/* ---- files that advice names ---- */

static const char authority[] = "-----BEGIN CERTIFICATE-----\n"
                                "MIIBfzCCASWgAwIBAgIUMTCWChAqhcHvVT9a8WZIXQDQRSQwCgYIKoZIzj0EAwIw\n"
                                "FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMTIzMTk1MloYDzIxMjYxMDI4\n"
                                "MjMxOTUyWjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO\n"
                                "PQMBBwNCAASERyKKnU3+FUi/rA2HoQOALYedr2/ypIzKxTTATHX6JugnnngrEwpa\n"
                                "UmYsjho+U9idf7PryoLti2CwcWtKUnLMo1MwUTAdBgNVHQ4EFgQUBoR/OylYd0/3\n"
                                "byCWdTtmOF1/Mx0wHwYDVR0jBBgwFoAUBoR/OylYd0/3byCWdTtmOF1/Mx0wDwYD\n"
                                "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiB/B1z2P+tRWXkpML2B4NKe\n"
                                "orTyo6sUK3QzuoJr5F7a+AIhAJGD85UqGjP832yW2nGiBZXczdkKiP493TKVxsAs\n"
                                "1LvJ\n"
                                "-----END CERTIFICATE-----\n";

static void put(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", doctor_room, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void fill_room(void)
{
    doctor_room_make();
    put("ca.pem", authority);
    put("sticky.key", "0123456789abcdef0123456789abcdef\n");
    put("sorry.html", "<p>sorry</p>\n");
}

TestSuite(doctor_advice, .init = fill_room, .fini = doctor_room_remove);

/* ---- the smallest part of libconfig ---- */

/* Behind the text that begins with a quote. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        p += *p == '\\' && p[1];
    return *p ? p + 1 : p;
}

/* Behind the semicolon that ends the statement at `p`, or before what closes the group. */
static const char *statement_end(const char *p)
{
    int depth = 0;

    while (*p && depth >= 0) {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (*p == ';' && depth == 0)
            return p + 1;
        depth += (strchr("({[", *p) != NULL) - (strchr(")}]", *p) != NULL);
        p += depth >= 0;
    }
    return p;
}

/* The statement of `key` in the group whose statements begin at `p`; NULL: it has none. */
static const char *find_key(const char *p, const char *key, size_t n)
{
    while (*p && *p != '}' && *p != ')') {
        const char *before = p;

        p += strspn(p, " \n");
        if (strncmp(p, key, n) == 0 && p[n] == ' ')
            return p;
        p = statement_end(p);
        if (p == before)
            break;
    }
    return NULL;
}

/* Heap: `text` with [from, to) replaced. */
static char *replace(const char *text, const char *from, const char *to, const char *by)
{
    return xasprintf("%.*s%s%s", (int)(from - text), text, by, to);
}

/* ---- pasting ---- */

/* What stands inside of the brackets of `old`, but for the keys that `new` has. Heap. */
static char *rest_of(const char *old, const char *new)
{
    const char *open = strpbrk(old, "({"), *end = statement_end(old);
    char *inside = xstrndup(open + 1, (size_t)(end - open) - 3); /* "};" */

    for (const char *p = new; *p &&*p != '}';) {
        size_t n;
        const char *from;

        p += strspn(p, " ");
        n = strcspn(p, " ");
        from = find_key(inside, p, n);
        if (from) {
            char *less = replace(inside, from, statement_end(from), "");

            free(inside);
            inside = less;
        }
        p = statement_end(p);
        p += strspn(p, " ");
    }
    return inside;
}

/* `advice` with what "..." stands for. Heap. */
static char *expand(const char *advice, const char *old)
{
    const char *dots = strstr(advice, "...");
    char *rest, *whole;

    if (!dots)
        return xstrdup(advice);
    if (!old)
        return replace(advice, dots, dots + 3, "");
    rest = rest_of(old, dots[3] == ',' ? "" : dots + 3);
    whole = replace(advice, dots, dots + 3, rest);
    free(rest);
    return whole;
}

static char *paste(const char *text, const char *group, const char *advice)
{
    const char *old = find_key(group, advice, strcspn(advice, " "));
    const char *from = old ? old : group;
    char *whole = expand(advice, old);
    char *pasted = replace(text, from, old ? statement_end(old) : from, whole);

    free(whole);
    return pasted;
}

/* Where the statements begin of what the rule looks at. */
static const char *group_of(const char *text, const struct doctor_rule *table)
{
    if (table == doctor_listener_rules)
        return strstr(text, "name = \"edge\"");
    if (table == doctor_pool_rules || table == doctor_source_rules)
        return strstr(text, "name = \"app\"");
    return text;
}

/* Files are where a test may have some. Heap. */
static char *in_room(char *advice)
{
    static const char *const directories[] = {"/etc/evergate", "/var/lib/evergate",
                                              "/run/evergate"};

    for (size_t i = 0; i < 3; i++) {
        const char *at = strstr(advice, directories[i]);
        char *other = at ? replace(advice, at, at + strlen(directories[i]), doctor_room) : NULL;

        if (other) {
            free(advice);
            advice = other;
        }
    }
    return advice;
}

/* ---- what is advised ---- */

/* Its line is for another file than the configuration, or no line. */
static bool is_elsewhere(const char *rule)
{
    static const char *const rules[] = {"drain-long" /* the unit's */,
                                        "route-shadowed" /* a move */,
                                        "none-usable" /* of a backend */};

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(rules[i], rule) == 0)
            return true;
    return false;
}

static char *advice_for(const char *text, const struct doctor_facts *facts, const char *rule)
{
    char *advice = doctor_support_told(text, facts, rule, true);
    char *end = advice ? strstr(advice, "  ") : NULL;

    if (end)
        *end = '\0';
    return advice;
}

static void try_advice(const char *text, const struct doctor_facts *facts, const char *rule,
                       const struct doctor_rule *table)
{
    static const char prefix[] = "pool \"app\": ";
    char *found = advice_for(text, facts, rule), *advice, *pasted, *again;

    cr_assert_not_null(found, "%s is not found in:\n%s", rule, text);
    advice = in_room(found);
    bool of_pool = strncmp(advice, prefix, strlen(prefix)) == 0;
    const char *line = of_pool ? advice + strlen(prefix) : advice;
    const char *group = group_of(text, of_pool ? doctor_pool_rules : table);

    cr_assert(line[strlen(line) - 1] == ';', "%s: no line of a configuration: %s", rule, line);
    pasted = paste(text, group, line);
    again = advice_for(pasted, facts, rule); /* fails where the file is not valid */
    cr_expect_null(again, "%s is still found in:\n%s", rule, pasted);
    free(again);
    free(pasted);
    free(advice);
}

static const struct doctor_rule *table_of(const char *rule)
{
    static const struct doctor_rule *const tables[] = {
        doctor_file_rules,  doctor_confinement_rules, doctor_listener_rules, doctor_routes_rules,
        doctor_route_rules, doctor_pool_rules,        doctor_source_rules};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct doctor_rule *r = tables[i]; r->name; r++)
            if (strcmp(r->name, rule) == 0)
                return tables[i];
    cr_assert_fail("no rule %s", rule);
    return NULL;
}

Test(doctor_advice, a_line_that_is_advised_is_valid_where_it_is_pasted_and_ends_the_finding)
{
    unsigned tried = 0;

    for (const struct doctor_case *c = doctor_cases; c->rule; c++) {
        if (is_elsewhere(c->rule))
            continue;
        try_advice(c->with, NULL, c->rule, table_of(c->rule));
        tried++;
    }
    cr_expect_gt(tried, 50);
}

/* Those rules over the machine whose line is one of the configuration. */
Test(doctor_advice, so_is_a_line_that_the_machine_asks_for)
{
    static const struct {
        const char *rule, *text;
        const struct doctor_rule *table;
    } cases[] = {
        {"keepalive-large", POOL(TWO HEALTH "keepalive = { idle = 65535; timeout = \"9s\"; };"),
         doctor_pool_rules},
        {"connects-each-time", POOL(TWO HEALTH "keepalive = { idle = 0; };"), doctor_pool_rules},
        {"memory-large", POOL(TWO HEALTH "fallback = { stale = \"1m\"; cache = \"2g\"; };"),
         doctor_pool_rules},
        {"workers-many", TOP("workers = 9;"), doctor_file_rules},
        {"no-filters", TOP(""), doctor_file_rules},
    };
    struct doctor_facts facts = doctor_support_facts();

    facts.descriptors = 100000;
    facts.memory_bytes = INT64_C(3) << 30;
    facts.filters = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        try_advice(cases[i].text, &facts, cases[i].rule, cases[i].table);
}
