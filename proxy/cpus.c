/* Processors this process may use: see cpus.h. */
#include "proxy/cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "proxy/server.h"

enum { CPUS_FILE_BYTES = 4096, CPUS_PATH_BYTES = 4096 };

unsigned cpus_of_quota(long long quota_us, long long period_us)
{
    long long cpus;

    if (quota_us <= 0 || period_us <= 0)
        return 0;
    cpus = (quota_us - 1) / period_us + 1;
    return cpus > INT_MAX ? 0 : (unsigned)cpus;
}

/* The next word of *text, which is cut off from it. */
static struct slice next_word(struct slice *text)
{
    struct slice word;
    size_t i = 0;

    while (text->n > 0 && strchr(" \t\n", text->p[0]))
        *text = slice_from(text->p + 1, text->n - 1);
    while (i < text->n && !strchr(" \t\n", text->p[i]))
        i++;
    word = slice_from(text->p, i);
    *text = slice_from(text->p + i, text->n - i);
    return word;
}

/* -1 (version 1 writes it for "no limit") and everything unreadable read as 0. */
static long long number_of(struct slice word)
{
    unsigned long long value;

    return slice_to_u64(word, &value) && value <= LLONG_MAX ? (long long)value : 0;
}

unsigned cpus_of_cpu_max(struct slice text)
{
    struct slice quota = next_word(&text);
    struct slice period = next_word(&text);

    return cpus_of_quota(number_of(quota), number_of(period));
}

/* Cuts "text" up to `c` off *s; all of it when there is no `c`. */
static struct slice cut(struct slice *s, char c)
{
    const char *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;
    struct slice before;

    if (!at) {
        before = *s;
        *s = slice_from(s->p + s->n, 0);
        return before;
    }
    before = slice_from(s->p, (size_t)(at - s->p));
    *s = slice_from(at + 1, s->n - before.n - 1);
    return before;
}

static bool list_names(struct slice controllers, const char *controller)
{
    while (controllers.n > 0)
        if (slice_eq(cut(&controllers, ','), slice_str(controller)))
            return true;
    return false;
}

bool cpus_cgroup_path(struct slice text, const char *controller, struct slice *ret_path)
{
    /* Each line: hierarchy-id ":" controllers ":" path (cgroups(7)); version 2 has id 0 and an
     * empty list of controllers. */
    while (text.n > 0) {
        struct slice line = cut(&text, '\n');
        struct slice id = cut(&line, ':');
        struct slice controllers = cut(&line, ':');
        bool v2 = slice_eq(id, SLICE_LIT("0")) && controllers.n == 0;

        if (controller[0] == '\0' ? v2 : list_names(controllers, controller)) {
            *ret_path = line;
            return true;
        }
    }
    return false;
}

static struct slice read_file(const char *path, char buffer[CPUS_FILE_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return slice_from(buffer, 0);
    n = read(fd, buffer, CPUS_FILE_BYTES);
    close(fd);
    return slice_from(buffer, n > 0 ? (size_t)n : 0);
}

static struct slice read_in(const char *directory, struct slice group, const char *file,
                            char buffer[CPUS_FILE_BYTES])
{
    char path[CPUS_PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s%.*s/%s", directory, SLICE_FMT(group), file);

    if (n < 0 || (size_t)n >= sizeof(path))
        return slice_from(buffer, 0);
    return read_file(path, buffer);
}

static unsigned limit_v2(const char *directory, struct slice group)
{
    char buffer[CPUS_FILE_BYTES];

    return cpus_of_cpu_max(read_in(directory, group, "cpu.max", buffer));
}

static unsigned limit_v1(const char *directory, struct slice group)
{
    char buffer[CPUS_FILE_BYTES];
    struct slice text = read_in(directory, group, "cpu.cfs_quota_us", buffer);
    long long quota = number_of(next_word(&text));

    text = read_in(directory, group, "cpu.cfs_period_us", buffer);
    return cpus_of_quota(quota, number_of(next_word(&text)));
}

static unsigned tighter(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* From our group up to the hierarchy's root. In a container the path may name groups outside of
 * what is mounted: those files are not there, and the mounted root is ours. */
static unsigned tightest(const char *directory, struct slice group,
                         unsigned (*limit)(const char *directory, struct slice group))
{
    unsigned found = 0;

    while (group.n > 0 && group.p[group.n - 1] == '/')
        group.n--;
    for (;;) {
        found = tighter(found, limit(directory, group));
        if (group.n == 0)
            return found;
        while (group.n > 0 && group.p[group.n - 1] != '/')
            group.n--;
        if (group.n > 0)
            group.n--;
    }
}

unsigned cpus_of_cgroups(const struct cpus_sources *sources)
{
    /* Version 2 alone, and beside version 1 ("hybrid"); then the usual mounts of version 1. */
    static const char *const mounts_v2[] = {"", "/unified"};
    static const char *const mounts_v1[] = {"/cpu", "/cpu,cpuacct"};
    char buffer[CPUS_FILE_BYTES], directory[CPUS_PATH_BYTES];
    struct slice text = read_file(sources->proc_cgroup, buffer), group;
    unsigned found = 0;

    for (size_t i = 0; cpus_cgroup_path(text, "", &group) && i < 2; i++) {
        snprintf(directory, sizeof(directory), "%s%s", sources->cgroup_root, mounts_v2[i]);
        found = tighter(found, tightest(directory, group, limit_v2));
    }
    for (size_t i = 0; cpus_cgroup_path(text, "cpu", &group) && i < 2; i++) {
        snprintf(directory, sizeof(directory), "%s%s", sources->cgroup_root, mounts_v1[i]);
        found = tighter(found, tightest(directory, group, limit_v1));
    }
    return found;
}

/* cpu_set_t holds 1024 processors; on larger machines the call fails and the system is asked. */
static unsigned affinity_count(void)
{
    cpu_set_t set;
    long online;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned server_usable_cpus(void)
{
    static const struct cpus_sources sources = {"/proc/self/cgroup", "/sys/fs/cgroup"};
    unsigned cpus = tighter(affinity_count(), cpus_of_cgroups(&sources));

    return cpus > 0 ? cpus : 1;
}
