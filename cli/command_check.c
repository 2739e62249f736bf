/* `evergate check`: the configuration's mistakes, all of them, or what it amounts to. */
#include <stdio.h>

#include "base/plural.h"
#include "cli/cli_internal.h"
#include "cli/confined.h"

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

int cli_check(const struct cli_options *options)
{
    struct config *config = cli_config_load_confined(options->config, CLI_CONFINE_TO_JUDGE);

    if (!config)
        return CLI_BAD;
    print_summary(config);
    config_unref(&config);
    return CLI_GOOD;
}
