/* How a child is started: its words, its environment, its descriptors. See process.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/program.h"
#include "checks/process_internal.h"
#include "confine/spawner.h"

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

int process_spawn(char *const *argv, char *const *environment, int out_fd, pid_t *ret_pid,
                  int *ret_pidfd)
{
    const struct launch launch = {
        .argv = argv,
        .environment = environment,
        .fds = {LAUNCH_NULL, out_fd, out_fd},
        .fd_count = 3,
        .own_group = true,
    };

    return spawner_launch(&launch, ret_pid, ret_pidfd);
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
