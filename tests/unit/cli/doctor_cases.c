/* For each of the doctor's rules over the file: a text that has it and one that has not. */
#include "doctor_support.h"

/* One line, as a token is, and of more than 16 bytes, as a secret. */
#define TOKEN  "token_file = \"" TEST_SOURCE_DIR "/unit/cli/doctor_token.txt\"; "
#define BESIDE "backends = ( { address = \"unix:/run/app.sock\"; } ); "
#define SECRET TEST_SOURCE_DIR "/unit/cli/doctor_token.txt"
#define POOLS(keys)                                                                                \
    EDGE(BIND) "pools = ( { name = \"app\"; " TWO keys " },\n{ name = \"b\"; " TWO " } );\n"
#define CONSUL(keys)                                                                               \
    POOL("discovery = { type = \"consul\"; service = \"s\"; address = \"10.0.0.9:8500\"; " keys    \
         " }; ")

const struct doctor_case doctor_cases[] = {
    /* management */
    {"admin-open", 3, TOP("admin = { bind = \"0.0.0.0:9900\"; };"), TOP("")},
    {"admin-open", 3, TOP("admin = { bind = \":9900\"; };"),
     TOP("admin = { bind = \"[::1]:9900\"; };")},
    {"admin-open", 3, TOP("admin = { bind = \"10.0.0.1:9900\"; };"),
     TOP("admin = { bind = \"10.0.0.1:9900\"; " TOKEN "};")},
    {"admin-plain", 3, TOP("admin = { bind = \"0.0.0.0:9900\"; " TOKEN "};"),
     TOP("admin = { bind = \"10.0.0.1:9900\"; " TOKEN "};")},
    {"admin-off", 3, TOP("admin = { bind = \"off\"; };"),
     TOP("admin = { bind = \"off\"; socket = \"/run/evergate/admin.sock\"; };")},
    {"no-state-file", 0, TOP(""), TOP("state_file = \"/tmp/evergate-state.json\";")},
    {"no-state-file", 0, TOP(""), TOP("admin = { bind = \"off\"; };")},
    /* logs, times */
    {"access-log-off", 3, TOP("log = { access = \"off\"; };"), TOP("")},
    {"debug-log", 3, TOP("log = { level = \"debug\"; };"), TOP("log = { level = \"warn\"; };")},
    {"drain-off", 0, TOP("drain_timeout = \"0\";"), TOP("drain_timeout = \"10s\";")},
    {"drain-short", 0, TOP("drain_timeout = \"10s\";"), TOP("")},
    {"drain-long", 0, TOP("drain_timeout = \"5m\";"), TOP("drain_timeout = \"60s\";")},
    {"drain-long", 0, TOP("drain_delay = \"31s\";"), TOP("drain_delay = \"30s\";")},
    {"too-many-checks", 0,
     POOL("health = { interval = \"10ms\"; }; " TWO) "supervision = { checks_per_second = 100; };",
     POOL("health = { interval = \"10ms\"; }; " TWO)},
    /* what is given up */
    {"sandbox-off", 0, TOP("sandbox = false;"), TOP("")},
    {"core-dumps-on", 0, POOL(TWO HEALTH "sticky = { };") "core_dumps = true;",
     TOP("core_dumps = true;")},
    {"core-dumps-on", 0, TOP("core_dumps = true; admin = { " TOKEN "};"),
     TOP("admin = { " TOKEN "};")},
    {"chroot-as-root", 0, TOP("chroot = \"/srv/evergate\";"),
     TOP("chroot = \"/srv/evergate\"; user = \"evergate\";")},
    /* listeners */
    {"connections-unlimited", 1, LISTENER(BIND "max_connections = 0;"), LISTENER(BIND)},
    {"proxy-protocol-open", 1, LISTENER("bind = \":80\"; proxy_protocol = true;"),
     LISTENER("bind = \":80\";")},
    {"proxy-protocol-open", 1, LISTENER("bind = \"203.0.113.7:80\"; proxy_protocol = true;"),
     LISTENER("bind = \"10.0.0.5:80\"; proxy_protocol = true;")},
    {"header-timeout-long", 1, LISTENER(BIND "timeouts = { header = \"5m\"; };"),
     LISTENER(BIND "timeouts = { header = \"1m\"; };")},
    /* routes */
    {"no-time-to-retry", 3, ROUTES("{ pool = \"app\"; timeout = \"20s\"; }"),
     ROUTES("{ pool = \"app\"; timeout = \"60s\"; }")},
    {"no-time-to-retry", 3, ROUTES("{ pool = \"app\"; timeout = \"20s\"; }"),
     ROUTES("{ pool = \"app\"; }")},
    {"pool-unrouted", 3, POOLS("") "routes = ( { pool = \"app\"; } );",
     POOLS("") "routes = ( { pools = ( { pool = \"app\"; }, { pool = \"b\"; weight = 0; } ); } );"},
    {"pool-unrouted", 3, POOLS("") "routes = ( { pool = \"app\"; } );",
     POOLS("fallback = { pool = \"b\"; };") "routes = ( { pool = \"app\"; } );"},
    /* pools */
    {"no-health", 2, POOL(TWO), POOL(HEALTH TWO)},
    {"no-health", 2, POOL("discovery = { type = \"dns\"; name = \"app:80\"; };"), POOL(ONE)},
    {"no-health", 2, POOL("discovery = { type = \"file\"; path = \"e.json\"; };"), CONSUL("")},
    {"blind", 2, POOL(TWO "outlier = { consecutive_5xx = 0; error_percent = 0; };"),
     POOL(TWO "outlier = { consecutive_5xx = 0; };")},
    {"blind", 2, POOL(TWO "outlier = { max_ejected_percent = 0; };"),
     POOL(TWO HEALTH "outlier = { max_ejected_percent = 0; };")},
    {"fall-is-one", 2, POOL(TWO "health = { fall = 1; };"), POOL(TWO "health = { rise = 1; };")},
    {"interval-long", 2, POOL(TWO "health = { interval = \"31s\"; };"),
     POOL(TWO "health = { interval = \"30s\"; };")},
    {"check-timeout-long", 2, POOL(TWO "health = { interval = \"2s\"; timeout = \"3s\"; };"),
     POOL(TWO "health = { interval = \"1s\"; };")},
    {"tcp-check", 2, POOL(TWO "health = { type = \"tcp\"; };"), POOL(TWO HEALTH)},
    {"tcp-check", 2, POOL(TWO "health = { type = \"tcp\"; };"),
     POOL("health = { type = \"tcp\"; }; discovery = { type = \"consul\"; service = \"s\"; address "
          "= "
          "\"10.0.0.9:8500\"; };")},
    {"breaker-off", 2, POOL(ONE "breaker = { failure_threshold = 0; error_percent = 0; };"),
     POOL(BESIDE "breaker = { failure_threshold = 0; error_percent = 0; };")},
    {"breaker-off", 2, POOL(TWO "breaker = { failure_threshold = 0; error_percent = 0; };"),
     POOL(TWO "breaker = { failure_threshold = 0; };")},
    {"no-retry", 2, POOL(TWO "retry = { attempts = 1; };"), POOL(ONE "retry = { attempts = 1; };")},
    {"retry-unsafe", 2, POOL(TWO "retry = { non_idempotent = true; };"),
     POOL(TWO "retry = { non_idempotent = true; attempts = 1; };")},
    {"retry-budget-large", 2, POOL(TWO "retry = { budget_percent = 100; };"), POOL(TWO)},
    {"retry-budget-large", 2, POOL(ONE "retry = { budget_percent = 100; };"),
     POOL(BESIDE "retry = { budget_percent = 100; };")},
    {"response-timeout-long", 2, POOL(TWO "timeouts = { response = \"6m\"; };"),
     POOL(TWO "timeouts = { response = \"5m\"; };")},
    {"none-usable", 2,
     POOL("backends = ( { address = \"a:80\"; drain = true; }, { address = \"b:80\"; weight = 0; } "
          ");"),
     POOL("backends = ( { address = \"a:80\"; drain = true; }, { address = \"b:80\"; } );")},
    {"no-backends", 2, POOL(""), POOL("discovery = { type = \"file\"; path = \"e.json\"; };")},
    {"single-backend", 2, POOL(ONE), POOL(ONE "fallback = { stale = \"1m\"; };")},
    {"single-backend", 2, POOL(ONE), POOL(TWO)},
    {"single-backend", 2, POOL(ONE), POOL(BESIDE)},
    {"verify-off", 2, POOL(TWO "tls = { verify = false; };"), POOL(TWO "tls = { };")},
    {"verify-off", 2, POOL(TWO "tls = { verify = false; };"),
     POOL("backends = ( { address = \"127.0.0.1:443\"; }, { address = \"unix:/run/a.sock\"; } );"
          "tls = { verify = false; };")},
    {"sticky-secret", 2, POOL(TWO "sticky = { };"),
     POOL(TWO "sticky = { secret_file = \"" SECRET "\"; };")},
    /* discovery */
    {"source-may-empty", 2, CONSUL("allow_empty = true;"), CONSUL("")},
    {"source-no-cache", 2, CONSUL(""), CONSUL("cache = \"/tmp/evergate-cache.json\";")},
    {"source-no-cache", 2, CONSUL(""),
     POOL("discovery = { type = \"file\"; path = \"e.json\"; };")},
    {"source-plain", 2, CONSUL("token = \"t\";"), CONSUL("")},
    {"source-plain", 2, CONSUL("token = \"t\";"), CONSUL("token = \"t\"; tls = { };")},
    {"source-plain", 2, CONSUL("token = \"t\";"),
     POOL("discovery = { type = \"consul\"; service = \"s\"; token = \"t\"; address = "
          "\"127.0.0.1:8500\"; };")},
    {"source-verify-off", 2, CONSUL("tls = { verify = false; };"), CONSUL("tls = { };")},
    {.rule = NULL},
};
