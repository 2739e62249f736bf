/* `evergate demo`: built-in backends, a configuration made up for them, and a word of welcome. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "base/alloc.h"
#include "base/log.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "cli/demo_backends.h"
#include "cli/remote.h"
#include "proxy/listen.h"
#include "proxy/shared_listener.h"

static unsigned free_port(const char *bind)
{
    struct listen_set set;
    char *why = NULL;
    unsigned port;

    if (listen_open(&set, bind, 1, &why) != EG_OK) {
        free(why);
        return 0;
    }
    port = address_port(&set.address);
    listen_close(&set);
    return port;
}

/* The usual port of management, or any when something else has it: no reason to refuse a demo. The
 * page asks management through the proxy, so the port must be known before it is bound. */
static unsigned admin_port(void)
{
    unsigned port = free_port(CLI_DEFAULT_ADDRESS);

    return port ? port : free_port("127.0.0.1:0");
}

static char *config_text(const struct demo_backends *backends, unsigned port)
{
    unsigned admin = admin_port();

    return xasprintf(
        "listeners = ( { name = \"demo\"; bind = \"127.0.0.1:%u\"; } );\n"
        "routes = ( { name = \"control\"; path = \"/backends\"; pool = \"control\"; },\n"
        "           { name = \"operator\"; path = \"/api/v1/\"; methods = [ \"GET\" ];\n"
        "             pool = \"management\"; },\n"
        "           { name = \"read-only\"; path = \"/api/v1/\"; respond = { status = 403;\n"
        "             body = \"From here management can only be read.\\n\"; }; },\n"
        "           { name = \"demo\"; pool = \"demo\"; } );\n"
        "pools = ( { name = \"demo\";\n"
        "            health = { type = \"http\"; path = \"/health\"; interval = \"1s\";\n"
        "                       timeout = \"1s\"; };\n"
        "            backends = (\n"
        "            { id = \"%s\"; address = \"127.0.0.1:%u\"; },\n"
        "            { id = \"%s\"; address = \"127.0.0.1:%u\"; },\n"
        "            { id = \"%s\"; address = \"127.0.0.1:%u\"; } ); },\n"
        "          { name = \"control\"; backends = (\n"
        "            { id = \"control\"; address = \"127.0.0.1:%u\"; } ); },\n"
        "          { name = \"management\"; backends = (\n"
        "            { id = \"management\"; address = \"127.0.0.1:%u\"; } ); } );\n"
        "admin = { bind = \"127.0.0.1:%u\"; };\n"
        "log = { access = \"stdout\"; format = \"text\"; };\n",
        port, demo_backend_id(0), demo_backend_port(backends, 0), demo_backend_id(1),
        demo_backend_port(backends, 1), demo_backend_id(2), demo_backend_port(backends, 2),
        demo_control_port(backends), admin, admin);
}

static void print_welcome(const struct server *server, const struct admin *admin)
{
    char proxy[ADDRESS_TEXT_BYTES], management[ADDRESS_TEXT_BYTES];

    address_format(&server->listeners[0]->set.address, proxy);
    printf(
        "\n"
        "  evergate %s demo: a proxy in front of three backends, a, b and c.\n"
        "\n"
        "  Open   http://%s/\n"
        "\n"
        "  Or try, in another terminal:\n"
        "    curl http://%s/hello                        # again and again: a, b, c take turns\n"
        "    curl -X POST http://%s/backends/b/stop      # b is gone; nobody notices\n"
        "    curl -X POST http://%s/backends/b/start\n"
        "    curl -X POST http://%s/backends/c/break     # c answers 500 though its check is fine\n"
        "    curl -X POST http://%s/backends/a/hang      # a accepts and never answers\n"
        "    curl 'http://%s/slow?ms=2000'               # an answer that takes its time\n",
        EVERGATE_VERSION, proxy, proxy, proxy, proxy, proxy, proxy, proxy);
    if (admin_address(admin, management))
        printf("    evergate endpoints --admin %s   # what is known of each\n"
               "    evergate events --admin %s --follow\n",
               management, management);
    printf("\n"
           "  Below is the access log. Ctrl-C ends the demo.\n"
           "\n");
    fflush(stdout);
}

static int demo_with(struct demo_backends *backends, unsigned port)
{
    char *text = config_text(backends, port);
    struct config *config = cli_config_load_text("demo", text);
    int code;

    free(text);
    if (!config)
        return CLI_BAD;
    log_init(config->log.level, config->log.json);
    code = cli_serve(&config, print_welcome);
    if (code != CLI_GOOD)
        fprintf(stderr, "evergate demo: if port %u is taken, give another one with --port PORT\n",
                port);
    config_unref(&config);
    return code;
}

int cli_demo(const struct cli_options *options)
{
    struct demo_backends *backends = NULL;
    int code;

    if (demo_backends_start(&backends) != EG_OK) {
        fprintf(stderr, "evergate demo: cannot start its backends on 127.0.0.1\n");
        return CLI_BAD;
    }
    code = demo_with(backends, options->port);
    demo_backends_stop(&backends);
    return code;
}
