/* `evergate endpoints add|set|remove|drain|...`: one endpoint, changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "cli/fields.h"
#include "cli/remote.h"
#include "cli/remote_tables.h"
#include "cli/table.h"

/* One change of one endpoint. */
struct change {
    const char *verb;   /* "endpoints drain", for messages */
    const char *method; /* and on which path */
    char *path;         /* owned */
    json_t *body;       /* owned; NULL: none */
};

static void print_endpoint(const json_t *endpoint, const struct cli_options *options)
{
    json_t *one = json_pack("[O]", endpoint);

    remote_print_endpoints(one, stdout, cli_colours(stdout, options->colours));
    json_decref(one);
}

/* A removal answers with the endpoint as it last stood. */
static void print_removed(const json_t *endpoint, const struct cli_options *options)
{
    double active = remote_number(endpoint, "active");

    printf("%s/%s is removed", options->operands[0], options->operands[1]);
    if (active > 0)
        printf("; %.0f request%s that it holds %s finished", active, plural(active),
               active == 1 ? "is" : "are");
    printf(".\n");
}

static int ask(struct remote *remote, const struct change *change,
               const struct cli_options *options)
{
    json_t *answer;
    int code;

    if (options->json)
        return remote_print(remote, change->method, change->path, change->body, stdout);
    code = remote_ask(remote, change->method, change->path, change->body, &answer);
    if (code != CLI_GOOD)
        return code;
    if (strcmp(change->method, "DELETE") == 0)
        print_removed(answer, options);
    else
        print_endpoint(answer, options);
    json_decref(answer);
    return CLI_GOOD;
}

/* Ends the change, too. */
static int carry_out(struct change *change, const struct cli_options *options)
{
    struct remote remote;
    int code = remote_init(&remote, change->verb, options);

    if (code == CLI_GOOD) {
        code = ask(&remote, change, options);
        remote_fini(&remote);
    }
    free(change->path);
    json_decref(change->body);
    return code;
}

int cli_endpoint_add(const struct cli_options *options)
{
    struct change change = {.verb = "endpoints add",
                            .method = "POST",
                            .path = remote_pool_path(options->operands[0], "/endpoints"),
                            .body = fields_object(options)};

    fields_set_text(change.body, "id", options->operands[1]);
    fields_set_text(change.body, "address", options->operands[2]);
    return carry_out(&change, options);
}

int cli_endpoint_set(const struct cli_options *options)
{
    struct change change = {
        .verb = "endpoints set",
        .method = "PATCH",
        .path = remote_endpoint_path(options->operands[0], options->operands[1], ""),
        .body = fields_object(options)};

    if (options->given_count > 0)
        return carry_out(&change, options);
    fprintf(stderr, "evergate endpoints set: set what? Give --weight or the like\n"
                    "Try \"evergate endpoints set --help\".\n");
    free(change.path);
    json_decref(change.body);
    return CLI_USAGE;
}

int cli_endpoint_remove(const struct cli_options *options)
{
    struct change change = {
        .verb = "endpoints remove",
        .method = "DELETE",
        .path = remote_endpoint_path(options->operands[0], options->operands[1], "")};

    return carry_out(&change, options);
}

/* What an operator does by hand, with a word of why if there is one. */
static int act(const char *verb, const char *action, const struct cli_options *options)
{
    struct change change = {
        .verb = verb,
        .method = "POST",
        .path = remote_endpoint_path(options->operands[0], options->operands[1], action)};

    if (options->why) {
        change.body = json_object();
        fields_set_text(change.body, "why", options->why);
    }
    return carry_out(&change, options);
}

int cli_endpoint_drain(const struct cli_options *options)
{
    return act("endpoints drain", "/drain", options);
}

int cli_endpoint_undrain(const struct cli_options *options)
{
    return act("endpoints undrain", "/undrain", options);
}

int cli_endpoint_trip(const struct cli_options *options)
{
    return act("endpoints trip", "/trip", options);
}

int cli_endpoint_reset(const struct cli_options *options)
{
    return act("endpoints reset", "/reset", options);
}

int cli_endpoint_check(const struct cli_options *options)
{
    return act("endpoints check", "/check", options);
}
