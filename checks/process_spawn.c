/* How a child is started: its words, its environment, its descriptors. See process.h. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/program.h"
#include "checks/process_internal.h"

/* ---- words ---- */

static const char *variable_value(struct slice name, const struct process_variable *variables,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(name, slice_str(variables[i].name)))
            return variables[i].value;
    return NULL;
}

/* The next "${EG_NAME}" from `p` on; false when there is none. One without its "}" is text. */
static bool next_reference(const char *p, const char **ret_start, struct slice *ret_name)
{
    const char *start = strstr(p, "${EG_");
    const char *end = start ? strchr(start, '}') : NULL;

    if (!end)
        return false;
    *ret_start = start;
    *ret_name = slice_from(start + 2, (size_t)(end - start - 2));
    return true;
}

char *process_expand(const char *word, const struct process_variable *variables, size_t count)
{
    char *text = NULL;
    size_t size;
    const char *start;
    struct slice name;
    bool known = true;
    FILE *out = open_memstream(&text, &size);

    CHECK(out != NULL);
    while (known && next_reference(word, &start, &name)) {
        const char *value = variable_value(name, variables, count);

        fwrite(word, 1, (size_t)(start - word), out);
        fputs(value ? value : "", out);
        word = name.p + name.n + 1;
        known = value != NULL;
    }
    fputs(word, out);
    CHECK(fclose(out) == 0);
    if (known)
        return text;
    free(text);
    return NULL;
}

static size_t count_words(const char *const *argv)
{
    size_t n = 0;

    while (argv[n])
        n++;
    return n;
}

char **process_argv(const char *const *argv, const struct process_variable *variables, size_t count)
{
    size_t n = count_words(argv);
    char **words = xcalloc(n + 1, sizeof(*words));

    for (size_t i = 0; i < n; i++) {
        words[i] = process_expand(argv[i], variables, count);
        if (!words[i]) {
            process_argv_free(words);
            return NULL;
        }
    }
    return words;
}

void process_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

/* ---- environment ---- */

static bool is_overridden(const char *entry, const struct process_variable *variables, size_t count)
{
    const char *equals = strchr(entry, '=');

    return equals &&
           variable_value(slice_from(entry, (size_t)(equals - entry)), variables, count) != NULL;
}

/* The variables come first: they are the entries to be freed. */
char **process_environment(const struct process_variable *variables, size_t count)
{
    size_t inherited = count_words((const char *const *)environ);
    char **list = xcalloc(count + inherited + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        list[n++] = xasprintf("%s=%s", variables[i].name, variables[i].value);
    for (size_t i = 0; i < inherited; i++)
        if (!is_overridden(environ[i], variables, count))
            list[n++] = environ[i];
    return list;
}

void process_environment_free(char **environment, size_t variable_count)
{
    for (size_t i = 0; i < variable_count; i++)
        free(environment[i]);
    free(environment);
}

/* ---- the start ---- */

/* Every descriptor above standard error is closed, those of libraries too, whether or not somebody
 * remembered close-on-exec. */
static int set_descriptors(posix_spawn_file_actions_t *actions, int out_fd)
{
    int err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, out_fd, STDOUT_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, out_fd, STDERR_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return err;
}

/* Our threads block all signals and we ignore SIGPIPE; both would be inherited. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    int err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF);
    if (err == 0)
        err = posix_spawnattr_setpgroup(attributes, 0);
    if (err == 0)
        err = posix_spawnattr_setsigmask(attributes, &none);
    if (err == 0)
        err = posix_spawnattr_setsigdefault(attributes, &all);
    return err;
}

/* Without a pidfd (out of descriptors) nobody would notice its end: it must not live. */
static int open_pidfd(pid_t pid, int *ret_pidfd)
{
    *ret_pidfd = pidfd_open(pid, 0); /* always close-on-exec */
    if (*ret_pidfd >= 0)
        return 0;
    int err = errno;
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return err;
}

int process_spawn(char *const *argv, char *const *environment, int out_fd, pid_t *ret_pid,
                  int *ret_pidfd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;

    int err = posix_spawn_file_actions_init(&actions);
    if (err != 0)
        return err;
    err = posix_spawnattr_init(&attributes);
    if (err == 0)
        err = set_descriptors(&actions, out_fd);
    if (err == 0)
        err = set_attributes(&attributes);
    if (err == 0)
        err = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (err == 0)
        err = open_pidfd(pid, ret_pidfd);
    if (err == 0)
        *ret_pid = pid;
    return err;
}

/* ---- before anything runs ---- */

int process_check(const char *const *argv, char **ret_why)
{
    bool later = strstr(argv[0], "${EG_") != NULL;
    char *path = later ? NULL : program_find(argv[0], getenv("PATH"));

    if (later || path) {
        free(path);
        return EG_OK;
    }
    *ret_why = xasprintf("no program \"%s\" that can be run", argv[0]);
    return EG_E_INTERNAL;
}
