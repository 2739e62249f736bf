/* admin and log: how operators see the proxy. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/sections_internal.h"

enum { TOKEN_FILE_MAX_BYTES = 4096 };

/* ---- admin ---- */

static void admin_read_bind(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config *config = out;
    const char *text = config_schema_string(walk, node, "a string", "\"127.0.0.1:9900\"");
    struct config_address address;

    if (text == NULL)
        return;
    if (strcmp(text, "off") == 0)
        config->admin.bind = "";
    else if (config_check_bind(walk, node->line, "bind", text, &address))
        config->admin.bind = config_schema_dup(walk, text);
}

static json_t *admin_show_bind(const struct config *config, const void *in)
{
    const struct config *shown = in;

    return json_string(shown->admin.bind[0] != '\0' ? shown->admin.bind : "off");
}

/* One line of visible ASCII: what can stand behind "Authorization: Bearer". */
static bool is_token_text(const char *text)
{
    size_t n = strcspn(text, "\r\n");

    if (n == 0 || text[n + strspn(text + n, "\r\n")] != '\0')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    }
    return true;
}

static void admin_check_token(struct schema_walk *walk, const struct config_node *group,
                              const char *path, struct config_digest *ret_digest)
{
    unsigned line = config_node_line(group, "token_file");
    struct whole_file content;
    char *why;

    if (!config_file_read(&content, walk->diag, path, TOKEN_FILE_MAX_BYTES, &why)) {
        config_diag_add(walk->diag, line, "token_file: cannot read \"%s\": %s", path, why);
        free(why);
        return;
    }
    *ret_digest = config_digest_of(&content);
    if (!is_token_text(content.text))
        config_diag_add(walk->diag, line,
                        "token_file: \"%s\" does not hold a token; write one line of letters, "
                        "digits and marks into it",
                        path);
    free(content.text);
}

static void admin_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config *config = out;
    const char *problem;

    config->admin.where = config_schema_where(walk, group->line);
    if (config->admin.socket != NULL && config->admin.socket[0] == '\0')
        config->admin.socket = NULL;
    if (config->admin.socket != NULL) {
        problem = config_socket_path_problem(slice_str(config->admin.socket));
        if (problem != NULL)
            config_diag_add(walk->diag, config_node_line(group, "socket"), "socket: %s", problem);
    }
    if (config->admin.token_file != NULL)
        admin_check_token(walk, group, config->admin.token_file, &config->admin.token_digest);
}

static const struct schema_key admin_keys[] = {
    {"bind", SCHEMA_CUSTOM, "127.0.0.1:9900", .read = admin_read_bind, .show = admin_show_bind,
     .at_start = true},
    {"socket", SCHEMA_STRING, SCHEMA_AT(struct config, admin.socket),
     .example = "\"/run/evergate/admin.sock\"", .at_start = true},
    {"token_file", SCHEMA_PATH, SCHEMA_AT(struct config, admin.token_file),
     SCHEMA_DIGEST(struct config, admin.token_digest), .example = "\"/etc/evergate/token\""},
};

const struct schema_section config_admin_section = {
    .title = "admin",
    .struct_bytes = sizeof(struct config),
    SCHEMA_KEYS(admin_keys),
    .check = admin_check,
};

/* ---- log ---- */

/* A path without a slash is in the working directory. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static void check_directory(struct schema_walk *walk, unsigned line, const char *key,
                            const char *path)
{
    char *directory = directory_of(path);

    if (access(directory, W_OK | X_OK) != 0)
        config_diag_add(walk->diag, line,
                        "%s: the directory \"%s\" is missing or cannot be written; make it, or "
                        "write another path",
                        key, directory);
    free(directory);
}

void config_check_replaceable(struct schema_walk *walk, unsigned line, const char *key,
                              const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        config_diag_add(walk->diag, line,
                        "%s: \"%s\" is not a file; write a file of evergate's own", key, path);
    else
        check_directory(walk, line, key, path);
}

void config_check_writable(struct schema_walk *walk, unsigned line, const char *key,
                           const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        config_diag_add(walk->diag, line, "%s: \"%s\" is a directory; write a file in it", key,
                        path);
    else if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) /* open(2): ENXIO */
        config_diag_add(walk->diag, line, "%s: \"%s\" is a socket; write a file", key, path);
    else if (access(path, F_OK) == 0 && access(path, W_OK) != 0)
        config_diag_add(walk->diag, line,
                        "%s: \"%s\" cannot be written; correct the path or its permissions", key,
                        path);
    else if (access(path, F_OK) != 0)
        check_directory(walk, line, key, path);
}

static const char *const access_words[] = {[CONFIG_ACCESS_OFF] = "off",
                                           [CONFIG_ACCESS_STDOUT] = "stdout",
                                           [CONFIG_ACCESS_STDERR] = "stderr"};

static json_t *log_show_access(const struct config *config, const void *in)
{
    const struct config *shown = in;

    if (shown->log.access == CONFIG_ACCESS_FILE)
        return config_schema_text_json(shown->log.access_path);
    return json_string(access_words[shown->log.access]);
}

static void log_read_access(struct schema_walk *walk, const struct config_node *node, void *out)
{
    const char *text = config_schema_string(walk, node, "a string", "\"stdout\"");
    struct config *config = out;

    if (text == NULL)
        return;
    for (size_t i = 0; i < sizeof(access_words) / sizeof(access_words[0]); i++) {
        if (strcmp(text, access_words[i]) == 0) {
            config->log.access = (enum config_access_target)i;
            return;
        }
    }
    /* Without a slash it is more likely a slip than a file in the working directory. */
    if (strchr(text, '/') == NULL) {
        config_diag_add(walk->diag, node->line,
                        "access: \"%s\" is not known; write \"stdout\", \"stderr\", \"off\", or a "
                        "file as \"./%s\"",
                        text, text);
        return;
    }
    config->log.access = CONFIG_ACCESS_FILE;
    config->log.access_path = config_source_path(walk->source, node->line, text, walk->arena);
    config_check_writable(walk, node->line, "access", config->log.access_path);
}

static const char *const level_words[] = {[LOG_LEVEL_ERROR] = "error",
                                          [LOG_LEVEL_WARN] = "warn",
                                          [LOG_LEVEL_INFO] = "info",
                                          [LOG_LEVEL_DEBUG] = "debug",
                                          NULL};
static const char *const format_words[] = {[false] = "text", [true] = "json", NULL};

static const struct schema_key log_keys[] = {
    {"level", SCHEMA_CHOICE, "info", SCHEMA_AT(struct config, log.level), .choices = level_words},
    {"access", SCHEMA_CUSTOM, "stdout", .read = log_read_access, .show = log_show_access},
    {"format", SCHEMA_CHOICE, "json", SCHEMA_AT(struct config, log.json), .choices = format_words},
    {"buffer", SCHEMA_SIZE, "1m", SCHEMA_AT(struct config, log.buffer_bytes), .min = 64 * 1024,
     .max = 1024 * 1024 * 1024},
};

static void log_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config *config = out;

    config->log.where = config_schema_where(walk, group->line);
}

const struct schema_section config_log_section = {
    .title = "log",
    .struct_bytes = sizeof(struct config),
    SCHEMA_KEYS(log_keys),
    .check = log_check,
};
