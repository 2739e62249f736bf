/* `evergate check`: the configuration's mistakes, all of them, or what it amounts to. */
#include <stdio.h>
#include <stdlib.h>

#include "base/plural.h"
#include "checks/process.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "cli/table.h"
#include "config/config.h"

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

/* What a start or a reload would find out only when it prepares what runs. */
static bool check_program(const struct config_pool *pool, enum config_pool_part part,
                          const char *key, const struct config_command *command)
{
    const struct config_where *where = config_where_of(pool, part);
    char *why, *printable;

    if (!command->argv || process_check(command->argv, &why) == EG_OK)
        return true;
    printable = cli_printable(why);
    fprintf(stderr, "%s:%u: error: pool \"%s\": %s: command: %s; correct its name, or install it\n",
            where->file, where->line, pool->name, key, printable);
    free(printable);
    free(why);
    return false;
}

static bool check_programs(const struct config *config)
{
    bool good = true;

    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];

        if (pool->health &&
            !check_program(pool, CONFIG_PART_HEALTH, "health", &pool->health->command))
            good = false;
        if (pool->recovery &&
            !check_program(pool, CONFIG_PART_RECOVERY, "recovery", &pool->recovery->command))
            good = false;
    }
    return good;
}

int cli_check(const struct cli_options *options)
{
    struct config *config = cli_config_load(options->config);
    bool good;

    if (!config)
        return CLI_BAD;
    good = check_programs(config);
    if (good)
        print_summary(config);
    config_unref(&config);
    return good ? CLI_GOOD : CLI_BAD;
}
