/* See confined.h. */
#include "cli/confined.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/config_errors.h"
#include "cli/table.h"
#include "confine/confine.h"
#include "proxy/server_config.h"

/* Of a command that only looks it is an answer, of one that serves a line of its log. */
static void tell(enum cli_confine how, const char *path, const char *why)
{
    char *printable;

    if (how == CLI_CONFINE_TO_SERVE) {
        log_error("%s", why);
        return;
    }
    printable = cli_printable(why);
    fprintf(stderr, "%s: error: %s\n", path, printable);
    free(printable);
}

static int give_up(const struct config_confinement *from, enum cli_confine how, char **ret_why)
{
    const struct confine_settings settings = {
        .user = how == CLI_CONFINE_TO_VISIT ? "" : from->user,
        .group = from->group,
        .chroot = from->chroot,
        .sandbox = from->sandbox,
        .core_dumps = from->core_dumps,
    };

    return how == CLI_CONFINE_TO_SERVE ? confine_begin(&settings, ret_why)
                                       : confine_look(&settings, ret_why);
}

/* Messages of the configuration name the file as we are given it; in a chroot it is found under
 * another path, which is the one that a reload reads. */
static int enter(const struct config_confinement *from, enum cli_confine how, const char *path,
                 char **ret_path, char **ret_why)
{
    char *inside =
        from->chroot[0] != '\0' ? confine_path_inside(from->chroot, path, ret_why) : xstrdup(path);
    int rc = inside != NULL ? give_up(from, how, ret_why) : EG_E_INTERNAL;

    if (rc == EG_OK)
        *ret_path = inside;
    else
        free(inside);
    return rc;
}

/* A start reads it only once, when it serves. */
static bool state_is_good(struct config *config, enum cli_confine how)
{
    char *why;

    if (how == CLI_CONFINE_TO_SERVE || server_config_try_state(config, &why) == EG_OK)
        return true;
    tell(how, config->file, why);
    free(why);
    return false;
}

/* Everything of the file but these few keys is read by the process as it will be when it serves:
 * what it may not read is a mistake now, not at the next reload. */
static struct config *load(const char *path, const char *user, enum cli_confine how)
{
    struct config *config = cli_config_load_served(path);
    char *why;

    if (config != NULL && state_is_good(config, how))
        return config;
    config_unref(&config);
    if (user[0] == '\0' || how == CLI_CONFINE_TO_VISIT)
        return NULL;
    why = xasprintf("\"%s\" was read as user \"%s\", who has to be able to read and write what it "
                    "names",
                    path, user);
    tell(how, path, why);
    free(why);
    return NULL;
}

struct config *cli_config_load_confined(const char *path, enum cli_confine how)
{
    struct config *keys, *config = NULL;
    char *inside = NULL, *why = NULL;

    /* The file is broken: every mistake in it is shown, and it stays broken whatever has happened
     * to it meanwhile. */
    if (config_load_confinement(&keys, path) != EG_OK) {
        config = cli_config_load(path);
        config_unref(&config);
        return NULL;
    }
    if (enter(&keys->confinement, how, path, &inside, &why) == EG_OK)
        config = load(inside, keys->confinement.user, how);
    else
        tell(how, path, why);
    config_unref(&keys);
    free(inside);
    free(why);
    return config;
}
