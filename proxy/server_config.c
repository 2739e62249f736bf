/* Reading a configuration, and rehearsing what is opened for it: see server_config.h. */
#include "proxy/server_config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "checks/process.h"
#include "config/state_file.h"
#include "net/tls.h"
#include "proxy/listener_tls.h"
#include "upstream/backend.h"

static const char tls_advice[] = "write the files of a pair that OpenSSL takes: a key of P-256 or "
                                 "RSA 2048 at least, and a signature by SHA-256";

/* ---- mistakes ---- */

/* At most: a listener's TLS; a pool's TLS, its source's, two programs. */
static void errors_init(struct config_errors *errors, const struct config *config)
{
    size_t most = config->listener_count + 4 * config->pool_count;

    *errors = (struct config_errors){.arena = xmalloc(sizeof(*errors->arena))};
    arena_init(errors->arena);
    errors->v = arena_zalloc(errors->arena, (most + 1) * sizeof(*errors->v));
}

/* Files are watched for what corrects them, whoever found the mistake. */
static void errors_name_files(struct config_errors *errors, const struct config_files *files)
{
    struct config_file *v = arena_zalloc(errors->arena, (files->count + 1) * sizeof(*v));

    for (size_t i = 0; i < files->count; i++) {
        v[i].path = arena_dup(errors->arena, slice_str(files->v[i].path)).p;
        v[i].identity = files->v[i].identity;
    }
    errors->files = (struct config_files){v, files->count, files->more};
}

/* Takes `message`, in which there may be names of files, and so anything. */
static void mistake(struct config_errors *errors, const struct config_where *where, char *message)
{
    for (char *c = message; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    errors->v[errors->count++] = (struct config_error){
        .file = arena_dup(errors->arena, slice_str(where->file)).p,
        .line = where->line,
        .message = arena_dup(errors->arena, slice_str(message)).p,
    };
    free(message);
}

/* ---- TLS ---- */

static void try_listener(struct config_errors *errors, const struct config_listener *listener)
{
    struct tls_context *context;
    char *why;

    if (!listener->tls)
        return;
    if (listener_tls_new(&context, listener->tls, &why) == EG_OK) {
        tls_context_free(context);
        return;
    }
    mistake(errors, &listener->where,
            xasprintf("listener \"%s\": tls: %s; %s", listener->name, why, tls_advice));
    free(why);
}

static void try_client(struct config_errors *errors, const struct config_pool *pool,
                       const struct config_pool_tls *tls, const struct config_where *where,
                       const char *key)
{
    struct tls_context *context = NULL;
    char *why;

    if (upstream_backend_tls_new(&context, tls, NULL, &why) == EG_OK) {
        tls_context_free(context);
        return;
    }
    mistake(errors, where, xasprintf("pool \"%s\": %s: %s; %s", pool->name, key, why, tls_advice));
    free(why);
}

/* ---- programs ---- */

/* One that is not there is a mistake, though nothing needs it yet: a recovery that cannot be run is
 * noticed on the day that it is needed. */
static void try_program(struct config_errors *errors, const struct config_pool *pool,
                        enum config_pool_part part, const char *key,
                        const struct config_command *command)
{
    char *why;

    if (!command->argv || process_check(command->argv, &why) == EG_OK)
        return;
    mistake(errors, config_where_of(pool, part),
            xasprintf("pool \"%s\": %s: command: %s; correct its name, or install it", pool->name,
                      key, why));
    free(why);
}

/* ---- all of it ---- */

static void try_pool(struct config_errors *errors, const struct config_pool *pool)
{
    const struct config_discovery *source = pool->discovery;

    try_client(errors, pool, pool->tls, config_where_of(pool, CONFIG_PART_TLS), "tls");
    if (source)
        try_client(errors, pool, source->tls, &source->where, "discovery: tls");
    if (pool->health)
        try_program(errors, pool, CONFIG_PART_HEALTH, "health", &pool->health->command);
    if (pool->recovery)
        try_program(errors, pool, CONFIG_PART_RECOVERY, "recovery", &pool->recovery->command);
}

int server_config_load(struct config **ret_config, const char *path,
                       struct config_errors *ret_errors)
{
    struct config *config = NULL;
    int rc = config_load(&config, path, ret_errors);

    if (rc != EG_OK)
        return rc;
    config_errors_free(ret_errors);
    errors_init(ret_errors, config);
    for (size_t i = 0; i < config->listener_count; i++)
        try_listener(ret_errors, &config->listeners[i]);
    for (size_t i = 0; i < config->pool_count; i++)
        try_pool(ret_errors, &config->pools[i]);
    if (ret_errors->count == 0) {
        config_errors_free(ret_errors);
        *ret_config = config;
        return EG_OK;
    }
    errors_name_files(ret_errors, &config->files);
    config_unref(&config);
    return EG_E_INTERNAL;
}

/* ---- what was said over the API ---- */

int server_config_lay(struct config **ret_config, struct config_overlay *overlay,
                      struct config *base, struct config_discovered *discovered, char **ret_why)
{
    struct config_errors errors = {0};
    int rc = config_overlay_apply(ret_config, overlay, base, discovered, &errors);

    if (rc != EG_OK)
        *ret_why = xasprintf("what was changed over the API does not fit \"%s\" any more: %s; "
                             "correct the file, or remove the entry from its state_file",
                             base->file, errors.v[0].message);
    config_errors_free(&errors);
    return rc;
}

int server_config_try_state(struct config *config, char **ret_why)
{
    struct config_overlay *overlay = NULL;
    struct config *laid = NULL;
    int rc;

    if (config->state_file == NULL)
        return EG_OK;
    rc = state_file_load(&overlay, config->state_file, ret_why);
    if (rc == EG_OK)
        rc = server_config_lay(&laid, overlay, config, NULL, ret_why);
    config_unref(&laid);
    config_overlay_free(overlay);
    return rc;
}
