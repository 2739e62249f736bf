/* `evergate check`: the configuration's mistakes, all of them, or what it amounts to. */
#include <stdio.h>
#include <stdlib.h>

#include "base/plural.h"
#include "cli/cli_internal.h"
#include "cli/confined.h"
#include "cli/table.h"
#include "proxy/server_config.h"

static void print_summary(const struct config *config)
{
    size_t backends = 0;

    for (size_t i = 0; i < config->pool_count; i++)
        backends += config->pools[i].backend_count;
    printf("%s: ok: %zu listener%s, %zu route%s, %zu pool%s, %zu backend%s\n", config->file,
           config->listener_count, plural(config->listener_count), config->route_count,
           plural(config->route_count), config->pool_count, plural(config->pool_count), backends,
           plural(backends));
}

/* A start reads it only once, when it serves. */
static bool state_is_good(struct config *config)
{
    char *why, *printable;

    if (server_config_try_state(config, &why) == EG_OK)
        return true;
    printable = cli_printable(why);
    fprintf(stderr, "%s: error: %s\n", config->file, printable);
    free(printable);
    free(why);
    return false;
}

int cli_check(const struct cli_options *options)
{
    struct config *config = cli_config_load_confined(options->config, CLI_CONFINE_TO_JUDGE);
    bool good;

    if (!config)
        return CLI_BAD;
    good = state_is_good(config);
    if (good)
        print_summary(config);
    config_unref(&config);
    return good ? CLI_GOOD : CLI_BAD;
}
