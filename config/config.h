/*
 * The configuration as one immutable snapshot.
 *
 * config_load reads a libconfig file, checks everything and either returns a snapshot that can be
 * served from, or the complete list of mistakes. A snapshot is never changed after it was made;
 * it is read by every thread without locks and freed when the last reference goes.
 *
 * All strings are NUL-terminated, owned by the snapshot and never NULL unless said so. Durations
 * are milliseconds, sizes are bytes, 0 means "no limit" where a limit may be off.
 *
 *   FILE ─► source (@include) ─► scanner, libconfig, ${ENV} ─► nodes
 *                                                                │
 *            struct config ◄─ references ◄─ sections' checks ◄─ schema tables
 *                                           (types, units, ranges, unknown keys)
 */
#ifndef EVERGATE_CONFIG_CONFIG_H
#define EVERGATE_CONFIG_CONFIG_H

#include <regex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "http/forward.h"

struct config_listener_tls {
    struct config_certificate {
        const char *cert_path, *key_path;
    } * certificates;
    size_t certificate_count;
    const char *client_ca_path; /* NULL: none */
    enum config_verify_client {
        CONFIG_VERIFY_OFF,
        CONFIG_VERIFY_OPTIONAL,
        CONFIG_VERIFY_REQUIRE
    } verify_client;
    bool min_version_1_3;
    const char **alpn; /* NULL-terminated; default {"http/1.1", NULL} */
};

struct config_listener {
    const char *name;
    const char *bind; /* as written: address_parse reads it; checked */
    bool proxy_protocol;
    struct config_listener_tls *tls; /* NULL: plain */
    unsigned max_connections;        /* over all workers; 0: no limit; default 10000 */
    struct {
        uint64_t header_ms, body_ms, idle_ms, write_ms; /* 10 s, 60 s, 75 s, 60 s */
    } timeouts;
    struct {
        struct http_limits head; /* 32k, 100 */
        uint64_t body_bytes;     /* 0: no limit */
    } limits;
};

enum config_path_match { CONFIG_PATH_PREFIX, CONFIG_PATH_EXACT, CONFIG_PATH_REGEX };

enum config_route_action { CONFIG_ROUTE_POOL, CONFIG_ROUTE_REDIRECT, CONFIG_ROUTE_RESPOND };

struct config_weighted_pool {
    unsigned pool; /* index into config.pools */
    unsigned weight;
};

struct config_route {
    const char *name;
    const char *host; /* lower case; "" matches every host, "*.example.com" any sub-domain */
    const char *path; /* "" matches every path */
    enum config_path_match path_match;
    regex_t path_regex;               /* compiled (POSIX extended) when path_match is REGEX */
    const char **methods;             /* NULL-terminated; empty: every method but CONNECT */
    struct http_header_edit *headers; /* all must be present with that value; value "" : present */
    size_t header_count;
    enum config_route_action action;
    struct config_weighted_pool *pools; /* one entry for `pool` */
    size_t pool_count;
    unsigned pool_weight_total;
    struct {
        const char *to; /* a "$path" at its end stands for the request's path and query */
        int status;
    } redirect;
    struct {
        int status;
        const char *body;
        const char *content_type;
    } respond;
    const char *rewrite_prefix; /* NULL: none; replaces the matched prefix */
    struct http_header_edits request_headers, response_headers;
    uint64_t timeout_ms; /* whole exchange until the answer's head; 0: none */
};

enum config_algorithm {
    CONFIG_ROUND_ROBIN,
    CONFIG_WEIGHTED,
    CONFIG_LEAST_CONNECTIONS,
    CONFIG_IP_HASH,
    CONFIG_RANDOM,
    CONFIG_CONSISTENT_HASH,
    CONFIG_LEAST_LATENCY,
    CONFIG_ALGORITHM_COUNT,
};
const char *config_algorithm_name(enum config_algorithm algorithm);

enum config_hash_key { CONFIG_HASH_IP, CONFIG_HASH_URI, CONFIG_HASH_HEADER, CONFIG_HASH_COOKIE };

struct config_backend {
    const char *id;      /* default: the address */
    const char *address; /* as written: "10.0.0.1:80", "[::1]:80", "unix:/path", "name:80" */
    const char *host;    /* the host part when it is a name to be resolved, else NULL */
    uint16_t port;
    unsigned weight; /* 0-65535, default 1; 0 gets no new requests */
    bool drain;
    const char **tags; /* NULL-terminated */
    struct config_metadata {
        const char *key, *value;
    } * metadata;
    size_t metadata_count;
};

struct config_pool_tls {
    const char *sni;     /* NULL: the backend's host name, else none */
    const char *ca_path; /* NULL: the system's store */
    bool verify;
    const char *cert_path, *key_path; /* NULL: no client certificate */
};

struct config_pool {
    const char *name;
    enum config_algorithm algorithm;
    enum config_hash_key hash_key;
    const char *hash_name; /* of the header or cookie; else "" */
    struct {
        unsigned idle;         /* connections kept, per worker and endpoint; 64 */
        uint64_t timeout_ms;   /* 60 s */
        uint64_t max_requests; /* per connection; 0: no limit */
    } keepalive;
    struct config_pool_tls *tls; /* NULL: plain */
    struct {
        uint64_t connect_ms, response_ms, idle_ms; /* 2 s, 30 s, 60 s */
    } timeouts;
    struct config_backend *backends;
    size_t backend_count;
};

enum config_access_target {
    CONFIG_ACCESS_OFF,
    CONFIG_ACCESS_STDOUT,
    CONFIG_ACCESS_STDERR,
    CONFIG_ACCESS_FILE
};

struct config {
    _Atomic unsigned refs;
    const char *file; /* path as given */
    unsigned workers; /* 0: one per usable core */
    struct config_listener *listeners;
    size_t listener_count;
    struct config_route *routes;
    size_t route_count;
    struct config_pool *pools;
    size_t pool_count;
    struct {
        const char *bind;       /* "127.0.0.1:9900"; "" : off */
        const char *socket;     /* NULL: none */
        const char *token_file; /* NULL: none */
    } admin;
    struct {
        enum log_level level;
        enum config_access_target access;
        const char *access_path; /* for FILE */
        bool json;
        size_t buffer_bytes; /* access log ring per worker, 64k to 1g; 1m */
    } log;
    uint64_t drain_timeout_ms; /* 30 s; how long SIGTERM waits for work in flight */
    struct arena *arena;       /* owns everything above */
};

/* One mistake: "FILE:LINE: error: what is wrong; what to write instead". */
struct config_error {
    const char *file;
    unsigned line; /* 0: the file as a whole */
    const char *message;
};

struct config_errors {
    struct config_error *v;
    size_t count;
    struct arena *arena;
};

/*
 * 0 and a snapshot with one reference, or EG_E_INTERNAL (never both) with every mistake in
 * *ret_errors. Always give *ret_errors to config_errors_free. Reads files (certificates too), sends
 * nothing, changes nothing. With no route in the file, one route "default" sends everything to the
 * only pool.
 */
int config_load(struct config **ret_config, const char *path,
                struct config_errors *ret_errors) WARN_UNUSED;

/* The same from text; `name` stands for the file in messages. For tests, fuzzing and `evergate
 * demo`. */
int config_load_text(struct config **ret_config, const char *name, const char *text,
                     struct config_errors *ret_errors) WARN_UNUSED;

void config_errors_free(struct config_errors *errors);

struct config *config_ref(struct config *config);
void config_unref(struct config **config); /* any thread; nulls the pointer */

#endif
