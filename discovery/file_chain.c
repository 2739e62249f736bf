/* See file_chain.h. */
#include "discovery/file_chain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

struct walk {
    struct file_chain *chain;
    void (*enter)(void *arg, const struct file_step *step);
    void *arg;
    char *directory; /* heap: where we are */
    char *rest;      /* heap: what of the path is still to be walked */
    unsigned links;
};

static void walk_set(char **where, char *text)
{
    free(*where);
    *where = text;
}

static char *walk_join(const char *directory, const char *name)
{
    return xasprintf("%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", name);
}

/* The next name of the path, heap; NULL at its end. */
static char *walk_next_name(struct walk *walk)
{
    const char *p = walk->rest + strspn(walk->rest, "/");
    size_t n = strcspn(p, "/");
    char *name;

    if (n == 0)
        return NULL;
    name = xstrndup(p, n);
    p += n;
    walk_set(&walk->rest, xstrdup(p + strspn(p, "/")));
    return name;
}

/* Where we are has no links in it, so that its parent is what stands before. */
static void walk_up(struct walk *walk)
{
    char *slash = strrchr(walk->directory, '/');

    if (slash == walk->directory)
        slash[1] = '\0';
    else
        *slash = '\0';
}

/* False: it cannot be followed. */
static bool walk_link(struct walk *walk, const char *full)
{
    char target[PATH_MAX];
    ssize_t n = readlink(full, target, sizeof(target) - 1);

    if (n <= 0 || ++walk->links > FILE_CHAIN_LINKS)
        return false;
    target[n] = '\0';
    if (target[0] == '/')
        walk_set(&walk->directory, xstrdup("/"));
    walk_set(&walk->rest,
             walk->rest[0] == '\0' ? xstrdup(target) : xasprintf("%s/%s", target, walk->rest));
    return true;
}

/* Takes `name`. False: the way ends here. */
static bool walk_step(struct walk *walk, char *name)
{
    struct file_chain *chain = walk->chain;
    struct file_step *step = &chain->steps[chain->count];
    struct stat st;
    char *full;
    bool on;

    *step = (struct file_step){xstrdup(walk->directory), name, walk->rest[0] == '\0'};
    chain->count++;
    walk->enter(walk->arg, step);
    full = walk_join(walk->directory, name);
    on = lstat(full, &st) == 0;
    if (on && S_ISLNK(st.st_mode)) {
        on = walk_link(walk, full);
    } else if (on) {
        on = S_ISDIR(st.st_mode);
        walk_set(&walk->directory, xstrdup(full));
    }
    free(full);
    return on;
}

void file_chain_init(struct file_chain *chain, const char *path,
                     void (*enter)(void *arg, const struct file_step *step), void *arg)
{
    struct walk walk = {.chain = chain, .enter = enter, .arg = arg, .rest = xstrdup(path)};
    char *name;
    bool on = true;

    chain->count = 0;
    walk.directory = path[0] == '/' ? xstrdup("/") : getcwd(NULL, 0);
    if (walk.directory == NULL)
        walk.directory = xstrdup("/"); /* the working directory was deleted */
    while (on && chain->count < FILE_CHAIN_STEPS && (name = walk_next_name(&walk)) != NULL) {
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            on = walk_step(&walk, name);
            continue;
        }
        if (name[1] == '.')
            walk_up(&walk);
        free(name);
    }
    free(walk.directory);
    free(walk.rest);
}

void file_chain_fini(struct file_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        free(chain->steps[i].directory);
        free(chain->steps[i].name);
    }
    chain->count = 0;
}
