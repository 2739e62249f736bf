/* `evergate run`: the server and its management, for as long as it serves. */
#include <stdlib.h>

#include "admin/admin.h"
#include "base/alloc.h"
#include "base/log.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "confine/confine.h"
#include "proxy/listen_activation.h"
#include "proxy/server.h"
#include "proxy/upgrade.h"

typedef void (*start_cb)(const struct server *server, const struct admin *admin);

static int serve(struct server *server, start_cb on_start)
{
    struct admin *admin = NULL;
    char *why = NULL;
    int code;

    if (admin_start(&admin, server, &why) != EG_OK) {
        log_error("%s", why);
        free(why);
        return CLI_BAD;
    }
    if (on_start)
        on_start(server, admin);
    code = server_run(server);
    admin_stop(&admin);
    return code;
}

int cli_serve(struct config **config, start_cb on_start)
{
    struct server *server = NULL;
    char *why = NULL;
    int code = server_new(&server, *config, &why);

    config_unref(config);
    if (code == EG_E_DRAINING)
        return CLI_GOOD;
    if (code != EG_OK) {
        log_error("%s", why);
        free(why);
        return CLI_BAD;
    }
    code = serve(server, on_start);
    server_free(server);
    return code;
}

static int serve_or_succeed(struct config **config)
{
    char *why = NULL;

    if (listen_activation_begin(&why) == EG_OK && upgrade_begin(&why) == EG_OK)
        return cli_serve(config, NULL);
    log_error("%s", why);
    free(why);
    return CLI_BAD;
}

/* Messages of the configuration name the file as we are given it; in a chroot it is found under
 * another path, which is the one that a reload reads. */
static int confine(const struct config_confinement *from, const char *path, char **ret_path,
                   char **ret_why)
{
    const struct confine_settings settings = {
        .user = from->user,
        .group = from->group,
        .chroot = from->chroot,
        .sandbox = from->sandbox,
        .core_dumps = from->core_dumps,
    };
    char *inside =
        from->chroot[0] != '\0' ? confine_path_inside(from->chroot, path, ret_why) : xstrdup(path);
    int rc = inside != NULL ? confine_begin(&settings, ret_why) : EG_E_INTERNAL;

    if (rc == EG_OK)
        *ret_path = inside;
    else
        free(inside);
    return rc;
}

/* Everything of the file but these few keys is read by the process as it will be when it serves:
 * what it may not read is a mistake now, not at the next reload. */
static int run_confined(const char *path, const char *user)
{
    struct config *config = cli_config_load(path);
    int code;

    if (!config) {
        if (user[0] != '\0')
            log_error(
                "\"%s\" was read as user \"%s\", who has to be able to read and write what it "
                "names",
                path, user);
        return CLI_BAD;
    }
    log_init(config->log.level, config->log.json);
    code = serve_or_succeed(&config);
    config_unref(&config);
    return code;
}

/* The file is broken: every mistake in it is shown, and it stays broken whatever has happened to it
 * meanwhile. */
static int refuse(const char *path)
{
    struct config *config = cli_config_load(path);

    config_unref(&config);
    return CLI_BAD;
}

int cli_run(const struct cli_options *options)
{
    struct config *keys;
    char *path = NULL, *why = NULL;
    int code = CLI_BAD;

    if (config_load_confinement(&keys, options->config) != EG_OK)
        return refuse(options->config);
    if (confine(&keys->confinement, options->config, &path, &why) == EG_OK)
        code = run_confined(path, keys->confinement.user);
    else
        log_error("%s", why);
    confine_end();
    config_unref(&keys);
    free(path);
    free(why);
    return code;
}
