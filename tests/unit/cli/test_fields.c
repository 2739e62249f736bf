#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cli/fields.h"

static const struct cli_option *option(const char *name)
{
    for (const struct cli_option *o = cli_option_table; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static void give(struct cli_options *options, const char *name, const char *text)
{
    options->given[options->given_count++] = (struct cli_given){option(name), text};
}

static void is(json_t *value, const char *want)
{
    char *text = json_dumps(value, JSON_COMPACT);

    cr_assert_str_eq(text, want);
    free(text);
    json_decref(value);
}

Test(fields, an_endpoints_settings_become_its_object)
{
    struct cli_options options = {0};

    give(&options, "weight", "3");
    give(&options, "zone", "us-east-1a");
    give(&options, "tag", "blue");
    give(&options, "tag", "new");
    give(&options, "metadata", "version=1.4=2");
    give(&options, "metadata", "team=");
    give(&options, "max-connections", "7");
    give(&options, "backup", NULL);
    give(&options, "unset", "priority");
    is(fields_object(&options),
       "{\"weight\":3,\"zone\":\"us-east-1a\",\"tags\":[\"blue\",\"new\"],"
       "\"metadata\":{\"version\":\"1.4=2\",\"team\":\"\"},\"max_connections\":7,"
       "\"backup\":true,\"priority\":null}");
}

Test(fields, what_is_not_utf_8_still_makes_an_object)
{
    struct cli_options options = {0};

    give(&options, "tag", "\xff");
    give(&options, "zone", "\xff");
    is(fields_object(&options), "{\"tags\":[\"\xef\xbf\xbd\"],\"zone\":\"\xef\xbf\xbd\"}");
}

Test(fields, a_repeated_header_becomes_a_list)
{
    struct cli_options options = {0};

    give(&options, "header", "Accept: text/html");
    give(&options, "header", "Accept:application/json");
    give(&options, "header", "Accept: \xff");
    give(&options, "header", "X-Empty:");
    is(fields_headers(&options),
       "{\"Accept\":[\"text/html\",\"application/json\",\"\xef\xbf\xbd\"],"
       "\"X-Empty\":\"\"}");
}

static const char policy_text[] =
    "{\"algorithm\":\"round_robin\",\"retry\":{\"attempts\":2,\"backoff\":\"25ms\","
    "\"on\":[\"connect\"],\"non_idempotent\":false},\"weights\":{\"127.0.0.1:80\":1},"
    "\"slow_start\":null}";

Test(fields, a_change_takes_the_kind_of_what_is_there)
{
    static const struct {
        const char *assignment, *want;
    } cases[] = {
        {"algorithm=weighted", "{\"algorithm\":\"weighted\"}"},
        {"retry.attempts=3", "{\"retry\":{\"attempts\":3}}"},
        {"retry.backoff=30", "{\"retry\":{\"backoff\":\"30\"}}"},
        {"retry.on=connect,502", "{\"retry\":{\"on\":[\"connect\",\"502\"]}}"},
        {"retry.on=", "{\"retry\":{\"on\":null}}"},
        {"retry.non_idempotent=true", "{\"retry\":{\"non_idempotent\":true}}"},
        {"weights.127.0.0.1:80=5", "{\"weights\":{\"127.0.0.1:80\":5}}"},
        {"slow_start=10s", "{\"slow_start\":\"10s\"}"},
        {"new.key=1.5", "{\"new\":{\"key\":1.5}}"},
        {"retry.attempts=many", "{\"retry\":{\"attempts\":\"many\"}}"},
        {"algorithm=a=b", "{\"algorithm\":\"a=b\"}"},
    };
    json_t *policy = json_loads(policy_text, 0, NULL);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *patch = json_object();

        cr_assert(fields_merge(patch, policy, cases[i].assignment), "%s", cases[i].assignment);
        is(patch, cases[i].want);
    }
    json_decref(policy);
}

Test(fields, what_is_no_assignment_is_refused)
{
    json_t *patch = json_object();

    cr_assert_not(fields_merge(patch, NULL, "retry.attempts"));
    cr_assert_not(fields_merge(patch, NULL, "=3"));
    cr_assert_not(fields_merge(patch, NULL, ""));
    is(patch, "{}");
}

Test(fields, several_changes_are_one_patch)
{
    json_t *policy = json_loads(policy_text, 0, NULL), *patch = json_object();

    cr_assert(fields_merge(patch, policy, "retry.attempts=3"));
    cr_assert(fields_merge(patch, policy, "retry.backoff=1s"));
    is(patch, "{\"retry\":{\"attempts\":3,\"backoff\":\"1s\"}}");
    json_decref(policy);
}

static void append(void *arg, const char *key, const json_t *value)
{
    FILE *out = arg;
    char *text = fields_value_text(value);

    fprintf(out, "%s=%s ", key, text);
    free(text);
}

Test(fields, a_policy_is_flattened_for_reading)
{
    json_t *policy = json_loads(policy_text, 0, NULL);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fields_each(policy, append, out);
    fclose(out);
    cr_assert_str_eq(text, "algorithm=round_robin retry.attempts=2 retry.backoff=25ms "
                           "retry.on=connect retry.non_idempotent=false weights.127.0.0.1:80=1 "
                           "slow_start=- ");
    free(text);
    json_decref(policy);
}
