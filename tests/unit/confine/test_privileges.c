/* Becoming somebody else needs root, and happens in a child: it cannot be undone. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "confine/confine.h"
#include "confine/privileges.h"

static void expect_no_one(const char *user, const char *group, const char *says)
{
    struct privileges p;
    char *why = NULL;

    cr_assert_eq(privileges_find(&p, user, group, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, says), "%s", why);
    free(why);
}

Test(privileges, who_is_not_there_is_said_so)
{
    expect_no_one("no-such-user", "", "there is no user \"no-such-user\"");
    expect_no_one("nobody", "no-such-group", "there is no group \"no-such-group\"");
    expect_no_one("12345678", "", "write group = ");
    expect_no_one("4294967295", "0", "there is no user");
}

Test(privileges, names_and_numbers_are_found)
{
    struct privileges p;
    char *why = NULL;

    cr_assert_eq(privileges_find(&p, "", "", &why), EG_OK);
    cr_expect_not(p.other_user);
    privileges_fini(&p);
    cr_assert_eq(privileges_find(&p, "nobody", "", &why), EG_OK);
    cr_expect(p.other_user && p.uid == 65534 && p.gid == 65534);
    privileges_fini(&p);
    cr_assert_eq(privileges_find(&p, "12345678", "4321", &why), EG_OK);
    cr_expect(p.uid == 12345678 && p.gid == 4321 && p.group_count == 0);
    privileges_fini(&p);
}

static bool status_says(const char *line)
{
    char text[4096] = "";
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    if (n > 0 && strstr(text, line))
        return true;
    fprintf(stderr, "expected %s in\n%s", line, text);
    return false;
}

/* Any that is free: 0 when one could be bound. */
static bool binds_a_low_port(void)
{
    for (unsigned port = 1023; port > 700; port--) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
        int error = errno;

        close(fd);
        if (rc == 0 || error != EADDRINUSE)
            return rc == 0;
    }
    return false;
}

static bool take(const char *user, const char *group, const char *root,
                 enum privileges_holder holder)
{
    struct privileges p;
    char *why = NULL;
    int rc = privileges_find(&p, user, group, &why);

    if (rc == EG_OK) {
        p.chroot = root;
        rc = privileges_take(&p, holder, &why);
        privileges_fini(&p);
    }
    if (why)
        fprintf(stderr, "%s\n", why);
    free(why);
    return rc == EG_OK;
}

static void expect_in_child(bool (*holds)(void))
{
    int status = -1;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("only root can become somebody else");
    pid = fork();
    if (pid == 0)
        _exit(holds() ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
}

static bool proxy_keeps_one_right(void)
{
    return take("nobody", "", "", PRIVILEGES_OF_PROXY) &&
           status_says("\nUid:\t65534\t65534\t65534\t65534\n") &&
           status_says("\nGid:\t65534\t65534\t65534\t65534\n") &&
           status_says("\nGroups:\t65534 \n") && status_says("\nCapPrm:\t0000000000000400\n") &&
           status_says("\nCapEff:\t0000000000000400\n") &&
           status_says("\nCapInh:\t0000000000000000\n") &&
           status_says("\nCapAmb:\t0000000000000000\n") &&
           status_says("\nCapBnd:\t0000000000000000\n") && binds_a_low_port() && setuid(0) < 0;
}

Test(privileges, of_root_s_rights_the_proxy_keeps_the_one_for_low_ports)
{
    expect_in_child(proxy_keeps_one_right);
}

static bool spawner_only_lends(void)
{
    if (!take("nobody", "", "", PRIVILEGES_OF_SPAWNER) || binds_a_low_port() ||
        !status_says("\nCapEff:\t0000000000000000\n"))
        return false;
    privileges_lend(true);
    if (!status_says("\nCapAmb:\t0000000000000400\n"))
        return false;
    privileges_lend(false);
    return status_says("\nCapAmb:\t0000000000000000\n") &&
           status_says("\nCapInh:\t0000000000000000\n");
}

Test(privileges, the_spawner_cannot_use_it_but_lend_it)
{
    expect_in_child(spawner_only_lends);
}

static char bounding_before[64];

static bool read_bounding_set(void)
{
    char text[4096] = "";
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    const char *line = strstr(text, "\nCapBnd:");

    close(fd);
    if (n <= 0 || line == NULL)
        return false;
    snprintf(bounding_before, sizeof(bounding_before), "%.*s", 26, line);
    return true;
}

static bool commands_keep_theirs(void)
{
    return read_bounding_set() && take("nobody", "", "", PRIVILEGES_OF_SPAWNER) &&
           status_says(bounding_before);
}

Test(privileges, what_sudo_in_a_command_may_gain_is_not_taken_from_it)
{
    expect_in_child(commands_keep_theirs);
}

/* As a service manager that grants the right for low ports, and more. */
static bool what_was_granted_is_reduced(void)
{
    return take("nobody", "", "", PRIVILEGES_OF_SPAWNER) && (privileges_lend(true), true) &&
           status_says("\nCapAmb:\t0000000000000400\n") && take("", "", "", PRIVILEGES_OF_PROXY) &&
           status_says("\nCapAmb:\t0000000000000000\n") &&
           status_says("\nCapInh:\t0000000000000000\n") &&
           status_says("\nCapEff:\t0000000000000400\n") && binds_a_low_port();
}

Test(privileges, who_stays_who_it_is_keeps_no_more_than_low_ports_either)
{
    expect_in_child(what_was_granted_is_reduced);
}

static bool root_stays_root(void)
{
    return read_bounding_set() && take("", "", "", PRIVILEGES_OF_PROXY) && geteuid() == 0 &&
           status_says(bounding_before) && setgroups(0, NULL) == 0;
}

Test(privileges, root_that_is_to_become_nobody_keeps_what_it_has)
{
    expect_in_child(root_stays_root);
}

static bool again_is_fine(void)
{
    for (int i = 0; i < 2; i++)
        if (!take("nobody", "", "", PRIVILEGES_OF_PROXY))
            return false;
    return status_says("\nCapEff:\t0000000000000400\n") &&
           !take("daemon", "", "", PRIVILEGES_OF_PROXY) &&
           !take("nobody", "daemon", "", PRIVILEGES_OF_PROXY);
}

Test(privileges, who_is_that_user_already_stays_and_cannot_become_another)
{
    expect_in_child(again_is_fine);
}

static bool supplementary_groups_are_the_user_s(void)
{
    const gid_t ours[] = {0, 4, 42};

    return setgroups(3, ours) == 0 && take("12345678", "4321", "", PRIVILEGES_OF_PROXY) &&
           status_says("\nGroups:\t \n") && getegid() == 4321;
}

Test(privileges, no_group_of_root_s_is_kept)
{
    expect_in_child(supplementary_groups_are_the_user_s);
}

static bool sees_only_the_directory(void)
{
    return take("nobody", "", "/usr", PRIVILEGES_OF_PROXY) && access("/bin", F_OK) == 0 &&
           access("/usr", F_OK) < 0 && access("/../proc", F_OK) < 0;
}

Test(privileges, a_chroot_is_the_only_directory_there_is)
{
    expect_in_child(sees_only_the_directory);
}

static bool core_dumps_are_off(void)
{
    struct rlimit limit;
    char *why = NULL;

    return privileges_set_core_dumps(false, &why) == EG_OK && getrlimit(RLIMIT_CORE, &limit) == 0 &&
           limit.rlim_cur == 0 && privileges_set_core_dumps(true, &why) == EG_OK &&
           getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == limit.rlim_max;
}

Test(privileges, core_dumps_are_off_or_as_large_as_may_be)
{
    expect_in_child(core_dumps_are_off);
}

/* ---- Paths in a chroot ---- */

static void expect_inside(const char *root, const char *path, const char *inside)
{
    char *why = NULL, *found = confine_path_inside(root, path, &why);

    if (inside)
        cr_expect(found && strcmp(found, inside) == 0, "%s", found ? found : why);
    else
        cr_expect(!found && why, "%s", found);
    free(found);
    free(why);
}

Test(confine, the_file_s_path_in_a_chroot_is_what_is_left_of_it)
{
    expect_inside("/usr", "/usr/bin", "/bin");
    expect_inside("/usr/", "/usr/../usr/bin", "/bin");
    expect_inside("/", "/usr/bin", "/usr/bin");
    expect_inside("/usr/bin", "/usr", NULL);
    expect_inside("/usr/b", "/usr/bin", NULL);
    expect_inside("/nonexistent", "/usr", NULL);
    expect_inside("/usr", "/usr/nonexistent", NULL);
}

static void make_link(const char *directory, const char *name, const char *target)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cr_assert_eq(symlink(target, path), 0);
}

static void expect_link(const char *root, const char *name, const char *inside)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    expect_inside(root, path, inside);
}

/* So that a reload follows them anew. */
Test(confine, links_on_the_way_are_kept_where_they_lead_to_the_same_file_inside)
{
    char root[] = "/tmp/evergate-inside-XXXXXX", path[PATH_MAX];

    cr_assert_not_null(mkdtemp(root));
    snprintf(path, sizeof(path), "%s/v7", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    make_link(root, "v7/file", "."); /* anything that is there */
    make_link(root, "relative", "v7");
    make_link(root, "outer", path);
    make_link(root, "inner", "/v7");
    make_link(root, "out", "/usr");
    expect_link(root, "v7", "/v7");
    expect_link(root, "relative", "/relative");
    expect_link(root, "relative/file", "/relative/file");
    expect_link(root, "outer", "/v7");
    expect_link(root, "inner", NULL); /* from here there is no such file */
    expect_link(root, "out", NULL);
    for (const char *const *name =
             (const char *const[]){"v7/file", "relative", "outer", "inner", "out", NULL};
         *name; name++) {
        snprintf(path, sizeof(path), "%s/%s", root, *name);
        cr_expect_eq(unlink(path), 0);
    }
    snprintf(path, sizeof(path), "%s/v7", root);
    cr_expect_eq(rmdir(path), 0);
    cr_expect_eq(rmdir(root), 0);
}
