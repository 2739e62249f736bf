/* pools[].discovery with type = "dns": what a name must be, and where the port of what is found
 * comes from. */
#include <stdlib.h>
#include <string.h>

#include "config/discovery_internal.h"

/* "app.internal:8080": the port of what is found. */
static void dns_take_port(struct schema_walk *walk, const struct config_node *group,
                          struct config_discovery *block, const struct config_address *address)
{
    if (config_discovery_asks(group, "port")) {
        config_diag_add(walk->diag, config_node_line(group, "port"),
                        "port: the name \"%s\" has one; write one of them", block->name);
        return;
    }
    block->name = arena_dup(walk->arena, address->host).p;
    block->port = address->port;
    block->port_name = config_schema_format(walk, "%u", block->port);
}

static void dns_check_a(struct schema_walk *walk, const struct config_node *group,
                        struct config_discovery *block)
{
    bool has_port = strchr(block->name, ':') != NULL;
    size_t n = strlen(block->name);
    /* An absolute name's dot (RFC 1034 section 3.1). */
    size_t absolute = !has_port && n > 1 && block->name[n - 1] == '.';
    const char *text = has_port
                           ? block->name
                           : config_schema_format(walk, "%.*s:1", (int)(n - absolute), block->name);
    unsigned line = config_node_line(group, "name");
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(text), 1);

    if (why != NULL && has_port)
        config_diag_add(walk->diag, line, "name: %s", why);
    else if (why != NULL || address.kind != CONFIG_ADDRESS_NAME)
        config_diag_add(walk->diag, line,
                        "name: \"%s\" is not a host name; write one such as \"app.internal:8080\"",
                        block->name);
    else if (has_port)
        dns_take_port(walk, group, block, &address);
    else if (!config_discovery_asks(group, "port"))
        config_diag_add(walk->diag, line,
                        "name: addresses have no port of their own; write name = \"%s:8080\"",
                        block->name);
    else if (block->port == 0 && config_node_find(group, "port")->type == CONFIG_NODE_STRING)
        config_diag_add(walk->diag, config_node_line(group, "port"),
                        "port: \"%s\" is not a port; write 1 to 65535", block->port_name);
    free(why);
}

static void dns_check_srv(struct schema_walk *walk, const struct config_node *group,
                          struct config_discovery *block)
{
    struct slice name = slice_str(block->name);

    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    if (config_discovery_asks(group, "port"))
        config_diag_add(walk->diag, config_node_line(group, "port"),
                        "port: SRV records have their own; remove it, or write record = \"a\"");
    if (!config_is_host_name(name))
        config_diag_add(walk->diag, config_node_line(group, "name"),
                        "name: \"%s\" is no name of SRV records; write one such as "
                        "\"_http._tcp.app.internal\"",
                        block->name);
}

void config_discovery_check_dns(struct schema_walk *walk, const struct config_node *group,
                                struct config_discovery *block)
{
    if (block->record == CONFIG_DNS_SRV)
        dns_check_srv(walk, group, block);
    else
        dns_check_a(walk, group, block);
}
