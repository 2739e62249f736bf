/* Rules over the files and directories that the file names: who may read and write them, and
 * whether they outlive a restart. See doctor_internal.h. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "cli/doctor_internal.h"

enum { TOKEN_SHORT_BYTES = 16 };

/* ---- secrets ---- */

static void look_secret(const struct doctor_look *look, const char *path,
                        const struct config_where *where)
{
    struct doctor_look own = *look;
    struct stat st;
    bool written;

    if (!path)
        return;
    doctor_at(&own, where);
    if (stat(path, &st) < 0) {
        doctor_unchecked(&own, strerror(errno), "who may read %s: not checked", path);
        return;
    }
    written = doctor_anybody_may(path, DOCTOR_MAY_WRITE);
    if (!written && !doctor_anybody_may(path, DOCTOR_MAY_READ))
        return;
    doctor_found(&own, "%s can be %s by everybody on this machine (mode %04o)", path,
                 written ? "written" : "read", (unsigned)st.st_mode & 07777);
    doctor_write(&own, "chmod o= %s", path);
}

static void look_pool_secrets(const struct doctor_look *look, const struct config_pool *pool)
{
    const struct config_discovery *source = pool->discovery;

    if (pool->tls)
        look_secret(look, pool->tls->key_path, config_where_of(pool, CONFIG_PART_TLS));
    if (pool->sticky)
        look_secret(look, pool->sticky->secret_file, config_where_of(pool, CONFIG_PART_STICKY));
    if (pool->health)
        look_secret(look, pool->health->password_file, config_where_of(pool, CONFIG_PART_HEALTH));
    if (!source)
        return;
    look_secret(look, source->token_file, &source->where);
    look_secret(look, source->password_file, &source->where);
    look_secret(look, source->kubeconfig, &source->where);
    if (source->tls)
        look_secret(look, source->tls->key_path, &source->where);
}

static void look_secrets(struct doctor_look *look)
{
    const struct config *config = look->config;

    look_secret(look, config->admin.token_file, &config->admin.where);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t k = 0; listener->tls && k < listener->tls->certificate_count; k++)
            look_secret(look, listener->tls->certificates[k].key_path, &listener->where);
    }
    for (size_t i = 0; i < config->pool_count; i++)
        look_pool_secrets(look, &config->pools[i]);
}

/* It is asked for over HTTP, by whoever reaches management, as often as they like. */
static void look_token(struct doctor_look *look)
{
    const char *path = look->config->admin.token_file;
    struct stat st;

    if (!path || stat(path, &st) < 0 || st.st_size >= TOKEN_SHORT_BYTES)
        return;
    doctor_at(look, &look->config->admin.where);
    doctor_found(look, "admin: the token in %s has fewer than %d characters", path,
                 TOKEN_SHORT_BYTES);
    doctor_write(look, "openssl rand -hex 32 > %s", path);
}

/* ---- the configuration's own files ---- */

/* Commands of checks and recoveries are in them, too. */
static void look_writable_file(const struct doctor_look *look, const char *path)
{
    const struct config_where where = {path, 0};
    struct doctor_look own = *look;
    struct stat st;

    if (stat(path, &st) < 0 || !doctor_anybody_may(path, DOCTOR_MAY_WRITE))
        return;
    doctor_at(&own, &where);
    doctor_found(&own, "everybody on this machine may write it (mode %04o)",
                 (unsigned)st.st_mode & 07777);
    doctor_write(&own, "chmod o-w %s", path);
}

/* Of what stands beside each other, files change seldom. */
static const char *look_writable_next(const struct doctor_look *look,
                                      const struct config_where *where, const char *before)
{
    if (!where->file || strcmp(where->file, before) == 0)
        return before;
    if (strcmp(where->file, look->config->file) != 0)
        look_writable_file(look, where->file);
    return where->file;
}

static void look_writable(struct doctor_look *look)
{
    const struct config *config = look->config;
    const char *before = config->file;

    look_writable_file(look, before);
    for (size_t i = 0; i < config->listener_count; i++)
        before = look_writable_next(look, &config->listeners[i].where, before);
    for (size_t i = 0; i < config->pool_count; i++)
        before = look_writable_next(look, &config->pools[i].where, before);
    for (size_t i = 0; i < config->route_count; i++)
        before = look_writable_next(look, &config->routes[i].where, before);
}

/* A token that came from the environment does not stand there. Lines are as long as they are. */
static bool stands_in(const char *path, const char *text)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;

    while (file && !found && getline(&line, &capacity, file) > 0)
        found = strstr(line, text) != NULL;
    free(line);
    if (file)
        fclose(file);
    return found;
}

static void look_written_token(struct doctor_look *look)
{
    for (size_t i = 0; i < look->config->pool_count; i++) {
        const struct config_discovery *source = look->config->pools[i].discovery;
        struct doctor_look own = *look;
        struct stat st;

        if (!source || !source->token || source->token[0] == '\0' || !source->where.file ||
            stat(source->where.file, &st) < 0 ||
            !doctor_anybody_may(source->where.file, DOCTOR_MAY_READ) ||
            !stands_in(source->where.file, source->token))
            continue;
        doctor_at(&own, &source->where);
        doctor_found(&own,
                     "pool \"%s\": discovery: the token stands in a file that everybody on "
                     "this machine may read (mode %04o)",
                     look->config->pools[i].name, (unsigned)st.st_mode & 07777);
        doctor_write(&own, "token_file = \"/etc/evergate/consul.token\";  or chmod o= %s",
                     source->where.file);
    }
}

/* ---- directories ---- */

/* Heap. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

typedef void (*socket_cb)(struct doctor_look *look, const char *subject, const char *directory);

static void visit_socket(const struct doctor_look *look, socket_cb cb, const char *subject,
                         const char *path, const struct config_where *where)
{
    struct doctor_look own = *look;
    char *directory = directory_of(path);

    doctor_at(&own, where);
    cb(&own, subject, directory);
    free(directory);
}

static void visit_sockets(const struct doctor_look *look, socket_cb cb)
{
    static const struct slice unix_prefix = {"unix:", 5};
    const struct config *config = look->config;

    if (config->admin.socket)
        visit_socket(look, cb, "admin: socket", config->admin.socket, &config->admin.where);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (slice_starts_with(slice_str(listener->bind), unix_prefix))
            visit_socket(look, cb,
                         arena_format(&look->report->arena, "listener \"%s\"", listener->name),
                         listener->bind + unix_prefix.n, &listener->where);
    }
}

static void on_open(struct doctor_look *look, const char *subject, const char *directory)
{
    struct stat st;

    if (stat(directory, &st) < 0 || (st.st_mode & S_ISVTX) ||
        !doctor_anybody_may(directory, DOCTOR_MAY_WRITE | DOCTOR_MAY_ENTER))
        return;
    doctor_found(look, "%s: everybody may write to %s (mode %04o)", subject, directory,
                 (unsigned)st.st_mode & 07777);
    doctor_write(look, "chmod o-w %s", directory);
}

static void on_missing(struct doctor_look *look, const char *subject, const char *directory)
{
    struct stat st;

    if (stat(directory, &st) == 0 || errno != ENOENT)
        return;
    doctor_found(look, "%s: there is no %s", subject, directory);
    doctor_write(look, "RuntimeDirectory=%s  in the unit; by hand: mkdir -m 0750 %s",
                 strrchr(directory, '/') ? strrchr(directory, '/') + 1 : directory, directory);
}

static void look_socket(struct doctor_look *look)
{
    visit_sockets(look, on_open);
}

static void look_socket_directory(struct doctor_look *look)
{
    visit_sockets(look, on_missing);
}

/* ---- what must outlive a restart ---- */

enum storage { STORAGE_KEPT, STORAGE_MEMORY, STORAGE_CONTAINER };

static enum storage storage_of(const char *path)
{
    char *directory = directory_of(path);
    struct statfs fs;
    int rc = statfs(directory, &fs);

    free(directory);
    if (rc < 0)
        return STORAGE_KEPT;
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
        return STORAGE_MEMORY;
    return fs.f_type == OVERLAYFS_SUPER_MAGIC ? STORAGE_CONTAINER : STORAGE_KEPT;
}

static void look_state(struct doctor_look *look)
{
    const char *path = look->config->state_file;

    if (!path || storage_of(path) != STORAGE_MEMORY)
        return;
    doctor_found(look, "state_file: %s is in memory (tmpfs)", path);
    doctor_write(look, "state_file = \"/var/lib/evergate/state.json\";");
}

static void look_state_container(struct doctor_look *look)
{
    const char *path = look->config->state_file;

    if (!path || storage_of(path) != STORAGE_CONTAINER)
        return;
    doctor_found(look, "state_file: %s is in the container's own file system", path);
    doctor_write(look, "a volume for its directory");
}

static void look_caches(struct doctor_look *look)
{
    for (size_t i = 0; i < look->config->pool_count; i++) {
        const struct config_discovery *source = look->config->pools[i].discovery;
        struct doctor_look own = *look;

        if (!source || !source->cache || storage_of(source->cache) != STORAGE_MEMORY)
            continue;
        doctor_at(&own, &source->where);
        doctor_found(&own, "pool \"%s\": discovery: cache %s is in memory (tmpfs)",
                     look->config->pools[i].name, source->cache);
        doctor_write(&own, "cache = \"/var/lib/evergate/%s.json\";", look->config->pools[i].name);
    }
}

const struct doctor_rule doctor_path_rules[] = {
    {"secret-readable", DOCTOR_ERROR, "any program on this machine can use it", look_secrets},
    {"token-in-file", DOCTOR_ERROR, "any program on this machine can use it", look_written_token},
    {"token-short", DOCTOR_WARNING, "it can be guessed", look_token},
    {"config-writable", DOCTOR_ERROR,
     "whoever writes it says where requests go, and which commands run", look_writable},
    {"socket-directory-open", DOCTOR_WARNING,
     "another program can put a socket of its own in its place", look_socket},
    {"socket-directory-missing", DOCTOR_HINT,
     "evergate does not make it, and cannot start without it", look_socket_directory},
    {"state-in-memory", DOCTOR_WARNING,
     "what was changed over the management API is gone after a reboot", look_state},
    {"state-in-container", DOCTOR_HINT,
     "what was changed over the management API is gone with the container", look_state_container},
    {"cache-in-memory", DOCTOR_HINT,
     "after a reboot, when the source may not be up yet, there is nothing to serve from",
     look_caches},
    {.name = NULL},
};
