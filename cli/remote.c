/* Asking a running instance: see remote.h. */
#include "cli/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin_token.h"
#include "base/alloc.h"
#include "cli/client.h"
#include "cli/config_errors.h"
#include "cli/table.h"
#include "net/address.h"

enum { TIMEOUT_MS = 10000, CHANGE_TIMEOUT_MS = 120000 };

/* Takes `why`. */
static int fail(struct remote *remote, int code, char *why)
{
    if (!remote->quiet)
        fprintf(stderr, "evergate %s: %s\n", remote->command, why);
    free(remote->why);
    remote->why = why;
    return code;
}

static int load_token(struct remote *remote, const char *key, const char *path)
{
    char *why = NULL;

    if (!path || admin_token_load(&remote->token, key, path, &why) == EG_OK)
        return CLI_GOOD;
    return fail(remote, CLI_BAD, why);
}

/* The socket first: it needs no port to be free, and its permissions have let us in. */
static int from_config(struct remote *remote, const struct config *config)
{
    struct address bind;
    unsigned n = 0;

    if (config->admin.socket)
        remote->addresses[n++] = xasprintf("unix:%s", config->admin.socket);
    if (config->admin.bind[0] != '\0' &&
        address_parse(&bind, slice_str(config->admin.bind)) == EG_OK && address_port(&bind) != 0)
        remote->addresses[n++] = xstrdup(config->admin.bind);
    if (n == 0)
        return fail(
            remote, CLI_BAD,
            xasprintf("\"%s\" does not say where management is (admin.bind is \"%s\"); give "
                      "--admin ADDRESS",
                      config->file, config->admin.bind[0] ? config->admin.bind : "off"));
    return remote->token ? CLI_GOOD
                         : load_token(remote, "admin.token_file", config->admin.token_file);
}

/* A name is looked up later. */
static int from_option(struct remote *remote, const char *text)
{
    struct address address;
    int rc = address_parse(&address, slice_str(text));

    if (rc != EG_OK && rc != EG_E_RESOLVE)
        return fail(remote, CLI_USAGE,
                    xasprintf("--admin: \"%s\" is no address; write \"host:port\" or "
                              "\"unix:/path\"",
                              text));
    remote->addresses[0] = xstrdup(text);
    return CLI_GOOD;
}

static int find(struct remote *remote, const struct cli_options *options)
{
    struct config *config;
    int code;

    if (options->admin)
        return from_option(remote, options->admin);
    if (!options->config) {
        unsigned n = 0;

        if (access(CLI_DEFAULT_SOCKET + strlen("unix:"), F_OK) == 0)
            remote->addresses[n++] = xstrdup(CLI_DEFAULT_SOCKET);
        remote->addresses[n] = xstrdup(CLI_DEFAULT_ADDRESS);
        return CLI_GOOD;
    }
    config = cli_config_load(options->config);
    if (!config)
        return CLI_BAD;
    code = from_config(remote, config);
    config_unref(&config);
    return code;
}

int remote_init(struct remote *remote, const char *command, const struct cli_options *options)
{
    int code;

    *remote = (struct remote){.command = command, .json = options->json, .timeout_ms = TIMEOUT_MS};
    code = load_token(remote, "--token-file", options->token_file);
    if (code == CLI_GOOD)
        code = find(remote, options);
    if (code != CLI_GOOD)
        remote_fini(remote);
    return code;
}

void remote_fini(struct remote *remote)
{
    for (size_t i = 0; i < sizeof(remote->addresses) / sizeof(remote->addresses[0]); i++)
        free(remote->addresses[i]);
    free(remote->token);
    free(remote->why);
    *remote = (struct remote){0};
}

/* Where nobody listens, the next address is tried; what answered once is asked from then on. */
static int ask_any(struct remote *remote, struct client_request *request,
                   struct client_answer *ret_answer, char **ret_why)
{
    char *second = remote->addresses[1], *first_why = NULL;
    int rc;

    request->address = remote->addresses[0];
    rc = client_ask(ret_answer, request, second ? &first_why : ret_why);
    if (rc != EG_E_CONNECT || !second) {
        if (second)
            *ret_why = first_why;
        return rc;
    }
    request->address = second;
    rc = client_ask(ret_answer, request, ret_why);
    if (rc != EG_E_CONNECT) {
        free(remote->addresses[0]);
        remote->addresses[0] = second;
        remote->addresses[1] = NULL;
    } else {
        char *second_why = *ret_why;

        *ret_why = xasprintf("%s; %s", first_why, second_why);
        free(second_why);
    }
    free(first_why);
    return rc;
}

/* A line per mistake, as "evergate check" prints them; false: the refusal lists none. */
static bool print_mistakes(const json_t *error)
{
    const json_t *detail, *details = json_object_get(error, "details");
    size_t i;

    json_array_foreach(details, i, detail)
    {
        char *file = cli_printable(remote_text(detail, "file"));
        char *message = cli_printable(remote_text(detail, "message"));
        double line = remote_number(detail, "line");

        if (!*remote_text(detail, "file")) /* of what was said over the API */
            fprintf(stderr, "error: %s\n", message);
        else if (line > 0)
            fprintf(stderr, "%s:%.0f: error: %s\n", file, line, message);
        else
            fprintf(stderr, "%s: error: %s\n", file, message);
        free(file);
        free(message);
    }
    return json_array_size(details) > 0;
}

/* {"error":{"message","details"}} of an answer that is no success. */
static int refused(struct remote *remote, const struct client_answer *answer)
{
    json_t *value = json_loadb(answer->body, answer->size, 0, NULL);
    const json_t *error = json_object_get(value, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    char *text = message ? cli_printable(message)
                         : xasprintf("management answers with status %d", answer->status);

    if (remote->json && !remote->quiet)
        fwrite(answer->body, 1, answer->size, stdout);
    if (!remote->quiet && print_mistakes(error))
        free(text);
    else
        fail(remote, CLI_BAD, text);
    json_decref(value);
    return CLI_BAD;
}

/* A change is answered when every worker has it. */
static unsigned timeout_of(const struct remote *remote, const char *method)
{
    return strcmp(method, "GET") == 0 ? remote->timeout_ms : CHANGE_TIMEOUT_MS;
}

/* CLI_GOOD when there is an answer, whatever it says. */
static int ask(struct remote *remote, const char *method, const char *path, const json_t *body,
               struct client_answer *ret_answer)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, *why = NULL;
    struct client_request request = {.method = method,
                                     .path = path,
                                     .token = remote->token,
                                     .body = text,
                                     .timeout_ms = timeout_of(remote, method)};
    int rc = ask_any(remote, &request, ret_answer, &why), code = CLI_GOOD;

    free(text);
    if (rc != EG_OK)
        code = fail(remote, CLI_UNREACHABLE,
                    xasprintf("cannot reach management: %s", why ? why : "no answer"));
    free(why);
    return code;
}

int remote_ask_text(struct remote *remote, const char *method, const char *path, const json_t *body,
                    char **ret_text, size_t *ret_size)
{
    struct client_answer answer = {0};
    int code = ask(remote, method, path, body, &answer);

    if (code != CLI_GOOD)
        return code;
    if (answer.status >= 200 && answer.status <= 299) {
        *ret_text = answer.body;
        *ret_size = answer.size;
        return CLI_GOOD;
    }
    code = refused(remote, &answer);
    client_answer_free(&answer);
    return code;
}

int remote_ask_health(struct remote *remote, const char *path, char **ret_sentence)
{
    struct client_answer answer = {0};
    int code = ask(remote, "GET", path, NULL, &answer);

    if (code != CLI_GOOD)
        return code;
    if (answer.status == 200 || answer.status == 503) {
        *ret_sentence = xasprintf("%.*s", (int)strcspn(answer.body, "\n"), answer.body);
        code = answer.status == 200 ? CLI_GOOD : CLI_BAD;
    } else {
        code = refused(remote, &answer);
    }
    client_answer_free(&answer);
    return code;
}

/* The change is served all the same, so that this is no failure; but it must be seen. */
static void warn_not_saved(const struct remote *remote, json_t *answer)
{
    char *why;

    if (remote_text(answer, "not_saved")[0] == '\0')
        return;
    why = cli_printable(remote_text(answer, "not_saved"));
    fprintf(stderr, "evergate %s: warning: done, but a restart would lose it: %s\n",
            remote->command, why);
    free(why);
}

/* JSON of one type, or it is somebody else who answers. */
static int ask_for(struct remote *remote, json_type type, const char *method, const char *path,
                   const json_t *body, json_t **ret_value)
{
    char *text = NULL;
    size_t size = 0;
    json_t *value;
    int code = remote_ask_text(remote, method, path, body, &text, &size);

    if (code != CLI_GOOD)
        return code;
    value = size > 0 ? json_loadb(text, size, 0, NULL) : json_object();
    free(text);
    if (value == NULL || json_typeof(value) != type) {
        json_decref(value);
        return fail(
            remote, CLI_UNREACHABLE,
            xasprintf("%s: what answers there is not evergate's management", remote->addresses[0]));
    }
    *ret_value = value;
    return CLI_GOOD;
}

int remote_ask(struct remote *remote, const char *method, const char *path, const json_t *body,
               json_t **ret_value)
{
    int code = ask_for(remote, JSON_OBJECT, method, path, body, ret_value);

    if (code == CLI_GOOD)
        warn_not_saved(remote, *ret_value);
    return code;
}

int remote_get_array(struct remote *remote, const char *path, json_t **ret_value)
{
    return ask_for(remote, JSON_ARRAY, "GET", path, NULL, ret_value);
}

int remote_get(struct remote *remote, const char *path, json_t **ret_value)
{
    return remote_ask(remote, "GET", path, NULL, ret_value);
}

int remote_print(struct remote *remote, const char *method, const char *path, const json_t *body,
                 FILE *out)
{
    char *text;
    size_t size;
    int code = remote_ask_text(remote, method, path, body, &text, &size);

    if (code != CLI_GOOD)
        return code;
    fwrite(text, 1, size, out);
    free(text);
    return CLI_GOOD;
}

char *remote_pool_path(const char *pool, const char *more)
{
    char *name = client_escape(pool), *path = xasprintf("/api/v1/pools/%s%s", name, more);

    free(name);
    return path;
}

char *remote_endpoint_path(const char *pool, const char *id, const char *more)
{
    char *name = client_escape(id), *rest = xasprintf("/endpoints/%s%s", name, more);
    char *path = remote_pool_path(pool, rest);

    free(name);
    free(rest);
    return path;
}

const char *remote_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

double remote_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}
