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
#include "base/file_identity.h"
#include "base/log.h"
#include "http/forward.h"

/* Where something was written. */
struct config_where {
    const char *file; /* NULL: nowhere, it is a default; "api": it was said over the API */
    unsigned line;
};

/* What a file held when it was read; all zero where none was. For comparing only. */
struct config_digest {
    unsigned char bytes[32];
};

struct config_listener_tls {
    struct config_certificate {
        const char *cert_path, *key_path;
        struct config_digest cert_digest, key_digest;
    } * certificates;
    size_t certificate_count;
    const char *client_ca_path; /* NULL: none */
    struct config_digest client_ca_digest;
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
    struct config_where where;
};

enum config_path_match { CONFIG_PATH_PREFIX, CONFIG_PATH_EXACT, CONFIG_PATH_REGEX };

enum config_route_action { CONFIG_ROUTE_POOL, CONFIG_ROUTE_REDIRECT, CONFIG_ROUTE_RESPOND };

struct config_weighted_pool {
    unsigned pool; /* index into config.pools */
    unsigned weight;
};

struct config_route {
    const char *name;
    const char *listener; /* the name of the one that a request came by; "": any */
    const char *host;     /* lower case; "" matches every host, "*.example.com" any sub-domain */
    const char *path;     /* "" matches every path */
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
    struct config_where where;
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

/* Where something is, for locality; "" where nothing was said. */
struct config_place {
    const char *region, *zone;
};

struct config_backend {
    const char *id;      /* default: the address */
    const char *name;    /* a label for people; "" */
    const char *address; /* as written: "10.0.0.1:80", "[::1]:80", "unix:/path", "name:80" */
    const char *host;    /* the host part when it is a name to be resolved, else NULL */
    uint16_t port;
    unsigned weight;   /* 0-65535, default 1; 0 gets no new requests */
    unsigned priority; /* 1-100, default 1; the lowest is used first */
    bool backup;       /* only when nothing else in the pool can serve; after all priorities */
    unsigned max_connections; /* requests in flight on it, over all workers; 0: no limit */
    struct config_place place;
    const char *check_address; /* whom health checks ask instead; NULL: the backend itself */
    bool checked;              /* by the pool's health; true */
    bool drain;
    /* How the one who registered it judges it, beside our own checks: the worse of the two counts.
     * Of found endpoints only (config/found.h). */
    enum config_reported {
        CONFIG_REPORTED_NOTHING,
        CONFIG_REPORTED_HEALTHY,
        CONFIG_REPORTED_DEGRADED,
        CONFIG_REPORTED_UNHEALTHY,
    } reported;
    const char **tags; /* NULL-terminated */
    struct config_metadata {
        const char *key, *value;
    } * metadata;
    size_t metadata_count;
    /* "api" as soon as the API said anything of it; "discovery" where it was found */
    struct config_where where;
};

/* "healthy", ...; "" for nothing. */
const char *config_reported_name(enum config_reported reported);

struct config_pool_tls {
    const char *sni;     /* NULL: the backend's host name, else none */
    const char *ca_path; /* NULL: the system's store */
    bool verify;
    const char *cert_path, *key_path; /* NULL: no client certificate */
    struct config_digest ca_digest, cert_digest, key_digest;
};

/* A set of statuses 100-599, one bit each: "200-299, 304". */
struct config_statuses {
    uint64_t bits[10];
};
static inline bool config_statuses_have(const struct config_statuses *set, int status)
{
    return status >= 0 && status < 640 && (set->bits[status / 64] >> (status % 64) & 1) != 0;
}

enum config_health_type {
    CONFIG_HEALTH_HTTP,
    CONFIG_HEALTH_TCP,
    CONFIG_HEALTH_EXEC,
    CONFIG_HEALTH_POSTGRES,
    CONFIG_HEALTH_REDIS,
};

const char *config_health_type_name(enum config_health_type type); /* as the file writes it */

enum config_role { CONFIG_ROLE_ANY, CONFIG_ROLE_PRIMARY, CONFIG_ROLE_STANDBY };

/* A command as words, never a shell's line: "${NAME}" in a word is left for whoever runs it. */
struct config_command {
    const char **argv; /* NULL-terminated; NULL: none */
};

/* What a command is told of the endpoint that it runs for, in its environment and for "${NAME}": a
 * check's command the first of them, a recovery's all. */
enum config_variable {
    CONFIG_VARIABLE_POOL,
    CONFIG_VARIABLE_ENDPOINT_ID,
    CONFIG_VARIABLE_ADDRESS,
    CONFIG_VARIABLE_HOST,
    CONFIG_VARIABLE_PORT,
    CONFIG_VARIABLES_OF_CHECKS, /* so many */
    CONFIG_VARIABLE_ATTEMPT = CONFIG_VARIABLES_OF_CHECKS,
    CONFIG_VARIABLE_STATUS,
    CONFIG_VARIABLE_REASON,
    CONFIG_VARIABLE_SINCE,
    CONFIG_VARIABLE_COUNT,
};
extern const char *const config_variable_names[CONFIG_VARIABLE_COUNT]; /* "EG_POOL", ... */

/* Active checks of a pool's endpoints. */
struct config_health {
    enum config_health_type type;
    uint64_t interval_ms, timeout_ms; /* 5 s, 2 s */
    uint64_t fast_interval_ms;    /* while failing or not known yet; the interval, at most 1 s */
    unsigned jitter_percent;      /* 10: of the interval, to either side */
    unsigned rise, fall;          /* 2, 3 in a row; 1 success is enough from unknown */
    uint64_t degraded_latency_ms; /* a success slower than this degrades; 0: off */
    /* http */
    const char *path, *method, *body;       /* "/", "GET", "" */
    const struct http_header_edit *headers; /* a Host among them replaces the backend's name */
    size_t header_count;
    struct config_statuses expect_status, degraded_status; /* 200-299; none */
    const char *expect_body;    /* "": any; contained in the first 64 KiB of the answer */
    regex_t *expect_body_regex; /* "~REGEX": instead of expect_body; NULL: none */
    /* exec: exit code 0 healthy, 1 degraded (Nagios' warning), else unhealthy */
    struct config_command command;
    /* postgres, redis */
    enum config_role role;       /* any */
    const char *user, *database; /* postgres: "postgres", "postgres"; redis: user "" */
    const char *password_file;   /* NULL: none */
    struct config_digest password_digest;
    uint64_t max_lag_ms;     /* postgres standby: replay delay over this degrades; 0: off */
    const char **sentinels;  /* redis: addresses of Sentinels; empty: ask the server itself */
    const char *master_name; /* redis: what the Sentinels call it */
};

/* Passive detection; 0 switches a rule off. */
struct config_outlier {
    unsigned consecutive_5xx;  /* 5: 5xx answers, connection errors and timeouts in a row */
    unsigned error_percent;    /* 30: of the window's requests, and twice the rest of the pool's */
    unsigned min_requests;     /* 20: in the window, before error_percent is judged */
    uint64_t window_ms;        /* 10 s */
    uint64_t base_ejection_ms; /* 30 s; doubles with each ejection in a row */
    uint64_t max_ejection_ms;  /* 5 m */
    unsigned max_ejected_percent; /* 50; and never the last usable one */
    unsigned stall_factor;        /* 4: silent for so many times its usual (peak) latency */
    uint64_t stall_min_ms;        /* 50: and at least so long */
};

struct config_breaker {
    unsigned failure_threshold;                            /* 5 in a row; 0: off */
    unsigned error_percent;                                /* 50 of the window; 0: off */
    uint64_t window_ms;                                    /* 10 s */
    unsigned min_requests;                                 /* 20 in the window */
    uint64_t recovery_timeout_ms, max_recovery_timeout_ms; /* 10 s, doubling to 60 s */
    unsigned half_open_max;                                /* 3 at once */
    unsigned success_threshold;                            /* 2 */
};

/* What a request may be repeated after. */
enum config_retry_on {
    CONFIG_RETRY_CONNECT = 1, /* no connection: refused, timed out, TLS, name unknown */
    CONFIG_RETRY_RESET = 2,   /* closed before an answer, or no HTTP */
    CONFIG_RETRY_TIMEOUT = 4, /* no answer within timeouts.response */
    CONFIG_RETRY_STALL = 8,   /* the endpoint has stalled: asked elsewhere beside it; part of
                               TIMEOUT as well */
};

struct config_retry {
    unsigned attempts;                   /* 2: the first one counts; those that never left do not */
    unsigned on;                         /* CONFIG_RETRY_*, all by default */
    struct config_statuses on_status;    /* 502, 503, 504 */
    uint64_t backoff_ms, max_backoff_ms; /* 25 ms, 250 ms */
    unsigned budget_percent, budget_min; /* 20 % of the pool's requests, at least 3 per second */
    bool non_idempotent;                 /* repeat POST too, though it may have been seen */
    uint64_t body_buffer_bytes;          /* 64k: a larger body cannot be sent again */
    unsigned hedge_percentile; /* 0: off; 50-99: an idempotent request that is slower than so many
                                  of 100 is asked a second time elsewhere */
};

struct config_failover {
    unsigned min_healthy_percent; /* 70: below this share a tier's load spills over in part */
    unsigned panic_percent;       /* 0: off; below this share of usable endpoints, ignore health */
};

enum config_failback_mode {
    CONFIG_FAILBACK_AUTO,    /* at once */
    CONFIG_FAILBACK_DELAYED, /* at once, after it was fit for `after` without a break */
    CONFIG_FAILBACK_GRADUAL, /* `step` more of the load every `after` */
    CONFIG_FAILBACK_MANUAL,  /* when an operator says so */
};
const char *config_failback_mode_name(enum config_failback_mode mode);

struct config_failback {
    enum config_failback_mode mode;
    uint64_t after_ms;     /* 1 m */
    unsigned step_percent; /* 10 */
};

/* When nothing could answer, in this order: a stale answer, another pool, a file, the error. */
struct config_fallback {
    uint64_t stale_ms;          /* 0: off; how old beyond its freshness a stored answer may be */
    uint64_t cache_bytes;       /* 16m, over all workers */
    uint64_t cache_entry_bytes; /* 1m: larger answers are not stored */
    unsigned status;            /* 503: with body_file */
    const char *body_file;      /* NULL: none */
    struct slice body;          /* its content, at most 1m */
    struct config_digest body_digest;
    const char *body_type; /* its content type, by the file's name */
    int pool;              /* index into config.pools; -1: none */
};

/* What is done for an endpoint that became unhealthy. */
struct config_recovery {
    struct config_command command;
    const char *webhook;              /* NULL: none; "http://host:port/path" or https */
    unsigned max_attempts;            /* 3, until it was healthy again */
    uint64_t interval_ms, timeout_ms; /* 60 s, 30 s */
};

enum config_discovery_type {
    CONFIG_DISCOVERY_FILE,
    CONFIG_DISCOVERY_DNS,
    CONFIG_DISCOVERY_CONSUL,
    CONFIG_DISCOVERY_KUBERNETES,
    CONFIG_DISCOVERY_ETCD,
    CONFIG_DISCOVERY_TYPE_COUNT,
};
const char *config_discovery_type_name(enum config_discovery_type type); /* as the file writes it */
struct config_discovery;
/* What a source is asked for, by its type: a path, a name, a service, a prefix. */
const char *config_discovery_subject(const struct config_discovery *block);

enum config_dns_record { CONFIG_DNS_A, CONFIG_DNS_SRV }; /* A: AAAA as well */

/* This proxy as a service in Consul. */
struct config_registration {
    const char *name;    /* "evergate" */
    const char *id;      /* NAME-PORT */
    const char *address; /* that others reach it at; "": the agent's */
    unsigned port;       /* required */
    const char **tags;
    uint64_t ttl_ms; /* 15 s: of its check, which is told "passing" three times as often */
};

/* Where a pool's endpoints are registered. Only the keys of its type are set. */
struct config_discovery {
    enum config_discovery_type type;
    const char *key;    /* equal for blocks that mean the same source: all but allow_empty */
    bool allow_empty;   /* false: an answer without endpoints leaves the pool those it had */
    const char *cache;  /* NULL: none; the file that keeps the last good set for the next start */
    uint64_t max_bytes; /* 16m: of one answer */
    const char *path;   /* file: JSON, or libconfig */
    /* dns */
    const char *name; /* a host name, with ":port" for addresses */
    enum config_dns_record record;
    unsigned port;        /* of addresses; SRV has its own */
    uint64_t interval_ms; /* 60 s: asked again after the TTL, but at the latest after so long */
    /* consul, etcd, in turn: "host:port" or "unix:/path"; NULL-terminated */
    const char **addresses;
    struct config_pool_tls *tls; /* NULL: plain */
    /* consul; kubernetes */
    const char *service;
    /* consul */
    const char **service_tags;                /* `tag`: endpoints must have all of them */
    const char *datacenter;                   /* "": the agent's */
    const char *token;                        /* "": none */
    const char *token_file;                   /* NULL: none; read anew when it changes */
    uint64_t wait_ms;                         /* 5 m: of a blocking query */
    struct config_registration *registration; /* `register`; NULL: none */
    /* kubernetes */
    const char *namespace;  /* "": that of the service account, or of the kubeconfig's context */
    const char *port_name;  /* `port`, a name or a number; "": the only one */
    const char *kubeconfig; /* NULL: the service account's files */
    const char *context;    /* "": the kubeconfig's current one */
    /* etcd */
    const char *prefix;
    const char *user, *password_file; /* "", NULL: no authentication */
    struct config_digest password_digest;
    struct config_where where;
};

struct config_sticky {
    const char *cookie;
    uint64_t ttl_ms;         /* 1 h */
    const char *secret_file; /* NULL: a key of this process's own, lost with it */
    struct slice secret;     /* its content, 16 to 4096 bytes */
    struct config_digest secret_digest;
};

enum config_locality { CONFIG_LOCALITY_OFF, CONFIG_LOCALITY_PREFER };

/* What a pool consists of; a bit each. */
enum config_pool_part {
    CONFIG_PART_ALGORITHM = 1 << 0, /* with hash_key */
    CONFIG_PART_STICKY = 1 << 1,
    CONFIG_PART_LOCALITY = 1 << 2,
    CONFIG_PART_LIMITS = 1 << 3, /* max_connections, max_pending, pending_timeout, slow_start */
    CONFIG_PART_HEALTH = 1 << 4,
    CONFIG_PART_OUTLIER = 1 << 5,
    CONFIG_PART_BREAKER = 1 << 6,
    CONFIG_PART_RETRY = 1 << 7,
    CONFIG_PART_FAILOVER = 1 << 8,
    CONFIG_PART_FAILBACK = 1 << 9,
    CONFIG_PART_FALLBACK = 1 << 10,
    CONFIG_PART_RECOVERY = 1 << 11,
    CONFIG_PART_KEEPALIVE = 1 << 12,
    CONFIG_PART_TLS = 1 << 13, /* settings, or what the named files hold */
    CONFIG_PART_TIMEOUTS = 1 << 14,
    CONFIG_PART_BACKENDS = 1 << 15,
    CONFIG_PART_DISCOVERY = 1 << 16,
};
enum { CONFIG_POOL_PARTS = 17 };

struct config_pool {
    const char *name;
    enum config_algorithm algorithm;
    enum config_hash_key hash_key;
    const char *hash_name;         /* of the header or cookie; else "" */
    struct config_sticky *sticky;  /* NULL: none */
    enum config_locality locality; /* off */
    uint64_t slow_start_ms;        /* 0: off */
    unsigned max_connections;      /* requests in flight, over all workers; 0: no limit */
    unsigned max_pending;          /* 1024 wait for one of those, over all workers */
    uint64_t pending_timeout_ms;   /* 1 s */
    struct config_health *health;  /* NULL: no checks */
    struct config_outlier outlier;
    struct config_breaker breaker;
    struct config_retry retry;
    struct config_failover failover;
    struct config_failback failback;
    struct config_fallback fallback;
    struct config_recovery *recovery; /* NULL: none; needs health */
    struct {
        unsigned idle;         /* connections kept, per worker and endpoint; 64 */
        uint64_t timeout_ms;   /* 60 s */
        uint64_t max_requests; /* per connection; 0: no limit */
    } keepalive;
    struct config_pool_tls *tls; /* NULL: plain */
    struct {
        uint64_t connect_ms, response_ms, idle_ms; /* 2 s, 30 s, 60 s */
    } timeouts;
    struct config_discovery *discovery; /* NULL: none */
    struct config_backend *backends;    /* in a snapshot that is served: found ones too */
    size_t backend_count;               /* may be 0: they may all come over the API */
    struct config_where where;
    struct config_where parts[CONFIG_POOL_PARTS]; /* see config_where_of */
};

/* Where one part (one bit) of a pool was written: its first key, or the section's head. */
const struct config_where *config_where_of(const struct config_pool *pool,
                                           enum config_pool_part part);

enum config_access_target {
    CONFIG_ACCESS_OFF,
    CONFIG_ACCESS_STDOUT,
    CONFIG_ACCESS_STDERR,
    CONFIG_ACCESS_FILE
};

/* What the process gives up when it starts: confine/confine.h. */
struct config_confinement {
    const char *user, *group, *chroot; /* "": none */
    bool sandbox;                      /* true */
    bool core_dumps;
};

/* Files that a reading looked at, each once: the file itself, those it includes, those it names
 * whose content belongs to the configuration (certificates, keys, bodies). With what they were
 * then, so that a later look tells whether there is something new to read. */
struct config_file {
    const char *path;
    struct file_identity identity;
};

struct config_files {
    const struct config_file *v;
    size_t count;
    bool more; /* there were more than are kept (64) */
};

struct config {
    _Atomic unsigned refs;
    const char *file;          /* path as given */
    struct config_files files; /* none in a snapshot that was laid over another */
    unsigned workers;          /* 0: one per usable core */
    struct config_place place; /* of this instance */
    struct config_confinement confinement;
    struct {
        unsigned checks_per_second;     /* 1000: of all pools together */
        unsigned recoveries_per_minute; /* 10: likewise */
        unsigned events;                /* 4096: how many are kept */
    } supervision;
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
        struct config_digest token_digest;
        struct config_where where; /* of the group; .file is NULL when it is not in the file */
    } admin;
    struct {
        enum log_level level;
        enum config_access_target access;
        const char *access_path; /* for FILE */
        bool json;
        size_t buffer_bytes;       /* access log ring per worker, 64k to 1g; 1m */
        struct config_where where; /* likewise */
    } log;
    uint64_t drain_timeout_ms;      /* 30 s; how long SIGTERM waits for work in flight */
    uint64_t drain_delay_ms;        /* 0; how long it serves on before that, not ready */
    bool reload_on_change;          /* of `files` */
    const char *state_file;         /* NULL: none; where what the API changed is kept */
    struct arena *arena;            /* owns everything above, but for what is shared with `base` */
    struct config *base;            /* NULL: of the file alone; else what `overlay` was laid over */
    struct config_overlay *overlay; /* owns what of the API stands in this snapshot */
    struct config_discovered *discovered; /* likewise of what was found; NULL: nothing */
    struct found_list **lists; /* of the pools that have found backends; NULL where one has none;
                                  NULL itself where nothing was found */
    uint64_t serial;           /* of the reading of the file: no two have the same */
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
    struct config_files files; /* as far as it came */
    struct arena *arena;
};

/*
 * Only `file` and `confinement` of what config_load would read: for a process that must give up
 * rights before it reads the rest. No other file is looked at. 0, or EG_E_INTERNAL where the file
 * cannot be read or these keys are wrong: config_load says how.
 */
int config_load_confinement(struct config **ret_config, const char *path) WARN_UNUSED;

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
