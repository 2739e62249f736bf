/* `evergate run`: the server and its management, for as long as it serves. */
#include <stdlib.h>

#include "admin/admin.h"
#include "base/log.h"
#include "cli/cli_internal.h"
#include "cli/confined.h"
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

int cli_run(const struct cli_options *options)
{
    struct config *config = cli_config_load_confined(options->config, CLI_CONFINE_TO_SERVE);
    int code = CLI_BAD;

    if (config != NULL) {
        log_init(config->log.level, config->log.json);
        code = serve_or_succeed(&config);
    }
    config_unref(&config);
    confine_end();
    return code;
}
