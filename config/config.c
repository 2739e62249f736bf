/* Assembly: text to nodes to snapshot, and the snapshot's references. */
#include "config/config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found_internal.h"
#include "config/overlay.h"
#include "config/sections_internal.h"

struct config *config_new(const char *file)
{
    static _Atomic uint64_t serial;
    struct config *config = xcalloc(1, sizeof(*config));

    config->arena = xmalloc(sizeof(*config->arena));
    arena_init(config->arena);
    config->refs = 1;
    config->serial = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed) + 1;
    config->file = arena_dup(config->arena, slice_str(file)).p;
    return config;
}

/* Those of a snapshot that was laid over another are the other's. */
static void config_free_regexes(struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].path_match == CONFIG_PATH_REGEX)
            regfree(&config->routes[i].path_regex);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        if (config->pools[i].health != NULL && config->pools[i].health->expect_body_regex != NULL)
            regfree(config->pools[i].health->expect_body_regex);
    }
}

static void config_free_found(struct config *config)
{
    for (size_t i = 0; config->lists != NULL && i < config->pool_count; i++)
        config_found_list_unref(config->lists[i]);
    config_discovered_unref(&config->discovered);
}

/* Also for one that was only half read. */
static void config_free(struct config *config)
{
    if (config->base == NULL)
        config_free_regexes(config);
    config_overlay_free(config->overlay);
    config_free_found(config);
    config_unref(&config->base);
    arena_fini(config->arena);
    free(config->arena);
    free(config);
}

struct config *config_ref(struct config *config)
{
    unsigned before = atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);

    CHECK(before > 0);
    return config;
}

void config_unref(struct config **config)
{
    struct config *gone = *config;

    *config = NULL;
    if (gone == NULL)
        return;
    /* Acquire and release: what other threads read of it happens before it is freed. */
    if (atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1)
        config_free(gone);
}

void config_errors_free(struct config_errors *errors)
{
    if (errors->arena != NULL)
        arena_fini(errors->arena);
    free(errors->arena);
    *errors = (struct config_errors){0};
}

/* The file's own keys that the section has, as a group of their own. */
static struct config_node only_keys_of(const struct config_node *root,
                                       const struct schema_section *section, struct arena *arena)
{
    struct config_node kept = *root;

    kept.children = arena_alloc(arena, (root->count + 1) * sizeof(*root->children));
    kept.count = 0;
    for (size_t i = 0; i < root->count; i++)
        if (config_schema_find_key(section, root->children[i].name) != NULL)
            kept.children[kept.count++] = root->children[i];
    return kept;
}

/* By the section of the whole file, or by one that has a few of its keys only. */
static struct config *config_build(const struct config_source *source,
                                   const struct schema_section *section, struct config_diag *diag)
{
    struct arena nodes;
    const struct config_node *root;
    struct config *config = NULL;

    arena_init(&nodes);
    root = config_reader_parse(source, &nodes, diag);
    if (root != NULL) {
        struct schema_walk walk = {.diag = diag, .source = source};
        struct config_node group =
            section == &config_top_section ? *root : only_keys_of(root, section, &nodes);

        config = config_new(source->name);
        walk.config = config;
        walk.arena = config->arena;
        config_schema_read(&walk, section, &group, config);
    }
    arena_fini(&nodes);
    return config;
}

int config_load_confinement(struct config **ret_config, const char *path)
{
    struct config_source source;
    struct config_diag diag;
    struct config *config = NULL;
    bool good;

    config_diag_init(&diag);
    if (config_source_load(&source, path, &diag))
        config = config_build(&source, &config_confinement_section, &diag);
    good = diag.count == 0;
    config_diag_fini(&diag);
    config_source_fini(&source);
    if (good)
        *ret_config = config;
    else
        config_unref(&config);
    return good ? EG_OK : EG_E_INTERNAL;
}

static int config_finish(struct config **ret_config, struct config_source *source, bool loaded,
                         struct config_diag *diag, struct config_errors *ret_errors)
{
    struct config *config = loaded ? config_build(source, &config_top_section, diag) : NULL;
    bool good = diag->count == 0;

    CHECK(!good || config != NULL);
    if (good)
        config->files = config_diag_files(diag, config->arena);
    *ret_errors = (struct config_errors){0};
    if (!good) {
        config_diag_finish(diag, source, ret_errors);
        config_unref(&config);
    }
    config_diag_fini(diag);
    config_source_fini(source);
    if (!good)
        return EG_E_INTERNAL;
    *ret_config = config;
    return 0;
}

int config_load(struct config **ret_config, const char *path, struct config_errors *ret_errors)
{
    struct config_source source;
    struct config_diag diag;
    bool loaded;

    config_diag_init(&diag);
    loaded = config_source_load(&source, path, &diag);
    return config_finish(ret_config, &source, loaded, &diag, ret_errors);
}

int config_load_text(struct config **ret_config, const char *name, const char *text,
                     struct config_errors *ret_errors)
{
    struct config_source source;
    struct config_diag diag;
    bool loaded;

    config_diag_init(&diag);
    loaded = config_source_set_text(&source, name, text, &diag);
    return config_finish(ret_config, &source, loaded, &diag, ret_errors);
}
