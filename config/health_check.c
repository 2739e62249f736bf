/* What the keys of a health section must be together, and what their strings hold. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/health_internal.h"

enum { FAST_INTERVAL_DEFAULT_MS = 1000, PASSWORD_FILE_MAX_BYTES = 1024, WORD_MAX_BYTES = 1024 };

/* ---- keys of other types ---- */

#define FOR(type) (1u << CONFIG_HEALTH_##type)

/* Not `role`: a server without roles is as good as a primary, and files say so. */
static const struct {
    const char *key;
    unsigned types; /* that have it */
} health_owners[] = {
    {"path", FOR(HTTP)},
    {"method", FOR(HTTP)},
    {"headers", FOR(HTTP)},
    {"body", FOR(HTTP)},
    {"expect_status", FOR(HTTP)},
    {"expect_body", FOR(HTTP)},
    {"degraded_status", FOR(HTTP)},
    {"command", FOR(EXEC)},
    {"user", FOR(POSTGRES) | FOR(REDIS)},
    {"database", FOR(POSTGRES)},
    {"password_file", FOR(POSTGRES) | FOR(REDIS)},
    {"max_lag", FOR(POSTGRES)},
    {"sentinels", FOR(REDIS)},
    {"master", FOR(REDIS)},
};

static const char *health_type_name(unsigned type)
{
    return config_health_type_name((enum config_health_type)type);
}

static void health_check_owners(struct schema_walk *walk, const struct config_node *group,
                                const struct config_health *health)
{
    for (size_t i = 0; i < sizeof(health_owners) / sizeof(health_owners[0]); i++) {
        const struct config_node *node = config_node_find(group, health_owners[i].key);

        if (node != NULL && !config_node_is_empty(node))
            config_check_owners(walk, node, health->type, health_owners[i].types, health_type_name);
    }
}

/* ---- times ---- */

/* What is not written follows the interval, which is a promise of how soon a failure is found. A
 * longer timeout may be wanted: the next check waits for the one before. */
static void health_check_times(struct schema_walk *walk, const struct config_node *group,
                               struct config_health *health)
{
    char interval[CONFIG_VALUE_TEXT_BYTES], value[CONFIG_VALUE_TEXT_BYTES];

    config_value_format_duration(health->interval_ms, interval);
    if (health->timeout_ms > health->interval_ms && config_node_find(group, "timeout") == NULL)
        health->timeout_ms = health->interval_ms;
    if (health->fast_interval_ms == 0)
        health->fast_interval_ms = health->interval_ms < FAST_INTERVAL_DEFAULT_MS
                                       ? health->interval_ms
                                       : FAST_INTERVAL_DEFAULT_MS;
    if (health->fast_interval_ms > health->interval_ms)
        config_diag_add(walk->diag, config_node_line(group, "fast_interval"),
                        "fast_interval: \"%s\" is longer than the interval; write at most \"%s\"",
                        config_value_format_duration(health->fast_interval_ms, value), interval);
}

/* ---- http ---- */

/* A path with a query as RFC 9112 section 3.2.1 has it; what may stand in it is the server's to
 * judge. */
static bool is_target(const char *path)
{
    if (path[0] != '/')
        return false;
    for (; *path != '\0'; path++) {
        if (*path <= ' ' || *path >= 0x7f || *path == '#')
            return false;
    }
    return true;
}

static void health_check_body(struct schema_walk *walk, const struct config_node *group,
                              const struct config_health *health)
{
    const struct config_node *method = config_node_find(group, "method");
    bool bodiless = strcmp(health->method, "GET") == 0 || strcmp(health->method, "HEAD") == 0;

    if (method != NULL && method->type != CONFIG_NODE_STRING)
        return;

    /* RFC 9110 sections 9.3.1 and 9.3.2: a body has no meaning there. */
    if (health->body[0] != '\0' && bodiless)
        config_diag_add(walk->diag, config_node_line(group, "body"),
                        "body: %s has none; remove it, or write method = \"POST\"", health->method);
    if (health->expect_body[0] != '\0' && strcmp(health->method, "HEAD") == 0)
        config_diag_add(walk->diag, config_node_line(group, "expect_body"),
                        "expect_body: the answer to HEAD has no body; remove it, or write method "
                        "= \"GET\"");
}

static void health_compile_body(struct schema_walk *walk, const struct config_node *group,
                                struct config_health *health)
{
    unsigned line = config_node_line(group, "expect_body");
    regex_t *regex;

    if (health->expect_body[0] != '~')
        return;
    regex = arena_zalloc(walk->arena, sizeof(*regex));
    /* Freed with the snapshot. */
    if (config_compile_regex(walk, line, "expect_body", health->expect_body + 1, regex))
        health->expect_body_regex = regex;
}

static bool statuses_overlap(const struct config_statuses *a, const struct config_statuses *b)
{
    for (size_t i = 0; i < sizeof(a->bits) / sizeof(a->bits[0]); i++) {
        if ((a->bits[i] & b->bits[i]) != 0)
            return true;
    }
    return false;
}

static void health_check_statuses(struct schema_walk *walk, const struct config_node *group,
                                  const struct config_health *health)
{
    static const struct config_statuses none;

    if (memcmp(&health->expect_status, &none, sizeof(none)) == 0)
        config_diag_add(walk->diag, config_node_line(group, "expect_status"),
                        "expect_status is empty; write \"200-299\"");
    else if (statuses_overlap(&health->expect_status, &health->degraded_status) &&
             config_node_find(group, "expect_status") != NULL)
        config_diag_add(walk->diag, config_node_line(group, "degraded_status"),
                        "degraded_status and expect_status have statuses in common; write each in "
                        "one of them");
}

static void health_check_http(struct schema_walk *walk, const struct config_node *group,
                              struct config_health *health)
{
    if (!is_target(health->path))
        config_diag_add(walk->diag, config_node_line(group, "path"),
                        "path: \"%s\" is no path; write one that begins with \"/\", without spaces "
                        "and \"#\"",
                        health->path);
    config_check_method(walk, config_node_line(group, "method"), "method", health->method);
    if (strcmp(health->method, "CONNECT") == 0)
        config_diag_add(walk->diag, config_node_line(group, "method"),
                        "method: CONNECT opens a tunnel and checks nothing; write \"GET\"");
    config_check_host_headers(walk, config_node_line(group, "headers"), health->headers,
                              health->header_count);
    health_check_body(walk, group, health);
    health_compile_body(walk, group, health);
    health_check_statuses(walk, group, health);
}

/* ---- the others ---- */

static void health_check_exec(struct schema_walk *walk, const struct config_node *group,
                              const struct config_health *health)
{
    const struct config_node *command = config_node_find(group, "command");

    /* One that cannot be read was reported already. */
    if (command == NULL || config_node_is_empty(command))
        config_diag_add(walk->diag, config_node_line(group, "type"),
                        "a check with type = \"exec\" needs a command; write command = \"PROGRAM "
                        "ARGUMENT ...\"");
}

static void health_check_password(struct schema_walk *walk, const struct config_node *group,
                                  struct config_health *health)
{
    struct whole_file content;
    char *why;

    if (health->password_file == NULL)
        return;
    if (config_file_read(&content, walk->diag, health->password_file, PASSWORD_FILE_MAX_BYTES,
                         &why)) {
        health->password_digest = config_digest_of(&content);
        if (content.text[strspn(content.text, " \t\r\n")] == '\0')
            config_diag_add(walk->diag, config_node_line(group, "password_file"),
                            "password_file: \"%s\" holds no password; write it into the file",
                            health->password_file);
        explicit_bzero(content.text, content.size); /* it is read by whoever uses it */
        free(content.text);
        return;
    }
    config_diag_add(walk->diag, config_node_line(group, "password_file"),
                    "password_file: cannot read \"%s\": %s", health->password_file, why);
    free(why);
}

static void health_check_lag(struct schema_walk *walk, const struct config_node *group,
                             const struct config_health *health)
{
    if (health->max_lag_ms > 0 && health->role == CONFIG_ROLE_PRIMARY)
        config_diag_add(walk->diag, config_node_line(group, "max_lag"),
                        "max_lag: a primary replays nothing; remove it, or write role = "
                        "\"standby\"");
}

/* What is sent as one word of a command. */
static void health_check_word(struct schema_walk *walk, const struct config_node *group,
                              const char *key, const char *word)
{
    if (word != NULL && strlen(word) > WORD_MAX_BYTES)
        config_diag_add(walk->diag, config_node_line(group, key),
                        "%s: it has more than %d bytes; write a shorter one", key, WORD_MAX_BYTES);
}

static void health_check_sentinels(struct schema_walk *walk, const struct config_node *group,
                                   const struct config_health *health)
{
    unsigned line = config_node_line(group, "sentinels");
    bool sentinels = health->sentinels[0] != NULL;

    for (const char **address = health->sentinels; *address != NULL; address++)
        config_check_address(walk, line, "sentinels", *address, false);
    if (sentinels && health->master_name == NULL)
        config_diag_add(walk->diag, line,
                        "sentinels are asked for a master by its name; write master = "
                        "\"mymaster\" beside it");
    if (config_node_find(group, "sentinels") == NULL && health->master_name != NULL)
        config_diag_add(walk->diag, config_node_line(group, "master"),
                        "master is a name that only Sentinels know; write sentinels = [ "
                        "\"10.0.0.1:26379\" ] beside it");
}

/* A type that was refused says nothing about the keys beside it. */
static bool type_is_good(const struct config_node *group, const struct config_health *health)
{
    const struct config_node *type = config_node_find(group, "type");

    return type == NULL || (type->type == CONFIG_NODE_STRING &&
                            strcmp(type->string, config_health_type_name(health->type)) == 0);
}

void config_health_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_health *health = out;

    if (health->user == NULL || health->user[0] == '\0')
        health->user = health->type == CONFIG_HEALTH_POSTGRES ? "postgres" : "";
    if (health->master_name != NULL && health->master_name[0] == '\0')
        health->master_name = NULL;
    health_check_times(walk, group, health);
    if (!type_is_good(group, health))
        return;
    health_check_owners(walk, group, health);
    if (health->type == CONFIG_HEALTH_HTTP)
        health_check_http(walk, group, health);
    else if (health->type == CONFIG_HEALTH_EXEC)
        health_check_exec(walk, group, health);
    else if (health->type == CONFIG_HEALTH_POSTGRES)
        health_check_lag(walk, group, health);
    else if (health->type == CONFIG_HEALTH_REDIS)
        health_check_sentinels(walk, group, health);
    health_check_word(walk, group, "user", health->user);
    health_check_word(walk, group, "master", health->master_name);
    health_check_password(walk, group, health);
}
