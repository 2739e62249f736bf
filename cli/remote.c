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
#include "net/address.h"

static int fail(const struct remote *remote, int code, char *why)
{
    fprintf(stderr, "evergate %s: %s\n", remote->command, why);
    free(why);
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

static int find(struct remote *remote, const struct cli_options *options)
{
    struct config *config;
    int code;

    if (options->admin) {
        remote->addresses[0] = xstrdup(options->admin);
        return CLI_GOOD;
    }
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

    *remote = (struct remote){.command = command};
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
    *remote = (struct remote){0};
}

/* Where nobody listens, the next address is tried; what answered once is asked from then on. */
static int get_from_any(struct remote *remote, const char *path, struct client_answer *ret_answer,
                        char **ret_why)
{
    int rc = client_get(ret_answer, remote->addresses[0], path, remote->token, ret_why);
    char *second = remote->addresses[1], *why = NULL;

    if (rc != EG_E_CONNECT || !second)
        return rc;
    rc = client_get(ret_answer, second, path, remote->token, &why);
    if (rc != EG_E_CONNECT) {
        free(*ret_why);
        *ret_why = why;
        free(remote->addresses[0]);
        remote->addresses[0] = second;
        remote->addresses[1] = NULL;
        return rc;
    }
    second = xasprintf("%s; %s", *ret_why, why);
    free(*ret_why);
    free(why);
    *ret_why = second;
    return rc;
}

/* {"error":{"message"}} of an answer that is no success. */
static char *message_of(const struct client_answer *answer)
{
    json_t *value = json_loadb(answer->body, answer->size, 0, NULL);
    const char *message =
        json_string_value(json_object_get(json_object_get(value, "error"), "message"));
    char *text =
        message ? xstrdup(message) : xasprintf("management answers with status %d", answer->status);

    json_decref(value);
    return text;
}

int remote_get_text(struct remote *remote, const char *path, char **ret_text, size_t *ret_size)
{
    struct client_answer answer;
    char *why = NULL;
    int code;

    if (get_from_any(remote, path, &answer, &why) != EG_OK) {
        why = why ? why : xstrdup("no answer");
        fprintf(stderr, "evergate %s: cannot reach management: %s\n", remote->command, why);
        free(why);
        return CLI_UNREACHABLE;
    }
    if (answer.status == 200) {
        *ret_text = answer.body;
        *ret_size = answer.size;
        return CLI_GOOD;
    }
    code = fail(remote, CLI_BAD, message_of(&answer));
    client_answer_free(&answer);
    return code;
}

int remote_get(struct remote *remote, const char *path, json_t **ret_value)
{
    char *text;
    size_t size;
    json_t *value;
    int code = remote_get_text(remote, path, &text, &size);

    if (code != CLI_GOOD)
        return code;
    value = json_loadb(text, size, 0, NULL);
    free(text);
    if (!value)
        return fail(
            remote, CLI_UNREACHABLE,
            xasprintf("%s: what answers there is not evergate's management", remote->addresses[0]));
    *ret_value = value;
    return CLI_GOOD;
}

int remote_print(struct remote *remote, const char *path)
{
    char *text;
    size_t size;
    int code = remote_get_text(remote, path, &text, &size);

    if (code != CLI_GOOD)
        return code;
    fwrite(text, 1, size, stdout);
    free(text);
    return CLI_GOOD;
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
