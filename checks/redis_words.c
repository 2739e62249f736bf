/* See redis_words.h. */
#include "checks/redis_words.h"

#include <stdio.h>

bool redis_error_read(struct slice *ret_text, struct slice reply)
{
    struct resp_element element;

    if (!resp_take(&reply, &element) || element.type != RESP_ERROR)
        return false;
    *ret_text = element.text;
    return true;
}

/* ROLE answers a list whose first word is the role. A master's goes on with its offset and its
 * replicas, a standby's with master's host, port, the link's state and the offset. */
bool redis_standing_read(struct redis_standing *ret_standing, struct slice reply)
{
    struct redis_standing standing = {.linked = true};
    struct resp_element list, role, host, port, state;

    if (!resp_take(&reply, &list) || list.type != RESP_ARRAY || !resp_take(&reply, &role) ||
        role.type != RESP_STRING)
        return false;
    if (slice_eq(role.text, SLICE_LIT("slave"))) {
        if (!resp_take(&reply, &host) || !resp_take(&reply, &port) || !resp_take(&reply, &state) ||
            host.type != RESP_STRING || port.type != RESP_NUMBER || state.type != RESP_STRING)
            return false;
        standing.standby = true;
        standing.linked = slice_eq(state.text, SLICE_LIT("connected"));
        standing.master_host = host.text;
        standing.master_port = port.number;
        standing.link_state = state.text;
    } else if (!slice_eq(role.text, SLICE_LIT("master"))) {
        return false;
    }
    *ret_standing = standing;
    return true;
}

bool redis_master_read(struct slice *ret_host, struct slice *ret_port, struct slice reply)
{
    struct resp_element list, host, port;

    if (!resp_take(&reply, &list) || list.type != RESP_ARRAY || list.number != 2 ||
        !resp_take(&reply, &host) || !resp_take(&reply, &port) || host.type != RESP_STRING ||
        port.type != RESP_STRING)
        return false;
    *ret_host = host.text;
    *ret_port = port.text;
    return true;
}

/* The configuration's words for whom the check asks: "db1.example.com:6379". */
static bool is_configured_as(struct slice named, const struct config_backend *backend)
{
    const char *text = backend->check_address ? backend->check_address : backend->address;

    return slice_ieq(named, slice_str(text));
}

bool redis_master_is(struct slice host, struct slice port, const struct address *address,
                     const struct config_backend *backend)
{
    bool v6 = host.n > 0 && memchr(host.p, ':', host.n) != NULL;
    char text[300]; /* a name of 253 and more */
    struct address named;
    int n = snprintf(text, sizeof(text), v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", SLICE_FMT(host),
                     SLICE_FMT(port));

    if (n < 0 || (size_t)n >= sizeof(text))
        return false;
    if (address_parse(&named, slice_from(text, (size_t)n)) == 0)
        return address_equal(&named, address);
    return is_configured_as(slice_from(text, (size_t)n), backend);
}
