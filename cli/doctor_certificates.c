/* Rules over certificates: until when they are good, for whom, and whether clients can follow them
 * to an authority. See doctor_internal.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/doctor_internal.h"
#include "config/certificate_file.h"

enum { DAY_S = 86400, SOON_DAYS = 30 };

/* ---- going through them ---- */

enum certificate_use { USE_SERVER, USE_CLIENT, USE_AUTHORITY };

struct visit {
    struct doctor_look *look;
    const char *path;
    enum certificate_use use;
    const struct certificate_file *file;
};
typedef void (*visit_cb)(const struct visit *visit);

/* A bundle of authorities has old ones in it, which harm nobody: only one that stands alone is
 * looked at. */
static void visit_one(const struct doctor_look *look, visit_cb cb, const char *path,
                      enum certificate_use use, const struct config_where *where)
{
    struct doctor_look own = *look;
    struct certificate_file file;
    struct visit visit = {&own, path, use, &file};
    char *why;

    if (!path)
        return;
    doctor_at(&own, where);
    if (certificate_file_read(&file, path, &why) != EG_OK) {
        doctor_unchecked(&own, why, "%s: not checked", path);
        free(why);
        return;
    }
    if (use != USE_AUTHORITY || file.count == 1)
        cb(&visit);
    certificate_file_fini(&file);
}

static void visit_pool_tls(const struct doctor_look *look, visit_cb cb,
                           const struct config_pool_tls *tls, const struct config_where *where)
{
    if (!tls)
        return;
    visit_one(look, cb, tls->cert_path, USE_CLIENT, where);
    visit_one(look, cb, tls->ca_path, USE_AUTHORITY, where);
}

static void visit_all(const struct doctor_look *look, visit_cb cb)
{
    const struct config *config = look->config;

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (!listener->tls)
            continue;
        for (size_t k = 0; k < listener->tls->certificate_count; k++)
            visit_one(look, cb, listener->tls->certificates[k].cert_path, USE_SERVER,
                      &listener->where);
        visit_one(look, cb, listener->tls->client_ca_path, USE_AUTHORITY, &listener->where);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];

        visit_pool_tls(look, cb, pool->tls, config_where_of(pool, CONFIG_PART_TLS));
        if (pool->discovery)
            visit_pool_tls(look, cb, pool->discovery->tls, &pool->discovery->where);
    }
}

/* ---- rules of each ---- */

static const char *whose(const struct visit *visit)
{
    static const char *const words[] = {"certificate", "client certificate", "authority"};

    return words[visit->use];
}

static void write_renew(const struct visit *visit)
{
    doctor_write(visit->look, "a renewed %s into %s, then: evergate reload", whose(visit),
                 visit->path);
}

static void on_expired(const struct visit *visit)
{
    int64_t days = (visit->look->now_s - visit->file->not_after_s) / DAY_S;

    if (visit->look->now_s <= visit->file->not_after_s)
        return;
    doctor_found(visit->look, "%s: the %s ended %" PRId64 " day%s ago", visit->path, whose(visit),
                 days, days == 1 ? "" : "s");
    write_renew(visit);
}

static void on_expiring(const struct visit *visit)
{
    int64_t left_s = visit->file->not_after_s - visit->look->now_s;
    int64_t days = left_s / DAY_S;
    int64_t life_s = visit->file->not_after_s - visit->file->not_before_s;

    /* What lives for days is renewed by a program, when a third of its life is left. */
    if (left_s < 0 || days >= SOON_DAYS || left_s > life_s / 3)
        return;
    doctor_found(visit->look, "%s: the %s ends in %" PRId64 " day%s", visit->path, whose(visit),
                 days, days == 1 ? "" : "s");
    write_renew(visit);
}

static void on_early(const struct visit *visit)
{
    if (visit->file->not_before_s <= visit->look->now_s)
        return;
    doctor_found(visit->look, "%s: the %s is not valid yet", visit->path, whose(visit));
    doctor_write(visit->look, "the one from before, or the right time: timedatectl");
}

/* Public authorities sign from intermediates only (CA/Browser Forum, Baseline Requirements section
 * 6.1.7), and name them in what they sign. */
static void on_alone(const struct visit *visit)
{
    const struct certificate_file *file = visit->file;

    if (visit->use != USE_SERVER || file->count > 1 || file->self_issued || !file->names_issuer)
        return;
    doctor_found(visit->look, "%s: holds a certificate without its intermediates", visit->path);
    doctor_write(visit->look, "cert = \"fullchain.pem\";  the certificate, then those that signed "
                              "it");
}

static void look_expired(struct doctor_look *look)
{
    visit_all(look, on_expired);
}

static void look_expiring(struct doctor_look *look)
{
    visit_all(look, on_expiring);
}

static void look_early(struct doctor_look *look)
{
    visit_all(look, on_early);
}

static void look_alone(struct doctor_look *look)
{
    visit_all(look, on_alone);
}

/* ---- names ---- */

/* All certificates that clients may be shown, read once: routes can be many. */
struct shown {
    struct certificate_file *files;
    const char **listeners; /* the name of each file's */
    size_t count;
};

static void shown_read(struct shown *shown, const struct config *config)
{
    size_t most = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        most += config->listeners[i].tls ? config->listeners[i].tls->certificate_count : 0;
    *shown = (struct shown){.files = xcalloc(most + 1, sizeof(*shown->files)),
                            .listeners = xcalloc(most + 1, sizeof(*shown->listeners))};
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener_tls *tls = config->listeners[i].tls;

        for (size_t k = 0; tls && k < tls->certificate_count; k++) {
            char *why;

            if (certificate_file_read(&shown->files[shown->count], tls->certificates[k].cert_path,
                                      &why) == EG_OK)
                shown->listeners[shown->count++] = config->listeners[i].name;
            else
                free(why); /* the rules above told it */
        }
    }
}

static void shown_free(struct shown *shown)
{
    for (size_t i = 0; i < shown->count; i++)
        certificate_file_fini(&shown->files[i]);
    free(shown->files);
    free(shown->listeners);
}

/* Where clients of the route come over TLS, is there a certificate for them? */
static bool is_covered(const struct shown *shown, const struct config_route *route)
{
    bool over_tls = false;

    for (size_t i = 0; i < shown->count; i++) {
        if (route->listener[0] != '\0' && strcmp(route->listener, shown->listeners[i]) != 0)
            continue;
        if (certificate_file_is_for(&shown->files[i], route->host))
            return true;
        over_tls = true;
    }
    return !over_tls;
}

static void look_names(struct doctor_look *look)
{
    const struct config *config = look->config;
    struct shown shown;

    shown_read(&shown, config);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        struct doctor_look own = *look;

        /* A wildcard stands for names that nobody has written down. */
        if (route->host[0] == '\0' || route->host[0] == '*' || route->host[0] == '[' ||
            is_covered(&shown, route))
            continue;
        doctor_at(&own, &route->where);
        doctor_found(&own, "route \"%s\": no listener's certificate is for %s", route->name,
                     route->host);
        doctor_write(&own, "certificates = ( ..., { cert = \"%s.pem\"; key = \"%s.key\"; } );",
                     route->host, route->host);
    }
    shown_free(&shown);
}

const struct doctor_rule doctor_certificate_rules[] = {
    {"certificate-expired", DOCTOR_ERROR, "peers refuse the connection", look_expired},
    {"certificate-early", DOCTOR_ERROR, "peers refuse the connection", look_early},
    {"certificate-expiring", DOCTOR_WARNING, "from then on peers refuse the connection",
     look_expiring},
    {"certificate-alone", DOCTOR_WARNING,
     "clients that do not happen to know the intermediate refuse the connection", look_alone},
    {"certificate-names", DOCTOR_WARNING,
     "clients that come over TLS get a certificate for another name, and refuse it", look_names},
    {.name = NULL},
};
