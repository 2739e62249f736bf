/* `evergate explain URL`: the request that is asked about, made of a URL and options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/explain_text.h"
#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/table.h"

/* "http://host:port/path?query", "host/path" or "/path". */
struct url {
    char *host; /* "" when there is none */
    char *path; /* with the query; at least "/" */
};

static struct url split_url(const char *text)
{
    const char *colon = text + strcspn(text, ":/?"), *slash;

    if (strncmp(colon, "://", 3) == 0)
        text = colon + 3;
    slash = text + strcspn(text, "/?");
    return (struct url){xstrndup(text, (size_t)(slash - text)),
                        *slash == '/' ? xstrdup(slash) : xasprintf("/%s", slash)};
}

static void set_if_given(json_t *object, const char *key, const char *text)
{
    if (text && *text)
        fields_set_text(object, key, text);
}

/* A Host header has the last word, as it has in curl. Heap; NULL: there is none. */
static char *take_host(json_t *headers)
{
    const char *name;
    json_t *value;

    json_object_foreach(headers, name, value)
    {
        char *host;

        if (strcasecmp(name, "host") != 0 || !json_is_string(value))
            continue;
        host = xstrdup(json_string_value(value));
        json_object_del(headers, name);
        return host;
    }
    return NULL;
}

static json_t *question(const struct url *url, const struct cli_options *options)
{
    json_t *object = json_object(), *headers = fields_headers(options);
    char *host = take_host(headers);

    set_if_given(object, "listener", options->listener);
    set_if_given(object, "client_ip", options->client);
    fields_set_text(object, "method", options->method ? options->method : "GET");
    set_if_given(object, "host", host ? host : url->host);
    fields_set_text(object, "path", url->path);
    json_object_set_new(object, "headers", headers);
    free(host);
    return object;
}

static int ask(struct remote *remote, const json_t *request, const struct cli_options *options)
{
    static const char path[] = "/api/v1/explain";
    json_t *answer;
    int code;

    if (options->json)
        return remote_print(remote, "POST", path, request, stdout);
    code = remote_ask(remote, "POST", path, request, &answer);
    if (code != CLI_GOOD)
        return code;
    explain_print(request, answer, stdout, cli_colours(stdout, options->colours));
    json_decref(answer);
    return CLI_GOOD;
}

int cli_explain(const struct cli_options *options)
{
    struct url url = split_url(options->operands[0]);
    json_t *request = question(&url, options);
    struct remote remote;
    int code = remote_init(&remote, "explain", options);

    if (code == CLI_GOOD) {
        code = ask(&remote, request, options);
        remote_fini(&remote);
    }
    json_decref(request);
    free(url.host);
    free(url.path);
    return code;
}
