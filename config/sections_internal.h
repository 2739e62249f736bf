/* The sections of the file, each described in its own room, and the checks they share. Insiders of
 * config/ only. */
#ifndef EVERGATE_CONFIG_SECTIONS_INTERNAL_H
#define EVERGATE_CONFIG_SECTIONS_INTERNAL_H

#include "config/schema_internal.h"
#include "config/values_internal.h"

extern const struct schema_section config_top_section; /* top.c */
extern const struct schema_section config_confinement_section;
extern const struct schema_section config_listener_section; /* listener.c */
extern const struct schema_section config_listener_timeouts_section;
extern const struct schema_section config_listener_limits_section;
extern const struct schema_section config_listener_tls_section;
extern const struct schema_section config_certificate_section;
extern const struct schema_section config_route_section; /* route.c */
extern const struct schema_section config_route_header_section;
extern const struct schema_section config_weighted_pool_section; /* route_action.c */
extern const struct schema_section config_redirect_section;
extern const struct schema_section config_respond_section;
extern const struct schema_section config_rewrite_section;
extern const struct schema_section config_header_edits_section; /* headers.c */
extern const struct schema_section config_header_edit_section;
extern const struct schema_section config_pool_section; /* pool.c */
extern const struct schema_section config_keepalive_section;
extern const struct schema_section config_pool_tls_section;
extern const struct schema_section config_pool_timeouts_section;
extern const struct schema_section config_policy_section;   /* what of a pool the API may change */
extern const struct schema_section config_backend_section;  /* backend.c */
extern const struct schema_section config_endpoint_section; /* one as the API writes it */
extern const struct schema_section config_health_section;   /* health.c */
extern const struct schema_section config_outlier_section;  /* outlier_breaker.c */
extern const struct schema_section config_breaker_section;
extern const struct schema_section config_retry_section;    /* retry.c */
extern const struct schema_section config_failover_section; /* failover.c */
extern const struct schema_section config_failback_section;
extern const struct schema_section config_fallback_section;  /* fallback.c */
extern const struct schema_section config_recovery_section;  /* recovery.c */
extern const struct schema_section config_sticky_section;    /* sticky.c */
extern const struct schema_section config_discovery_section; /* discovery.c */
extern const struct schema_section config_registration_section;
extern const struct schema_section config_admin_section; /* admin_log.c */
extern const struct schema_section config_log_section;
extern const struct schema_section config_supervision_section; /* top.c */

/* Empty, with one reference and an arena (config.c). */
struct config *config_new(const char *file);

enum {
    CONFIG_DURATION_SHORTEST_MS = 1,
    CONFIG_MAX_LISTENERS = 256,
    CONFIG_MAX_POOLS = 4096,
    CONFIG_MAX_ROUTES = 16384,
    CONFIG_MAX_CONNECTIONS = 10000000,
};
#define CONFIG_DURATION_LONGEST_MS (UINT64_C(30) * 86400 * 1000)

/* An address to listen on: numeric, or a Unix socket. True and *ret_address (pointing into `bind`)
 * when it is good; `key` names it in the mistake. */
bool config_check_bind(struct schema_walk *walk, unsigned line, const char *key, const char *bind,
                       struct config_address *ret_address);

/* Certificate files (certificates.c). Paths may be NULL: then nothing is checked. `group` gives the
 * lines of its members. Digests are of what was read, and untouched when nothing was. */
struct config_key_pair {
    const char *cert_path, *key_path;
    struct config_digest *ret_cert_digest, *ret_key_digest;
};
void config_check_key_pair(struct schema_walk *walk, const struct config_node *group,
                           const struct config_key_pair *pair);
void config_check_ca(struct schema_walk *walk, const struct config_node *group, const char *key,
                     const char *path, struct config_digest *ret_digest);

/* A header's name and value as RFC 9110 section 5 wants them. */
bool config_check_header_name(struct schema_walk *walk, unsigned line, struct slice name);
bool config_check_header_value(struct schema_walk *walk, unsigned line, struct slice value);

/* *lesser_ms must not exceed *greater_ms (of the keys so named). Where only one of the two is in
 * the file, the other one's default gives way; where both are, it is a mistake (order.c). */
void config_check_order(struct schema_walk *walk, const struct config_node *group,
                        const char *lesser_key, uint64_t *lesser_ms, const char *greater_key,
                        uint64_t *greater_ms);

/* POSIX extended, compiled into *ret_regex; false after adding a mistake about `key` (regex.c). */
bool config_compile_regex(struct schema_walk *walk, unsigned line, const char *key,
                          const char *pattern, regex_t *ret_regex);

/* HTTP methods: that it is one, and is not another one in lower case (route.c). `key` names it. */
void config_check_method(struct schema_walk *walk, unsigned line, const char *key,
                         const char *method);

/* Of a request: at most one Host that a server would take (headers.c). */
void config_check_host_headers(struct schema_walk *walk, unsigned line,
                               const struct http_header_edit *headers, size_t count);

/* A file that the proxy will write: it need not be there, but it must be possible to make it, or
 * to write to it (admin_log.c). `key` names it. */
void config_check_writable(struct schema_walk *walk, unsigned line, const char *key,
                           const char *path);
/* One that is written beside and renamed over: what counts is the directory. */
void config_check_replaceable(struct schema_walk *walk, unsigned line, const char *key,
                              const char *path);

/* region and zone of `group`, as names are written or empty (top.c). */
void config_check_place(struct schema_walk *walk, const struct config_node *group,
                        const struct config_place *place);

/* An address to connect to; with `numeric` no host name, since nobody would resolve it (backend.c).
 * `key` names it. */
void config_check_address(struct schema_walk *walk, unsigned line, const char *key,
                          const char *text, bool numeric);

/* The pool that `node` names, once all of them are read; false after adding a mistake. */
bool config_find_pool(struct schema_walk *walk, const struct config_node *node,
                      unsigned *ret_index);

/* Sets every pool's fallback.pool; what they must be to each other (fallback.c). */
void config_check_fallbacks(struct schema_walk *walk, const struct config_node *root);

/* No two sources may keep their sets in one file (discovery_check.c). */
void config_check_caches(struct schema_walk *walk, const struct config_node *root);

/* A key that only some types of its section have: a mistake unless `type` is one of `owners` (a bit
 * each), and it says which they are (owners.c). */
void config_check_owners(struct schema_walk *walk, const struct config_node *node, unsigned type,
                         unsigned owners, const char *(*type_name)(unsigned type));

/* What concerns several sections, once all are read (references.c). */
void config_check_references(struct schema_walk *walk, const struct config_node *root);

#endif
