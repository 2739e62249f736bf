/* Loading a configuration with its mistakes printed: see config_errors.h. */
#include "cli/config_errors.h"

#include <stdio.h>

#include "proxy/server_config.h"

static void print_errors(const struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *e = &errors->v[i];

        if (e->line > 0)
            fprintf(stderr, "%s:%u: error: %s\n", e->file, e->line, e->message);
        else
            fprintf(stderr, "%s: error: %s\n", e->file, e->message);
    }
}

static struct config *finish(int rc, struct config *config, struct config_errors *errors)
{
    if (rc != EG_OK) {
        print_errors(errors);
        config = NULL;
    }
    config_errors_free(errors);
    return config;
}

struct config *cli_config_load(const char *path)
{
    struct config_errors errors = {0};
    struct config *config = NULL;
    int rc = config_load(&config, path, &errors);

    return finish(rc, config, &errors);
}

struct config *cli_config_load_served(const char *path)
{
    struct config_errors errors = {0};
    struct config *config = NULL;
    int rc = server_config_load(&config, path, &errors);

    return finish(rc, config, &errors);
}

struct config *cli_config_load_text(const char *name, const char *text)
{
    struct config_errors errors = {0};
    struct config *config = NULL;
    int rc = config_load_text(&config, name, text, &errors);

    return finish(rc, config, &errors);
}
