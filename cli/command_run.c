/* `evergate run`: the server and its management, for as long as it serves. */
#include <stdlib.h>

#include "admin/admin.h"
#include "base/log.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "proxy/server.h"

static int serve(struct server *server)
{
    struct admin *admin = NULL;
    char *why = NULL;
    int code;

    if (admin_start(&admin, server, &why) != EG_OK) {
        log_error("%s", why);
        free(why);
        return CLI_BAD;
    }
    code = server_run(server);
    admin_stop(&admin);
    return code;
}

int cli_serve(struct config *config)
{
    struct server *server = NULL;
    char *why = NULL;
    int code;

    if (server_new(&server, config, &why) != EG_OK) {
        log_error("%s", why);
        free(why);
        return CLI_BAD;
    }
    code = serve(server);
    server_free(server);
    return code;
}

int cli_run(const struct cli_options *options)
{
    struct config *config = cli_config_load(options->config);
    int code;

    if (!config)
        return CLI_BAD;
    log_init(config->log.level, config->log.json);
    code = cli_serve(config);
    config_unref(&config);
    return code;
}
