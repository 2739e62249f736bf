/* The keys that `run` reads before the rest, and their place among the rest. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "support.h"

/* EG_OK and what config_load_confinement reads of a file with that text. */
static int load_keys(struct config **ret_config, const char *text)
{
    char path[] = "/tmp/evergate-unit-XXXXXX";
    int fd = mkstemp(path), rc;

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rc = config_load_confinement(ret_config, path);
    unlink(path);
    return rc;
}

Test(confinement, a_filter_is_the_default_and_nothing_else)
{
    struct config *config = support_load(LISTENER POOL);

    cr_expect_str_eq(config->confinement.user, "");
    cr_expect_str_eq(config->confinement.group, "");
    cr_expect_str_eq(config->confinement.chroot, "");
    cr_expect(config->confinement.sandbox);
    cr_expect_not(config->confinement.core_dumps);
    config_unref(&config);
}

Test(confinement, its_keys_are_read_without_the_rest_which_may_name_files_that_are_not_there)
{
    struct config *config = NULL;

    setenv("UNIT_USER", "proxy", 1);
    cr_assert_eq(load_keys(&config, "user = \"${UNIT_USER}\"; chroot = \"/srv\"; sandbox = false;\n"
                                    "unknown = 5; admin = { token_file = \"/no/such/file\"; };\n"),
                 EG_OK);
    cr_expect_str_eq(config->confinement.user, "proxy");
    cr_expect_str_eq(config->confinement.group, "");
    cr_expect_str_eq(config->confinement.chroot, "/srv");
    cr_expect_not(config->confinement.sandbox);
    config_unref(&config);
    cr_assert_eq(load_keys(&config, "sandbox = \"${UNIT_SANDBOX:-false}\";"), EG_OK);
    cr_expect_not(config->confinement.sandbox);
    config_unref(&config);
}

Test(confinement, what_is_wrong_with_them_is_left_to_the_whole_reading)
{
    static const char *const texts[] = {
        "user = 5;",
        "group = \"g\";",
        "chroot = \"here\";",
        "sandbox = \"yes\";",
        "user = \"${UNIT_UNSET}\";",
        "user = \"a\"; user = \"b\";",
        "listeners = (",
    };
    struct config *config = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_eq(load_keys(&config, texts[i]), EG_E_INTERNAL, "%s", texts[i]);
    cr_expect_eq(config_load_confinement(&config, "/no/such/file"), EG_E_INTERNAL);
    cr_expect_null(config);
}

Test(confinement, mistakes_are_told_with_the_others)
{
    static const struct support_mistake mistakes[] = {
        {LISTENER POOL "group = \"g\";\n", 3, "of use with user only; write user = "},
        {LISTENER POOL "chroot = \"here\";\n", 3, "must begin with a slash"},
    };

    SUPPORT_CHECK_ALL(mistakes);
}

Test(confinement, a_running_process_stays_what_it_is)
{
    struct config *from = support_load(LISTENER POOL);
    struct config *to = support_load(LISTENER POOL "user = \"a\"; sandbox = false;\n");
    struct config_plan *plan = config_plan_new(from, to);
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++)
        count += plan->changes[i].needs_upgrade;
    cr_expect_eq(plan->count, 2);
    cr_expect_eq(count, 2);
    config_plan_free(plan);
    config_unref(&from);
    config_unref(&to);
}
