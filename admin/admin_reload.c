/* POST /api/v1/reload: the file again. POST /api/v1/plan: what that would come to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin_body.h"
#include "admin/admin_change.h"
#include "admin/admin_internal.h"
#include "base/alloc.h"

static const char not_for_strangers[] =
    "over TCP and without a token, a file elsewhere than beside the one that is served must be "
    "evergate's own and readable by everybody";

struct reload {
    struct admin *admin;
    struct evhttp_request *request;
    struct server_outcome outcome;
};

/* On management's thread. */
static void on_back(void *arg)
{
    struct reload *reload = arg;
    struct admin_call call = {
        .admin = reload->admin, .server = reload->admin->server, .request = reload->request};

    admin_connection_release(reload->admin, reload->request);
    if (admin_change_made(&call, &reload->outcome, 0)) {
        admin_token_reload(reload->admin);
        admin_reply_json(call.request, 200, admin_change_object(&reload->outcome));
    }
    server_outcome_free(&reload->outcome);
    free(reload);
}

static void on_reloaded(void *arg)
{
    struct reload *reload = arg;

    loop_post(&reload->admin->loop, on_back, reload);
}

/* It may wait for new sources and names: whoever asks something else is answered meanwhile, a probe
 * of /health/ready above all. */
void admin_reload(struct admin_call *call)
{
    struct reload *reload;

    if (!admin_body_says_nothing(call))
        return;
    reload = xcalloc(1, sizeof(*reload));
    reload->admin = call->admin;
    reload->request = call->request;
    call->later = true;
    server_reload(call->server, &reload->outcome, on_reloaded, reload);
}

/* As it was named. Heap: a reload may come in between. */
static char *served_file(struct server *server)
{
    char *file;

    server_read_lock(server);
    file = xstrdup(server->config->file);
    server_read_unlock(server);
    return file;
}

/* In the directory of the file that is served, or below it? Both are real paths. */
static bool is_beside(const char *file, const char *served)
{
    char *real = realpath(served, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    bool beside = slash && strncmp(file, real, (size_t)(slash - real) + 1) == 0;

    free(real);
    return beside;
}

/*
 * Whoever may ask for a plan makes this process read a file, and the answer quotes what is wrong
 * with it. A token or the socket's mode says that the caller is trusted with that. Any process of
 * the machine can come over the loopback, though: that one gets no more than what everybody may
 * read (not even whether there is a file), and cannot put an @include of something secret into a
 * file of ours.
 */
static bool is_trusted(const struct admin_call *call)
{
    return call->admin->token || !call->door->is_tcp;
}

static bool is_for_everybody(const char *file)
{
    struct stat is;

    return stat(file, &is) == 0 && (is.st_mode & S_IROTH);
}

/* A pipe or a device would hold up every change, so it is refused to all. NULL: fine. */
static const char *refuse_file(const struct admin_call *call, const char *file, const char *served)
{
    struct stat is;

    if (stat(file, &is) != 0)
        return strerror(errno);
    if (!is_trusted(call) && !is_beside(file, served) &&
        (is.st_uid != geteuid() || !(is.st_mode & S_IROTH)))
        return not_for_strangers;
    if (!S_ISREG(is.st_mode))
        return "this is no regular file";
    return NULL;
}

/* What stands in a file that not everybody may read is not quoted to whoever just came along. */
static void hide_quotes(const struct admin_call *call, struct config_errors *mistakes)
{
    for (size_t i = 0; i < mistakes->count && !is_trusted(call); i++)
        if (mistakes->v[i].line > 0 && !is_for_everybody(mistakes->v[i].file))
            mistakes->v[i].message =
                "a mistake; \"evergate check\" tells which: over TCP and without a token, a file "
                "that not everybody may read is not quoted";
}

/*
 * Names in a file count from where it stands, by the name it was opened by. One beside that which
 * is served is therefore opened as that was, or every name in it would look changed. Heap; NULL: it
 * is the one that is served.
 */
static char *as_served(const char *file, const char *served)
{
    char *real = realpath(served, NULL), *named;
    const char *base = strrchr(file, '/') + 1, *end = strrchr(served, '/');
    size_t size = (size_t)(base - file);

    if (real && strcmp(real, file) == 0)
        named = NULL;
    else if (real && strncmp(real, file, size) == 0 && !strchr(real + size, '/'))
        named = xasprintf("%.*s%s", end ? (int)(end - served) + 1 : 0, served, base);
    else
        named = xstrdup(file);
    free(real);
    return named;
}

/* The body's file as a real path (heap), NULL for the one that is served; false after the answer.
 */
static bool read_file(struct admin_call *call, const json_t *body, const char *served,
                      char **ret_file)
{
    static const char *const known[] = {"file", NULL};
    json_t *value = json_object_get(body, "file");
    const char *file = json_string_value(value), *refusal = NULL;

    *ret_file = NULL;
    if (!admin_body_known(call, body, known))
        return false;
    if (!value)
        return true;
    /* The process may stand in another directory than whoever asks. */
    if (!file || file[0] != '/')
        refusal = "an absolute path is needed";
    else if (!(*ret_file = realpath(file, NULL)))
        refusal = is_trusted(call) ? strerror(errno) : not_for_strangers;
    else
        refusal = refuse_file(call, *ret_file, served);
    if (!refusal)
        return true;
    admin_reply_error(call->request, 422, "validation", "file \"%s\": %s", file ? file : "",
                      refusal);
    free(*ret_file);
    return false;
}

void admin_plan(struct admin_call *call)
{
    struct server_outcome outcome;
    json_t *body;
    char *file, *named, *served;

    if (!admin_body_optional(call, &body))
        return;
    served = served_file(call->server);
    if (read_file(call, body, served, &file)) {
        named = file ? as_served(file, served) : NULL;
        server_plan(call->server, named, &outcome);
        hide_quotes(call, &outcome.errors);
        if (admin_change_made(call, &outcome, 0))
            admin_reply_json(call->request, 200, admin_change_object(&outcome));
        server_outcome_free(&outcome);
        free(named);
        free(file);
    }
    free(served);
    json_decref(body);
}
