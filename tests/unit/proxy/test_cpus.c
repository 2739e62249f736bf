#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "proxy/cpus.h"
#include "proxy/server.h"

Test(cpus, a_quota_is_rounded_up)
{
    cr_assert_eq(cpus_of_quota(100000, 100000), 1);
    cr_assert_eq(cpus_of_quota(100001, 100000), 2);
    cr_assert_eq(cpus_of_quota(150000, 100000), 2);
    cr_assert_eq(cpus_of_quota(10000, 100000), 1);
    cr_assert_eq(cpus_of_quota(-1, 100000), 0, "no limit");
    cr_assert_eq(cpus_of_quota(100000, 0), 0, "no period");
}

Test(cpus, cpu_max_of_version_2)
{
    static const struct {
        const char *text;
        unsigned want;
    } cases[] = {
        {"max 100000\n", 0},   {"200000 100000\n", 2},
        {"50000 100000\n", 1}, {"", 0},
        {"200000", 0},         {"garbage 100000", 0},
        {"250000 100000", 3},  {"99999999999999999999999 100000", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(cpus_of_cpu_max(slice_str(cases[i].text)), cases[i].want, "%s", cases[i].text);
}

Test(cpus, our_group_is_found_by_controller)
{
    struct slice text = SLICE_LIT("12:memory:/m\n"
                                  "4:cpuset:/s\n"
                                  "3:cpu,cpuacct:/docker/abc\n"
                                  "1:name=systemd:/x:y\n"
                                  "0::/user.slice/a.scope\n");
    struct slice path;

    cr_assert(cpus_cgroup_path(text, "cpu", &path));
    cr_assert(slice_eq(path, SLICE_LIT("/docker/abc")));
    cr_assert(cpus_cgroup_path(text, "", &path));
    cr_assert(slice_eq(path, SLICE_LIT("/user.slice/a.scope")));
    cr_assert_not(cpus_cgroup_path(text, "pids", &path));
    cr_assert_not(cpus_cgroup_path(SLICE_LIT("1:name=systemd:/x\n"), "", &path));
    cr_assert_not(cpus_cgroup_path(SLICE_LIT(""), "cpu", &path));
}

static void write_file(const char *root, const char *path, const char *text)
{
    char *full = xasprintf("%s%s", root, path);
    FILE *file;

    for (char *p = full + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        cr_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
        *p = '/';
    }
    file = fopen(full, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    free(full);
}

static unsigned limit_in(const char *root)
{
    char *proc = xasprintf("%s/proc", root), *cgroup = xasprintf("%s/cgroup", root);
    struct cpus_sources sources = {proc, cgroup};
    unsigned limit = cpus_of_cgroups(&sources);

    free(proc);
    free(cgroup);
    return limit;
}

static char *new_root(char template[])
{
    cr_assert_not_null(mkdtemp(template));
    return template;
}

Test(cpus, the_tightest_group_above_us_counts)
{
    char template[] = "/tmp/evergate-cpus-XXXXXX", *root = new_root(template);

    write_file(root, "/proc", "0::/a/b/c\n");
    write_file(root, "/cgroup/a/b/c/cpu.max", "800000 100000\n");
    cr_assert_eq(limit_in(root), 8);
    write_file(root, "/cgroup/a/cpu.max", "300000 100000\n");
    cr_assert_eq(limit_in(root), 3);
    write_file(root, "/cgroup/cpu.max", "400000 100000\n");
    cr_assert_eq(limit_in(root), 3);
}

Test(cpus, in_a_container_the_mounted_root_is_ours)
{
    char template[] = "/tmp/evergate-cpus-XXXXXX", *root = new_root(template);

    write_file(root, "/proc", "0::/../../outside\n");
    write_file(root, "/cgroup/cpu.max", "150000 100000\n");
    cr_assert_eq(limit_in(root), 2);
}

Test(cpus, version_1_counts_too)
{
    char template[] = "/tmp/evergate-cpus-XXXXXX", *root = new_root(template);

    write_file(root, "/proc", "3:cpu,cpuacct:/docker/abc\n");
    write_file(root, "/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    write_file(root, "/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(limit_in(root), 0);
    write_file(root, "/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    write_file(root, "/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(limit_in(root), 3);
}

Test(cpus, no_files_are_no_limit_and_there_is_always_one_processor)
{
    cr_assert_eq(limit_in("/nonexistent"), 0);
    cr_assert_geq(server_usable_cpus(), 1u);
}
