/*
 * /etc/hosts: names that the machine itself knows, which no server is asked for. Pure, but for
 * dns_hosts_read.
 */
#ifndef EVERGATE_DISCOVERY_DNS_HOSTS_H
#define EVERGATE_DISCOVERY_DNS_HOSTS_H

#include "base/slice.h"
#include "discovery/dns_answer.h"

enum { DNS_HOSTS_MAX_BYTES = 1024 * 1024, DNS_HOSTS_TTL_S = 5 };

/* Adds the addresses of `name` in the text of a hosts file (hosts(5)): of every line that has it as
 * its name or as an alias; each for DNS_HOSTS_TTL_S, after which the file is read again. */
void dns_hosts_find(struct slice text, const char *name, struct dns_ips *ips);

/* The same of the file at `path`; one that cannot be read or is too large knows no name. */
void dns_hosts_read(const char *path, const char *name, struct dns_ips *ips);

#endif
