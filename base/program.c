/* Looking for programs: see program.h. */
#include "base/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *absolute(const char *path)
{
    char directory[PATH_MAX];

    if (path[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        return xstrdup(path);
    return xasprintf("%s/%s", directory, path);
}

char *program_find(const char *name, const char *path)
{
    if (strchr(name, '/') != NULL)
        return is_program(name) ? absolute(name) : NULL;
    while (path != NULL && *path != '\0') {
        size_t n = strcspn(path, ":");
        char *candidate = n > 0 ? xasprintf("%.*s/%s", (int)n, path, name) : xstrdup(name);
        char *found = is_program(candidate) ? absolute(candidate) : NULL;

        free(candidate);
        if (found != NULL)
            return found;
        path += n + (path[n] == ':');
    }
    return NULL;
}
