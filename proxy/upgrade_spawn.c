/* Starting the new binary: see upgrade_spawn.h. */
#include "proxy/upgrade_spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/program.h"
#include "base/slice.h"
#include "confine/spawner.h"
#include "proxy/upgrade_mail.h"

enum { PROGRAM_WORDS_BYTES = 2 << 20 }; /* execve(2) takes no more */

/* ---- What we are ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* argv[0] is only a claim: whoever started us may have written anything there. */
static char *own_path(const char *claim)
{
    char *path = program_find(claim, getenv("PATH"));
    char real[PATH_MAX];
    ssize_t n;

    if (path != NULL && same_file(path, "/proc/self/exe"))
        return path;
    free(path);
    n = readlink("/proc/self/exe", real, sizeof(real) - 1);
    return n > 0 ? xstrndup(real, (size_t)n) : NULL;
}

/* Everything in the file, NUL-terminated; NULL with none. */
static char *read_words(size_t *ret_size)
{
    char *text = xmalloc(PROGRAM_WORDS_BYTES + 1);
    size_t size = 0;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && size < PROGRAM_WORDS_BYTES &&
           (n = read(fd, text + size, PROGRAM_WORDS_BYTES - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    text[size] = '\0';
    *ret_size = size;
    if (size > 0)
        return text;
    free(text);
    return NULL;
}

/* The kernel ends each word with a NUL. getopt may have moved those of main's argv about. */
static char **split_words(const char *text, size_t size)
{
    char **argv = NULL;
    size_t count = 0;

    for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
        argv = xrealloc(argv, (count + 2) * sizeof(*argv));
        argv[count++] = xstrdup(text + at);
        argv[count] = NULL;
    }
    return argv;
}

int upgrade_program_of_self(struct upgrade_program *ret_program)
{
    size_t size;
    char *text = read_words(&size);

    if (text == NULL)
        return EG_E_INTERNAL;
    struct upgrade_program program = {.argv = split_words(text, size)};
    free(text);
    program.path = own_path(program.argv[0]);
    if (program.path == NULL) {
        upgrade_program_fini(&program);
        return EG_E_INTERNAL;
    }
    *ret_program = program;
    return EG_OK;
}

void upgrade_program_fini(struct upgrade_program *program)
{
    for (size_t i = 0; program->argv != NULL && program->argv[i] != NULL; i++)
        free(program->argv[i]);
    free(program->argv);
    free(program->path);
    *program = (struct upgrade_program){0};
}

/* ---- The start ---- */

/* Our environment with the variable in front; the first entry and the list are to be freed. */
static char **make_environment(void)
{
    size_t count = 0, n = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = xcalloc(count + 2, sizeof(*list));
    list[n++] = xasprintf("%s=%d", UPGRADE_VARIABLE, UPGRADE_CHILD_FD);
    for (size_t i = 0; i < count; i++)
        if (!slice_starts_with(slice_str(environ[i]), SLICE_LIT(UPGRADE_VARIABLE "=")))
            list[n++] = environ[i];
    return list;
}

int upgrade_spawn(const struct upgrade_program *program, int socket, pid_t *ret_pid, int *ret_pidfd)
{
    char **environment = make_environment();
    const struct launch launch = {
        .path = program->path,
        .argv = program->argv,
        .environment = environment,
        .fds = {LAUNCH_SAME, LAUNCH_SAME, LAUNCH_SAME, [UPGRADE_CHILD_FD] = socket},
        .fd_count = UPGRADE_CHILD_FD + 1,
        .next_binary = true,
    };
    int error = spawner_launch(&launch, ret_pid, ret_pidfd);

    free(environment[0]);
    free(environment);
    return error;
}
