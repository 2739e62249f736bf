/*
 * Which name server is asked first. c-ares begins each question with the first of its list, so that
 * one which is silent costs every question its patience. Such a one is put to the end, and back in
 * its place a minute later: their order is the administrator's, and may have a reason.
 */
#include "net/resolver_internal.h"

enum {
    SILENT_ROW = 3, /* questions that another one answered in its stead; datagrams get lost too */
    SILENT_MS = 60 * 1000,
};

void resolver_servers_heard(struct resolver *resolver, int status, int timeouts)
{
    struct resolver_servers *servers = &resolver->servers;

    if (status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND)
        return; /* none is better than another */
    servers->silences = timeouts > 0 ? servers->silences + 1 : 0;
}

/* The first `steps` of them become the last. 0, or EG_E_AGAIN while questions are under way. */
static int turn(struct resolver *resolver, unsigned steps)
{
    struct ares_addr_port_node *first = NULL, *last, *next;
    int rc;

    if (ares_get_servers_ports(resolver->channel, &first) != ARES_SUCCESS || first == NULL)
        return EG_E_AGAIN;
    for (last = first; last->next; last = last->next)
        ;
    for (; steps > 0 && first != last; steps--) {
        next = first->next;
        first->next = NULL;
        last = last->next = first;
        first = next;
    }
    rc = ares_set_servers_ports(resolver->channel, first);
    ares_free_data(first);
    return rc == ARES_SUCCESS ? 0 : EG_E_AGAIN;
}

static unsigned count(struct resolver *resolver)
{
    struct ares_addr_port_node *list = NULL;
    unsigned n = 0;

    if (ares_get_servers_ports(resolver->channel, &list) != ARES_SUCCESS)
        return 0;
    for (const struct ares_addr_port_node *node = list; node; node = node->next)
        n++;
    ares_free_data(list);
    return n;
}

/* One question that is not answered at once then shows that it is silent still. */
static void restore(struct resolver *resolver)
{
    struct resolver_servers *servers = &resolver->servers;
    unsigned n = count(resolver);

    if (n == 0 || turn(resolver, n - servers->turned % n) != 0)
        return;
    servers->turned = 0;
    servers->silences = SILENT_ROW - 1;
}

void resolver_servers_order(struct resolver *resolver)
{
    struct resolver_servers *servers = &resolver->servers;
    uint64_t now_ms = resolver->loop->now_ms;

    if (servers->turned > 0 && now_ms >= servers->turned_ms + SILENT_MS)
        restore(resolver);
    if (servers->silences < SILENT_ROW || turn(resolver, 1) != 0)
        return;
    servers->turned++;
    servers->turned_ms = now_ms;
    servers->silences = 0;
}
