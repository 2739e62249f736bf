#include <criterion/criterion.h>

#include <stdlib.h>

#include "cli/plan_text.h"

static void prints(const char *answer, bool planned, bool colours, const char *want)
{
    json_t *value = json_loads(answer, 0, NULL);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    cr_assert_not_null(value);
    plan_print(value, planned ? NULL : "Reloaded", out, colours);
    fclose(out);
    cr_assert_str_eq(text, want);
    free(text);
    json_decref(value);
}

static const char changes[] =
    "{\"generation\":6,\"closing\":12,\"draining\":1,\"plan\":{\"changes\":["
    "{\"change\":\"removed\",\"of\":\"listener\",\"pool\":\"\",\"name\":\"old\",\"detail\":\"\"},"
    "{\"change\":\"changed\",\"of\":\"pool\",\"pool\":\"\",\"name\":\"api\","
    "\"detail\":\"retry: attempts 2 -> 3\"},"
    "{\"change\":\"added\",\"of\":\"endpoint\",\"pool\":\"api\",\"name\":\"c\","
    "\"detail\":\"10.0.0.3:80\",\"replaces\":false},"
    "{\"change\":\"changed\",\"of\":\"process\",\"name\":\"workers\",\"detail\":\"2 -> 4\","
    "\"needs_upgrade\":true}],"
    "\"kept\":{\"listeners\":1,\"routes\":2,\"pools\":0,\"endpoints\":4},"
    "\"risk\":\"high\",\"risk_why\":\"listener \\\"old\\\" goes\"}}";

#define CONSEQUENCES                                                                               \
    "\nkept     1 listener, 2 routes, 0 pools, 4 endpoints\n"                                      \
    "closing  12 connections of clients, on listeners that go\n"                                   \
    "draining 1 request in flight to endpoints that go; they are finished\n"

Test(plan_text, a_plan_is_a_diff_with_its_consequences)
{
    prints(changes, true, false,
           "A reload would change generation 6 in 4 places:\n\n"
           "- listener old\n"
           "~ pool     api      retry: attempts 2 -> 3\n"
           "+ endpoint api/c    10.0.0.3:80\n"
           "~ process  workers  2 -> 4 (takes effect when the process is replaced)\n" CONSEQUENCES
           "risk     high: listener \"old\" goes\n");
}

Test(plan_text, a_reload_tells_what_it_did_in_colour_where_that_is_wanted)
{
    prints(changes, false, true,
           "Reloaded: generation 6 is served by every worker.\n\n"
           "\x1b[31m- listener old\x1b[0m\n"
           "\x1b[33m~ pool     api    \x1b[0m  retry: attempts 2 -> 3\n"
           "\x1b[32m+ endpoint api/c  \x1b[0m  10.0.0.3:80\n"
           "\x1b[33m~ process  workers\x1b[0m  2 -> 4 (takes effect when the process is "
           "replaced)\n" CONSEQUENCES "risk     \x1b[31mhigh\x1b[0m: listener \"old\" goes\n");
}

Test(plan_text, nothing_to_do_is_said_so)
{
    prints("{\"generation\":3,\"plan\":{\"changes\":[],\"kept\":{\"listeners\":1},"
           "\"risk\":\"none\",\"risk_why\":\"\"}}",
           true, false,
           "Nothing would change: generation 3 serves what the file says.\n\n"
           "kept     1 listener, 0 routes, 0 pools, 0 endpoints\n"
           "risk     none\n");
}

Test(plan_text, what_is_missing_is_blank_and_what_steers_a_terminal_is_not_printed)
{
    prints("{\"plan\":{\"changes\":[{\"change\":\"moved\",\"name\":\"x\\u001b[2J\"}]}}", true,
           false,
           "A reload would change generation 0 in 1 place:\n\n"
           "?          x?[2J\n\n"
           "kept     0 listeners, 0 routes, 0 pools, 0 endpoints\n"
           "risk     -\n");
}
