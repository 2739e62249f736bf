/* Rules over what the process gives up when it starts, and over what whoever it becomes may still
 * do: read its files, write its directories, bind its ports. See doctor_internal.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/doctor_facts.h"
#include "cli/doctor_internal.h"
#include "net/address.h"

/* ---- the file ---- */

static void look_sandbox(struct doctor_look *look)
{
    if (look->config->confinement.sandbox || (look->facts && look->facts->filters == 0))
        return;
    doctor_found(look, "sandbox = false");
    doctor_write(look, "sandbox = true;");
}

/* Of secrets, keys of TLS are those that outlive a restart of everything. */
static bool has_keys(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++)
        if (config->listeners[i].tls)
            return true;
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];

        if ((pool->tls && pool->tls->key_path) || pool->sticky)
            return true;
    }
    return config->admin.token_file != NULL;
}

static void look_cores(struct doctor_look *look)
{
    if (!look->config->confinement.core_dumps || !has_keys(look->config))
        return;
    doctor_found(look, "core_dumps = true, with keys in memory");
    doctor_write(look, "core_dumps = false;");
}

static void look_chroot(struct doctor_look *look)
{
    const struct config_confinement *confinement = &look->config->confinement;

    if (confinement->chroot[0] == '\0' || confinement->user[0] != '\0')
        return;
    doctor_found(look, "chroot = \"%s\" without user", confinement->chroot);
    doctor_write(look, "user = \"evergate\";  made by: useradd --system evergate");
}

const struct doctor_rule doctor_confinement_rules[] = {
    {"sandbox-off", DOCTOR_WARNING,
     "code that somebody smuggles in can start programs and look into others of the user's",
     look_sandbox},
    {"core-dumps-on", DOCTOR_WARNING,
     "a crash writes the keys and what was in flight to a file, and programs of the same user can "
     "read them from memory",
     look_cores},
    {"chroot-as-root", DOCTOR_WARNING,
     "only root can enter a chroot, and root is not held by one (chroot(2))", look_chroot},
    {.name = NULL},
};

/* ---- may they? ---- */

/* Heap. */
static char *name_of(const struct doctor_user *user)
{
    return user->name ? xasprintf("user \"%s\"", user->name)
                      : xasprintf("user %u, who asks,", (unsigned)user->uid);
}

/* For a command line. */
static const char *owner_of(const struct doctor_look *look)
{
    const struct doctor_user *user = &look->facts->user;

    return user->name ? user->name : arena_format(&look->report->arena, "%u", (unsigned)user->uid);
}

/* False: nothing stands in the way, or that has been found and told how to remove. Else `look` has
 * a finding without its advice, which depends on what is wanted there. */
static bool found_closed(struct doctor_look *look, const char *path, mode_t wanted)
{
    const struct doctor_user *user = &look->facts->user;
    mode_t missing = 0;
    char *obstacle = doctor_obstacle(user, path, wanted, &missing), *name;
    bool on_the_way = obstacle && missing != wanted;

    if (!obstacle)
        return false;
    name = name_of(user);
    doctor_found(look, "%s cannot %s %s%s%s", name, wanted == DOCTOR_MAY_READ ? "read" : "write to",
                 path, on_the_way ? ": no way through " : "", on_the_way ? obstacle : "");
    if (on_the_way)
        doctor_write(look, "chgrp %s %s && chmod g+x %s", user->group, obstacle, obstacle);
    free(name);
    free(obstacle);
    return !on_the_way;
}

/* What it reads at the start, and again at each reload. Includes and what was looked for are among
 * them. */
static void look_reading(struct doctor_look *look)
{
    const struct config_files *files = &look->config->files;

    for (size_t i = 0; i < files->count; i++) {
        struct doctor_look own = *look;

        if (found_closed(&own, files->v[i].path, DOCTOR_MAY_READ))
            doctor_write(&own, "chgrp %s %s && chmod g+r %s", look->facts->user.group,
                         files->v[i].path, files->v[i].path);
    }
}

/* A directory that others live in is not to be given away. */
static void look_directory(const struct doctor_look *look, const struct config_where *where,
                           const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    struct doctor_look own = *look;
    char *directory;

    if (!path)
        return;
    directory = !slash          ? xstrdup(".")
                : slash == path ? xstrdup("/")
                                : xstrndup(path, (size_t)(slash - path));
    doctor_at(&own, where);
    if (found_closed(&own, directory, DOCTOR_MAY_WRITE | DOCTOR_MAY_ENTER))
        doctor_write(&own,
                     "install -d -o %s -m 0750 %s/evergate  and a path in it; or, if it is "
                     "evergate's alone: chown %s %s",
                     owner_of(look), strcmp(directory, "/") == 0 ? "" : directory, owner_of(look),
                     directory);
    free(directory);
}

static void look_log(const struct doctor_look *look)
{
    const struct config *config = look->config;
    struct doctor_look own = *look;
    struct stat st;

    if (config->log.access != CONFIG_ACCESS_FILE)
        return;
    if (stat(config->log.access_path, &st) < 0) {
        look_directory(look, &config->log.where, config->log.access_path);
        return;
    }
    doctor_at(&own, &config->log.where);
    if (found_closed(&own, config->log.access_path, DOCTOR_MAY_WRITE))
        doctor_write(&own, "chown %s %s", owner_of(look), config->log.access_path);
}

static void look_writing(struct doctor_look *look)
{
    static const struct slice unix_prefix = {"unix:", 5};
    const struct config *config = look->config;

    look_directory(look, look->where, config->state_file);
    look_log(look);
    for (size_t i = 0; i < config->pool_count; i++)
        if (config->pools[i].discovery)
            look_directory(look, &config->pools[i].discovery->where,
                           config->pools[i].discovery->cache);
    look_directory(look, &config->admin.where, config->admin.socket);
    for (size_t i = 0; i < config->listener_count; i++)
        if (slice_starts_with(slice_str(config->listeners[i].bind), unix_prefix))
            look_directory(look, &config->listeners[i].where,
                           config->listeners[i].bind + unix_prefix.n);
}

/* ---- ports ---- */

static void look_port(const struct doctor_look *look, const char *what, const char *bind,
                      const struct config_where *where)
{
    struct doctor_look own = *look;
    struct address address;
    unsigned port;

    if (address_parse(&address, slice_str(bind)) != EG_OK)
        return;
    port = address_port(&address);
    if (port == 0 || port >= look->facts->low_ports)
        return;
    doctor_at(&own, where);
    doctor_found(&own,
                 "%s: port %u is below %" PRId64 ", and who asks has not the right to bind it",
                 what, port, look->facts->low_ports);
    doctor_write(&own,
                 "AmbientCapabilities=CAP_NET_BIND_SERVICE  in the unit; or start it as root, "
                 "with user = \"evergate\";");
}

static void look_ports(struct doctor_look *look)
{
    const struct config *config = look->config;

    if (look->facts->binds_low || look->facts->low_ports < 0)
        return;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        look_port(look, arena_format(&look->report->arena, "listener \"%s\"", listener->name),
                  listener->bind, &listener->where);
    }
    look_port(look, "admin", config->admin.bind, &config->admin.where);
}

/* ---- who ---- */

static void look_root(struct doctor_look *look)
{
    if (!look->facts->root || look->facts->user.uid != 0)
        return;
    doctor_found(look, "evergate stays root when root starts it: there is no other user");
    doctor_write(look, "user = \"evergate\";  made by: useradd --system evergate; in a unit: "
                       "User=evergate");
}

static void look_filters(struct doctor_look *look)
{
    if (look->facts->filters == DOCTOR_UNKNOWN && look->config->confinement.sandbox)
        doctor_unchecked(look, "the kernel does not tell", "filters of system calls: not checked");
    if (look->facts->filters != 0 || !look->config->confinement.sandbox)
        return;
    doctor_found(look, "sandbox = true, but this kernel has no filters of system calls (seccomp)");
    doctor_write(look, "sandbox = false;  or a kernel with CONFIG_SECCOMP_FILTER");
}

const struct doctor_rule doctor_identity_rules[] = {
    {"no-filters", DOCTOR_ERROR, "evergate does not start without what it was told to have",
     look_filters},
    {"user-cannot-read", DOCTOR_ERROR, "evergate does not start, or fails to reload", look_reading},
    {"user-cannot-write", DOCTOR_ERROR, "evergate does not start, or loses what it writes there",
     look_writing},
    {"port-privileged", DOCTOR_WARNING,
     "evergate started like this cannot bind it (a unit's rights are seen from inside of it only)",
     look_ports},
    {"root-without-user", DOCTOR_HINT,
     "whoever finds a hole in it is root; where a unit or a container makes it somebody else, this "
     "is seen from inside of it only",
     look_root},
    {.name = NULL},
};
