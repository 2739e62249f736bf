/* The doctor's rules over who evergate will be and what they may do, with facts and files of the
 * test's own. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor_support.h"

enum { NOBODY = 65534, STRANGER = 54321 };

static void expect_told(const char *text, const struct doctor_facts *facts, const char *rule,
                        const char *expected)
{
    char *what = doctor_support_told(text, facts, rule, false);

    if (expected)
        cr_expect(what && strcmp(what, expected) == 0, "%s: \"%s\", not \"%s\"", rule,
                  what ? what : "", expected);
    else
        cr_expect_null(what, "%s: \"%s\"", rule, what);
    free(what);
}

/* ---- who ---- */

Test(doctor_confinement, root_is_asked_to_become_somebody_else)
{
    static const char stays[] = "evergate stays root when root starts it: there is no other user";
    struct doctor_facts facts = doctor_support_facts();

    expect_told(TOP(""), &facts, "root-without-user", NULL);
    facts.root = true;
    expect_told(TOP(""), &facts, "root-without-user", stays);
    expect_told(TOP("user = \"root\";"), &facts, "root-without-user", stays);
    facts.user.uid = NOBODY;
    expect_told(TOP("user = \"nobody\";"), &facts, "root-without-user", NULL);
}

Test(doctor_confinement, a_kernel_without_filters_is_no_place_for_a_sandbox)
{
    struct doctor_facts facts = doctor_support_facts();

    expect_told(TOP(""), &facts, "no-filters", NULL);
    expect_told(TOP("sandbox = false;"), &facts, "sandbox-off", "sandbox = false");
    facts.filters = 0;
    expect_told(TOP(""), &facts, "no-filters",
                "sandbox = true, but this kernel has no filters of system calls (seccomp)");
    expect_told(TOP("sandbox = false;"), &facts, "no-filters", NULL);
    expect_told(TOP("sandbox = false;"), &facts, "sandbox-off", NULL);
    facts.filters = DOCTOR_UNKNOWN;
    expect_told(TOP(""), &facts, "no-filters", "filters of system calls: not checked");
}

Test(doctor_confinement, low_ports_need_the_right_to_bind_them)
{
    static const char listener[] = LISTENER("bind = \":443\";");
    static const char admin[] = TOP("admin = { bind = \"127.0.0.1:99\"; };");
    struct doctor_facts facts = doctor_support_facts();

    expect_told(listener, &facts, "port-privileged",
                "listener \"edge\": port 443 is below 1024, and who asks has not the right to bind "
                "it");
    expect_told(admin, &facts, "port-privileged",
                "admin: port 99 is below 1024, and who asks has not the right to bind it");
    expect_told(LISTENER("bind = \":1024\";"), &facts, "port-privileged", NULL);
    expect_told(LISTENER("bind = \":0\";"), &facts, "port-privileged", NULL);
    expect_told(LISTENER("bind = \"unix:/run/e.sock\";"), &facts, "port-privileged", NULL);
    facts.low_ports = 80; /* as in containers */
    expect_told(listener, &facts, "port-privileged", NULL);
    facts.low_ports = 1024;
    facts.binds_low = true;
    expect_told(listener, &facts, "port-privileged", NULL);
}

/* ---- what they may ---- */

TestSuite(doctor_access, .init = doctor_room_make, .fini = doctor_room_remove);

/* Heap. */
static char *in_room(const char *name)
{
    return xasprintf("%s/%s", doctor_room, name);
}

static void put_secret(mode_t mode)
{
    char *path = in_room("secret");
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs("0123456789abcdef0123456789abcdef\n", file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
    free(path);
}

static struct doctor_facts facts_of(uid_t uid, gid_t gid, const char *name)
{
    struct doctor_facts facts = doctor_support_facts();

    facts.user = (struct doctor_user){.name = name, .uid = uid, .gid = gid, .group = "eg"};
    return facts;
}

Test(doctor_access, what_the_user_may_not_read_is_told_by_owner_group_and_mode)
{
    char *text = xasprintf(TOP("admin = { token_file = \"%s/secret\"; };"), doctor_room);
    char *expected = xasprintf("user \"eg\" cannot read %s/secret", doctor_room);
    const gid_t more[] = {1, getgid()};
    struct {
        struct doctor_facts facts;
        mode_t mode;
        bool may;
    } tries[] = {
        {facts_of(STRANGER, STRANGER, "eg"), 0600, false},
        {facts_of(STRANGER, STRANGER, "eg"), 0640, false},
        {facts_of(STRANGER, STRANGER, "eg"), 0604, true},
        {facts_of(STRANGER, getgid(), "eg"), 0640, true},
        {facts_of(STRANGER, STRANGER, "eg"), 0640, true}, /* by a supplementary group */
        {facts_of(STRANGER, getgid(), "eg"), 0604, false},
        {facts_of(0, 0, "eg"), 0600, true},
    };

    tries[4].facts.user.groups = more;
    tries[4].facts.user.group_count = 2;
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        put_secret(tries[i].mode);
        expect_told(text, &tries[i].facts, "user-cannot-read", tries[i].may ? NULL : expected);
    }
    free(expected);
    free(text);
}

Test(doctor_access, the_owners_own_bits_count_for_the_owner)
{
    char *text = xasprintf(TOP("admin = { token_file = \"%s/secret\"; };"), doctor_room);
    struct doctor_facts facts = facts_of(NOBODY, STRANGER, "eg");
    char *path = in_room("secret"), *what;

    put_secret(0606);
    if (chown(path, NOBODY, STRANGER) == 0) { /* as root */
        expect_told(text, &facts, "user-cannot-read", NULL);
        cr_assert_eq(chmod(path, 0066), 0);
        what = doctor_support_told(text, &facts, "user-cannot-read", false);
        cr_expect_not_null(what);
        free(what);
    }
    free(path);
    free(text);
}

Test(doctor_access, a_directory_on_the_way_is_named)
{
    char *text = xasprintf(TOP("admin = { token_file = \"%s/secret\"; };"), doctor_room);
    struct doctor_facts facts = facts_of(STRANGER, STRANGER, "eg");
    char *expected =
        xasprintf("user \"eg\" cannot read %s/secret: no way through %s", doctor_room, doctor_room);
    char *advice = xasprintf("chgrp eg %s && chmod g+x %s", doctor_room, doctor_room), *written;

    put_secret(0644);
    cr_assert_eq(chmod(doctor_room, 0750), 0);
    expect_told(text, &facts, "user-cannot-read", expected);
    written = doctor_support_told(text, &facts, "user-cannot-read", true);
    cr_expect_str_eq(written, advice);
    free(written);
    free(advice);
    free(expected);
    free(text);
}

Test(doctor_access, what_the_user_may_not_write_is_told_with_a_directory_to_make)
{
    char *const texts[] = {
        xasprintf(TOP("state_file = \"%s/state.json\";"), doctor_room),
        xasprintf(TOP("log = { access = \"%s/access.log\"; };"), doctor_room),
        xasprintf(TOP("admin = { socket = \"%s/admin.sock\"; };"), doctor_room),
        xasprintf(LISTENER("bind = \"unix:%s/in.sock\";"), doctor_room),
        xasprintf(POOL("discovery = { type = \"dns\"; name = \"app:80\"; cache = "
                       "\"%s/cache.json\"; };"),
                  doctor_room),
    };
    struct doctor_facts stranger = facts_of(STRANGER, STRANGER, "eg");
    struct doctor_facts group = facts_of(STRANGER, getgid(), "eg");
    char *expected = xasprintf("user \"eg\" cannot write to %s", doctor_room);
    char *advice = xasprintf("install -d -o eg -m 0750 %s/evergate  and a path in it; or, if it is "
                             "evergate's alone: chown eg %s",
                             doctor_room, doctor_room);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *what, *written;

        cr_assert_eq(chmod(doctor_room, 0775), 0);
        expect_told(texts[i], &group, "user-cannot-write", NULL);
        what = doctor_support_told(texts[i], &stranger, "user-cannot-write", false);
        cr_expect(what && strstr(what, expected), "%zu: %s", i, what ? what : "");
        written = doctor_support_told(texts[i], &stranger, "user-cannot-write", true);
        cr_expect(written && strcmp(written, advice) == 0, "%zu: %s", i, written ? written : "");
        free(written);
        free(what);
        free(texts[i]);
    }
    free(advice);
    free(expected);
}

Test(doctor_access, a_log_that_is_there_must_be_writable_itself)
{
    char *text = xasprintf(TOP("log = { access = \"%s/secret\"; };"), doctor_room);
    struct doctor_facts facts = facts_of(STRANGER, STRANGER, "eg");
    char *expected = xasprintf("user \"eg\" cannot write to %s/secret", doctor_room);

    put_secret(0644);
    expect_told(text, &facts, "user-cannot-write", expected);
    put_secret(0646);
    expect_told(text, &facts, "user-cannot-write", NULL);
    free(expected);
    free(text);
}

Test(doctor_confinement, every_rule_has_a_case)
{
    static const char *const names[] = {"no-filters", "user-cannot-read", "user-cannot-write",
                                        "port-privileged", "root-without-user"};

    for (const struct doctor_rule *rule = doctor_identity_rules; rule->name; rule++) {
        bool found = false;

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++)
            found = strcmp(names[i], rule->name) == 0;
        cr_expect(found, "%s has no case", rule->name);
    }
}
